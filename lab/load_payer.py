"""One payment from the payer's side: resolve, send, and try again with the same key until something settles it."""

import asyncio
import json
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from lab.load_schedule import Offer, backoff
from lab.record import Acknowledged, Attempted, Declined, Failed, Held, Line, Offered, Unresolved
from lab.resolver import StubResolver, UnresolvedError

RETRIED = frozenset({408, 409, 425, 429})
"""4xx that a later attempt with the same key can turn into a success; 409: the same key is being worked on right now."""
LONGEST_RETRY_AFTER = 5.0

HELD = "held"
"""Status of a payment that a person looks at first."""

ATTEMPTS_AT_ONCE = 2
"""Requests one device has under way; further ones wait their turn, while offers go on. A device in calm has less than one.

Without a bound an outage feeds itself: after 8 s of silence 1,000 payments retried at once, each over a new connection, took more
processor time than two busy cores had, every request arrived after its client had given up, and nothing was paid ever again.

Each attempt that is given up costs its connection, and the next one a handshake at both ends (measured beside other work: 1.0 ms for
HAProxy, 0.6 ms with a resumed session, and 1.2 ms here), where one over a kept connection costs a tenth of that.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the internet takes an address: the client link of one site, on this machine."""

    site: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back over HTTP."""

    status: int
    body: bytes
    retry_after: str | None = None
    served_by: str | None = None
    """The site whose service answered; None: it does not say."""


class NoReplyError(Exception):
    """The request failed below HTTP; says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One attempt to pay."""

    key: str
    body: bytes
    name: str
    """DNS name that the device pays through."""
    device: int
    attempt: int
    """The first is 1."""
    left: float
    """Seconds that the payer goes on waiting."""
    sourced: bool = False
    """Does it name a source? Of those few every way is asked to be shown."""


Post = Callable[[Route, Sending], Awaitable[Reply]]
"""Send a payment to a site. Raises NoReplyError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a payer waits."""

    request_deadline: float = 1.0
    """Seconds for one of the first attempts, resolution included."""
    first_pause: float = 0.1
    longest_pause: float = 0.5

    def patience(self, attempt: int) -> float:
        """Seconds for this attempt. Whoever was not answered four times waits twice as long, and then three times.

        1. A service that is too busy answers after 1.1 s. 2. Whoever waits 1 s asks again each time: more work, and no payment. 3. Nothing
        is paid ever again (measured on a crowded machine: 1,650 answers that said so of payments, 183 of them heard).
        """
        return self.request_deadline * min(1 + (attempt - 1) // 4, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One payer's device: its own resolver, its own patience, one name that it pays through."""

    number: int
    name: str
    resolver: StubResolver
    chance: random.Random
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ATTEMPTS_AT_ONCE))


Settled = Acknowledged | Held | Declined
"""What ends the attempts for a payment."""


def judge(reply: Reply, key: str, attempt: int, site: str, began: float, now: float) -> Settled | Failed:
    """What an answer means. Only a 200 or 201 that names payment and epoch is an acknowledgement, and only a 202 that does and says `held`
    says that the payment waits for a person; 5xx settles nothing."""
    if reply.status in (200, 201, 202):
        try:
            body = json.loads(reply.body)
            payment, epoch, status = str(body["id"]), int(body["epoch"]), body.get("status")
        except (ValueError, KeyError, TypeError, AttributeError):
            return Failed(key=key, attempt=attempt, site=site, why=f"{reply.status} that cannot be read", t=now)
        if reply.status != 202:
            return Acknowledged(
                key=key, attempt=attempt, payment=payment, epoch=epoch, site=site, status=reply.status, latency=now - began, t=now
            )
        if status == HELD:
            return Held(key=key, attempt=attempt, payment=payment, epoch=epoch, site=site, latency=now - began, t=now)
        return Failed(key=key, attempt=attempt, site=site, why="202 that does not say held", t=now)
    if 400 <= reply.status < 500 and reply.status not in RETRIED:
        return Declined(key=key, attempt=attempt, site=site, status=reply.status, why=_kind(reply.body), t=now)
    return Failed(key=key, attempt=attempt, site=site, why=f"{reply.status} {_kind(reply.body)}".strip(), t=now)


