"""A vault, an authority and a clock that only sleeping moves, as one cardholder meets them."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

from lab.load_payer import Device, Manners, NoReplyError, Reply, Route
from lab.record import Attempted
from lab.resolver import Answer, StubResolver
from lab.vault_load_answers import Request
from lab.vault_load_holder import Holder
from lab.vault_load_record import (
    ErasureWanted,
    Line,
    RevealWanted,
    TokenWanted,
)
from lab.vault_load_wallet import Card

WHO: dict[str, Any] = {"device": 0, "name": "vault", "caller": "shop"}
CARD = Card(key="6f1f9f60-0000-4000-8000-000000000001", subject="6f1f9f60-0000-4000-8000-000000000002", digits="4111111111111111")
WANTED = TokenWanted(key=CARD.key, subject=CARD.subject, digest="d", t=0.0, **WHO)
ASKED = RevealWanted(key="r", token="t", subject="s", t=0.0, **WHO)
GONE = ErasureWanted(key="e", subject="s", by="a cardholder", reason="request", t=0.0, **WHO)
KEPT = Reply(status=201, body=json.dumps({"token": "t", "epoch": 3}).encode())
SHOWN = Reply(status=200, body=json.dumps({"token": "t", "kind": "card", "number": CARD.digits}).encode())
PROVEN = Reply(status=200, body=json.dumps({"proof": "p", "epoch": 3}).encode())
BUSY = Reply(status=503, body=json.dumps({"type": "urn:x:problem:keys-out-of-reach"}).encode(), retry_after="1")


@dataclass
class World:
    """A vault, an authority and a clock that only sleeping moves."""

    answers: list[Reply | Exception] = field(default_factory=list)
    addresses: list[str] = field(default_factory=lambda: ["192.0.2.1"])
    now: float = 100.0
    lines: list[Line] = field(default_factory=list)
    sent: list[tuple[str, Request, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.holder = Holder(
            send=self.send,
            routes={f"192.0.2.{n}": Route(site=site, host="127.0.0.1", port=n) for n, site in ((1, "aws"), (2, "gcp"))},
            write=self.lines.append,
            digest=lambda digits: f"digest of {len(digits)}",
            manners=Manners(),
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        self.device = Device(number=0, name="vault", resolver=StubResolver(self.ask, lambda: self.now), chance=random.Random(1))

    async def ask(self, name: str, patience: float) -> Answer:
        return Answer(addresses=(self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0],), ttl=2.0)

    async def send(self, route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        assert isinstance(self.lines[-1], Attempted), "sent before it was on the record"
        self.sent.append((route.site, request, attempt, left))
        answer = self.answers.pop(0) if self.answers else NoReplyError("reset")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)
