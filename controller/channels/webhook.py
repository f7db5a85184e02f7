"""A signed webhook: the whole message as JSON, to whoever can verify it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from controller.channels.post import ask
from controller.channels.signing import Signer, signed
from controller.core.messages import Message
from controller.ports import Clock

TYPE = "trimaran.notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`telling_ports.Channel`. The receiver knows a message that came twice by its `webhook-id`."""

    name: str
    url: str = field(repr=False)
    signers: Sequence[Signer] = field(repr=False)
    """The newest secret first."""
    http: aiohttp.ClientSession
    clock: Clock
    incidents_only: bool = False

    async def deliver(self, message: Message, deadline: timedelta) -> str:
        """See `telling_ports.Channel`."""
        body = json.dumps(document(message), separators=(",", ":")).encode()
        headers = {**signed(self.signers, message.id, self.clock.now(), body), "Content-Type": "application/json"}
        return await ask(self.http, self.url, deadline, body=body, headers=headers)


def document(message: Message) -> Mapping[str, object]:
    """The message as receivers of webhooks read it: `type`, `timestamp` and `data`, as the specification recommends."""
    return {
        "type": TYPE,
        "timestamp": message.at.isoformat(),
        "data": {
            "id": message.id,
            "service": message.service,
            "action": str(message.action),
            "incident": message.incident,
            "severity": str(message.severity),
            "title": message.headline,
            "since": message.since.isoformat(),
            "why": message.why,
            "then": message.then,
            "command": message.command,
            "drill": message.drill,
            "entry": message.entry,
        },
    }
