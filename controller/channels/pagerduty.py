"""PagerDuty, by its Events API v2: one alert for each incident, opened, told more of, and resolved.

It takes an event with 202 and then works on it; 400 is never taken, 429 and 5xx are to be tried again
(https://developer.pagerduty.com/docs/events-api-v2/overview/). Events of one `dedup_key` are one alert, so that whatever comes twice
changes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from controller.channels.post import ask
from controller.core.messages import Action, Message

LONGEST_SUMMARY, LONGEST_KEY = 1024, 255
"""Characters; what is longer is refused or cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDuty:
    """`telling_ports.Channel`."""

    name: str
    key: str = field(repr=False)
    """Integration key of the service there."""
    http: aiohttp.ClientSession
    url: str = field(repr=False)
    incidents_only: bool = True
    """A note would open an alert that nothing ever ends."""

    async def deliver(self, message: Message, deadline: timedelta) -> str:
        """See `telling_ports.Channel`."""
        body = json.dumps(event(message, self.key), separators=(",", ":")).encode()
        return await ask(self.http, self.url, deadline, body=body, headers={"Content-Type": "application/json"})


def event(message: Message, key: str) -> Mapping[str, object]:
    """The message as an event."""
    ends = message.action is Action.RESOLVE
    return {
        "routing_key": key,
        "event_action": "resolve" if ends else "trigger",
        "dedup_key": message.incident[:LONGEST_KEY],
        "client": "Trimaran",
        "payload": {
            "summary": message.headline[:LONGEST_SUMMARY],
            "source": message.service,
            "severity": str(message.severity),
            "timestamp": message.at.isoformat(timespec="milliseconds"),
            "component": message.service,
            "class": str(message.action),
            "custom_details": {
                "why": message.why,
                "since": message.since.isoformat(),
                "what follows": message.then,
                "what you can do": message.command,
                "message": message.id,
                "journal entry": message.entry,
                "drill": message.drill,
            },
        },
    }
