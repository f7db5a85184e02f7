"""Who pays over HTTP while throughput is measured: `python -m lab.bench_throughput_load --settings FILE`.

Speaks as a site's edge does: over mutual TLS when the service wants that, with a client's token, telling which certificate the client
showed.
"""

import asyncio
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID, uuid4

import uvloop
from pydantic import BaseModel, ConfigDict, Field

from lab.bench_throughput_offer import NotPaidError, Pay, keys, told
from lab.bench_throughput_wire import UnreadableError, Wire
from lab.program import Ready, read_settings, run_until_told
from lab.site_settings import CURRENCY
from workload.access.identity import Identity, client_context

PAYMENTS, TOKENS = "/v1/payments", "/v1/tokens"
PLANTED = "4111111111111111"
"""A number that every test of cards uses, and that no bank ever gave out."""


NEW_EVERY = 4
"""Payments for one token that is new. It takes four trips through a barrier, a payment one: with each payment new nothing would be
measured but how that overloads two cores."""

LONGEST_DETAIL = 60
SUBJECTS = 100
"""Whose numbers become tokens: known to the vault after a while, as most who come with another card are."""


class Address(BaseModel):
    """One service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    name: str | None = None
    """In its certificate; None: asked without TLS."""
    headers: Mapping[str, str] = Field(default={}, repr=False)


class Target(BaseModel):
    """A service that is paid at, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Address
    source: Literal["none", "known", "new"] = "none"
    """Does a payment name where its money comes from: not; a token that the service knows; or one of it that, once in `NEW_EVERY`
    payments, is new?"""


class Settings(BaseModel):
    """What the payer needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    """Where it is told what to offer."""
    identity: Identity | None = None
    """What it shows to services."""
    accounts: tuple[UUID, ...]
    targets: Mapping[str, Target]
    vault: Address | None = None


@dataclass(slots=True, kw_only=True)
class Payer:
    """Pays at one service."""

    payments: Wire
    vault: Wire | None
    source: Literal["none", "known", "new"]
    accounts: tuple[UUID, ...]
    token: str | None = None
    """The one that is known."""
    keys: Iterator[str] = field(default_factory=keys)
    subjects: tuple[UUID, ...] = field(default_factory=lambda: tuple(uuid4() for _ in range(SUBJECTS)))

    async def pay(self, number: int) -> None:
        """One payment from one half of the accounts to the other."""
        half = len(self.accounts) // 2
        body: dict[str, object] = {
            "amount": 100 + number % 900,
            "debtor": str(self.accounts[number % half]),
            "creditor": str(self.accounts[half + number // half % half]),
            "currency": CURRENCY,
        }
        if self.source == "new" and number % NEW_EVERY == 0:
            body["source"] = await self.tokenize()
        elif self.source != "none":
            self.token = body["source"] = self.token or await self.tokenize()
        await self._asked(self.payments, PAYMENTS, body, next(self.keys))

    async def tokenize(self) -> str:
        """A new token."""
        if self.vault is None:
            raise NotPaidError("no vault is named")
        wanted = {"subject": str(secrets.choice(self.subjects)), "kind": "card", "number": PLANTED}
        return str((await self._asked(self.vault, TOKENS, wanted, str(uuid4())))["token"])

    async def _asked(self, wire: Wire, path: str, body: Mapping[str, object], key: str) -> dict[str, object]:
        try:
            status, answer = await wire.post(path, body, key)
            found: dict[str, object] = json.loads(answer)
        except (UnreadableError, ValueError) as error:
            raise NotPaidError(f"{path}: {error}") from error
        if status != 201:
            raise NotPaidError(f"{path}: {told_instead(status, found)}")
        return found


def told_instead(status: int, answer: Mapping[str, object]) -> str:
    """What an answer that is no acknowledgement says, without its numbers: the same words are counted together."""
    kind = str(answer.get("type", answer.get("status", ""))).rpartition(":")[2]
    detail = re.sub(r"[0-9][0-9.,]*", "#", str(answer.get("detail", "")))
    return f"{status} {kind}: {detail[:LONGEST_DETAIL]}".strip(": ")


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Pay until `stop`, what and where it is told."""
    async with AsyncExitStack() as stack:

        def wire(address: Address) -> Wire:
            if address.name is not None and settings.identity is None:
                raise ValueError(f"{address.name} has to be shown an identity")
            tls = client_context(settings.identity, address.name) if settings.identity and address.name else None
            made = Wire(port=address.port, headers=address.headers, tls=tls)
            stack.callback(made.close)
            return made

        vault = None if settings.vault is None else wire(settings.vault)
        payers: dict[str, Pay] = {
            name: Payer(payments=wire(target.at), vault=vault, source=target.source, accounts=settings.accounts).pay
            for name, target in settings.targets.items()
        }
        async with told(settings.port, payers):
            ready(settings.port, settings.port)
            await stop.wait()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings = read_settings("lab.bench_throughput_load", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
