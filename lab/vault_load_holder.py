"""One errand from the cardholder's side: resolve, send, and try again until something settles it. Manners are those of `lab.load_payer`."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from lab.load_payer import LONGEST_RETRY_AFTER, Device, Manners, NoReplyError, Reply, Route
from lab.load_schedule import backoff
from lab.record import Attempted, Declined, Failed, Unresolved
from lab.resolver import UnresolvedError
from lab.vault_load_answers import Ask, Attempt, Request, judge
from lab.vault_load_record import Line, Told, Wanted

Send = Callable[[Route, Request, Device, int, float], Awaitable[Reply]]
"""Send a device's request to a site: which attempt it is (from 1), and how many seconds the cardholder goes on waiting. Raises
NoReplyError."""


class Holder:
    """Carries errands to their end. `write` must have the line safe when it returns."""

    def __init__(
        self,
        *,
        send: Send,
        routes: Mapping[str, Route],
        write: Callable[[Line], None],
        digest: Callable[[str], str],
        manners: Manners,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`routes`: by address, as DNS answers it. `digest`: what is written in place of a number."""
        self._send, self._routes, self._write, self._digest = send, dict(routes), write, digest
        self._manners, self._monotonic, self._sleep = manners, monotonic, sleep
        self.last_errand = self.ends = math.inf
        """Monotonic seconds when nothing more is wanted, and after which no further attempt is made."""
        self.unasked = 0
        """Errands that were given up without one attempt since nothing more is wanted: of them `Unresolved` would say too much."""

    @property
    def is_settling(self) -> bool:
        """Is nothing more to be wanted?"""
        return self.last_errand < math.inf

    def settle(self, seconds: float) -> None:
        """Nothing more is wanted; whatever is unsettled is attempted for so long from now on."""
        self.last_errand = self._monotonic()
        self.ends = self.last_errand + seconds

    async def carry(self, wanted: Wanted, ask: Ask, device: Device) -> Told | Declined | Unresolved:
        """Attempt until settled or `ends`; every line is written before it counts, an unsettled errand is written as such."""
        self._write(wanted)
        attempt, asked = 0, -math.inf
        try:
            while self._monotonic() < self.ends:
                async with device.turns:
                    if (now := self._monotonic()) >= self.ends:
                        break
                    attempt, asked = attempt + 1, now
                    outcome, retry_after = await self._attempt(wanted, ask(attempt), attempt, device)
                    self._write(outcome)
                    if not isinstance(outcome, Failed):
                        return outcome
                    pause = self._pause(attempt, retry_after, device)
                    if settling := self.is_settling:
                        await self._sleep(pause)  # with its turn: see `Payer`
                if not settling:
                    await self._sleep(pause)
        except asyncio.CancelledError:
            self._write(Unresolved(key=wanted.key, t=self._monotonic()))
            raise
        self.unasked += asked < self.last_errand
        unresolved = Unresolved(key=wanted.key, t=self._monotonic())
        self._write(unresolved)
        return unresolved

    async def _attempt(
        self, wanted: Wanted, request: Request, number: int, device: Device
    ) -> tuple[Told | Declined | Failed, float | None]:
        began, site, patience = self._monotonic(), None, self._manners.patience(number)
        try:
            async with asyncio.timeout(patience):
                route = self._route(await device.resolver.address(device.name))
                site = route.site
                self._write(Attempted(key=wanted.key, attempt=number, site=site, t=began))
                left = patience - (self._monotonic() - began)
                reply = await self._send(route, request, device, number, max(left, 0.0))
        except TimeoutError:
            return self._failed(wanted, number, site, "deadline"), None
        except (NoReplyError, UnresolvedError) as error:
            return self._failed(wanted, number, site, str(error)), None
        attempt = Attempt(number=number, request=request, site=site, began=began)
        return judge(reply, wanted, attempt, self._monotonic(), self._digest), _seconds(reply.retry_after)

    def _pause(self, attempt: int, retry_after: float | None, device: Device) -> float:
        manners = self._manners
        pause = backoff(attempt, retry_after, device.chance, first=manners.first_pause, longest=manners.longest_pause)
        return min(pause, max(self.ends - self._monotonic(), 0.0))

    def _route(self, address: str) -> Route:
        if address not in self._routes:
            raise NoReplyError(f"no route to {address}")
        return self._routes[address]

    def _failed(self, wanted: Wanted, number: int, site: str | None, why: str) -> Failed:
        return Failed(key=wanted.key, attempt=number, site=site, why=why, t=self._monotonic())


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None or not retry_after.isdigit():
        return None
    return min(float(retry_after), LONGEST_RETRY_AFTER)
