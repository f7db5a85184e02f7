"""Slack's incoming webhooks, and whatever takes the same: a text of a few lines.

It accepts with 200, wants one message a second at most and says so with 429 and Retry-After; 403, 404 and 410 mean that the address is no
good any more (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). It has no key by which it would know a message
that comes twice: each names its id and its incident, for whoever reads.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from controller.channels.post import ask
from controller.core.messages import Action, Message, Severity

LONGEST = 3000
"""Characters; Slack cuts longer ones off."""

SIGNS = {
    Severity.CRITICAL: ":rotating_light:",
    Severity.ERROR: ":red_circle:",
    Severity.WARNING: ":large_orange_circle:",
    Severity.INFO: ":information_source:",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """`telling_ports.Channel`."""

    name: str
    url: str = field(repr=False)
    http: aiohttp.ClientSession
    incidents_only: bool = False

    async def deliver(self, message: Message, deadline: timedelta) -> str:
        """See `telling_ports.Channel`."""
        body = json.dumps({"text": text(message)}, separators=(",", ":")).encode()
        return await ask(self.http, self.url, deadline, body=body, headers={"Content-Type": "application/json"})


def text(message: Message) -> str:
    """The message in Slack's own markup, in which three characters are commands: a reason that says `<!channel>` must wake nobody."""
    sign = ":white_check_mark:" if message.action is Action.RESOLVE else SIGNS[message.severity]
    lines = [f"{sign} *{escaped(message.headline)}*  ({message.severity}, since {message.since:%H:%M:%S} UTC)"]
    lines += [escaped(line) for line in (message.why, message.then) if line]
    lines.append(f"`{escaped(message.command)}`")
    lines.append(f"_incident {escaped(message.incident)}, message {escaped(message.id)}_")
    cut = LONGEST - sum(len(line) + 1 for line in (lines[0], *lines[-2:]))
    middle = "\n".join(lines[1:-2])[: max(cut, 0)]
    return "\n".join(filter(None, (lines[0], middle, *lines[-2:])))


def escaped(given: str) -> str:
    """Nothing in it is markup."""
    return given.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