class Payer:
    """Carries payments to their end. `write` must have the line safe when it returns."""

    def __init__(
        self,
        *,
        post: Post,
        routes: Mapping[str, Route],
        write: Callable[[Line], None],
        currency: str,
        manners: Manners,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`routes`: by address, as DNS answers it."""
        self._post, self._routes, self._write = post, dict(routes), write
        self._currency, self._manners = currency, manners
        self._monotonic, self._sleep = monotonic, sleep
        self.last_offer = self.ends = float("inf")
        """Monotonic seconds of the end of all offers, and after which no further attempt is made."""
        self.unasked = 0
        """Payments that were given up without one attempt since the last offer: of them `Unresolved` would say too much."""

    def settle(self, seconds: float) -> None:
        """Nothing more is offered; whatever is unsettled is attempted for so long from now on."""
        self.last_offer = self._monotonic()
        self.ends = self.last_offer + seconds

    async def pay(self, offer: Offer, device: Device) -> Settled | Unresolved:
        """Attempt until settled or `ends`; every line is written before it counts, an unsettled payment is written as such."""
        self._write(self._offered(offer, device))
        return await self.ask(offer, device)

    async def ask(self, offer: Offer, device: Device, attempt: int = 0) -> Settled | Unresolved:
        """The same of a payment that was offered before, after so many attempts: what was held and approved since is asked for again."""
        asked = -math.inf
        try:
            while self._monotonic() < self.ends:
                async with device.turns:
                    if (asked_now := self._monotonic()) >= self.ends:
                        break
                    attempt, asked = attempt + 1, asked_now
                    outcome, retry_after = await self._attempt(offer, attempt, device)
                    self._write(outcome)
                    if not isinstance(outcome, Failed):
                        return outcome
                    pause = self._pause(attempt, retry_after, device)
                    if settling := self.last_offer < math.inf:
                        await self._sleep(pause)
                if not settling:
                    await self._sleep(pause)
        except asyncio.CancelledError:
            self._write(Unresolved(key=offer.key, t=self._monotonic()))
            raise
        self.unasked += asked < self.last_offer
        unresolved = Unresolved(key=offer.key, t=self._monotonic())
        self._write(unresolved)
        return unresolved

    def _offered(self, offer: Offer, device: Device) -> Offered:
        return Offered(
            key=offer.key,
            device=device.number,
            name=device.name,
            debtor=offer.debtor,
            creditor=offer.creditor,
            amount=offer.amount,
            currency=self._currency,
            source=offer.source,
            subject=offer.subject,
            planted=offer.planted,
            t=self._monotonic(),
        )

    def _body(self, offer: Offer) -> bytes:
        said: dict[str, object] = {"amount": offer.amount, "currency": self._currency}
        said |= {"debtor": offer.debtor, "creditor": offer.creditor}
        return json.dumps(said if offer.source is None else {**said, "source": offer.source}).encode()

    def _pause(self, attempt: int, retry_after: float | None, device: Device) -> float:
        """After a failed attempt. While payments are settled its turn is kept for as long, so that refusals which come at once are not
        asked for as fast as they come: a thousand payments that wait beside each other kept three sites of a busy machine from ever
        answering one of them (measured: two hundred to seven hundred refusals a second, until the end)."""
        manners = self._manners
        pause = backoff(attempt, retry_after, device.chance, first=manners.first_pause, longest=manners.longest_pause)
        return min(pause, max(self.ends - self._monotonic(), 0.0))

    async def _attempt(self, offer: Offer, attempt: int, device: Device) -> tuple[Settled | Failed, float | None]:
        key, began, site, patience = offer.key, self._monotonic(), None, self._manners.patience(attempt)
        try:
            async with asyncio.timeout(patience):
                route = await self.find(device)
                site = route.site
                self._write(Attempted(key=key, attempt=attempt, site=site, t=began))
                left = patience - (self._monotonic() - began)
                sending = Sending(
                    key=key,
                    body=self._body(offer),
                    name=device.name,
                    device=device.number,
                    attempt=attempt,
                    left=max(left, 0.0),
                    sourced=offer.source is not None,
                )
                reply = await self._post(route, sending)
        except TimeoutError:
            return self._failed(key, attempt, site, "deadline"), None
        except (NoReplyError, UnresolvedError) as error:
            return self._failed(key, attempt, site, str(error)), None
        return judge(reply, key, attempt, site, began, self._monotonic()), _seconds(reply.retry_after)

    async def find(self, device: Device) -> Route:
        """Where this device would pay now. Raises UnresolvedError, NoReplyError."""
        address = await device.resolver.address(device.name)
        if address not in self._routes:
            raise NoReplyError(f"no route to {address}")
        return self._routes[address]

    def _failed(self, key: str, attempt: int, site: str | None, why: str) -> Failed:
        return Failed(key=key, attempt=attempt, site=site, why=why, t=self._monotonic())


def _seconds(retry_after: str | None) -> float | None:
    """Whole seconds of a Retry-After; a date is not honoured, the clocks may differ."""
    if retry_after is None or not retry_after.isdigit():
        return None
    return min(float(retry_after), LONGEST_RETRY_AFTER)


def _kind(body: bytes) -> str:
    """The last part of a problem document's type (RFC 9457)."""
    try:
        return str(json.loads(body)["type"]).rpartition(":")[2][:60]
    except (ValueError, KeyError, TypeError):
        return ""
