"""Asks whether a payment is unusual before it is made, and always has an answer in time: screening may be gone, payments go on.

What is asked with is the account's profile as the follower beside this process has it. That costs no round trip to another cloud, and
lags by as much as replication does: of several payments within that time the last ones are judged by the habits before the first.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter

from detection.profile import Profile
from detection.streaming import Level
from workload.durable.session import Session
from workload.durable.sessions import Sessions
from workload.payments.model import Order

log = structlog.get_logger()

READ_PROFILE = (
    "SELECT weight, amount_median, amount_spread, pace_median, pace_spread, recent,"
    " greatest(extract(epoch FROM clock_timestamp() - last_at)::double precision, 0)"
    " FROM ledger.profile WHERE account = %s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """A profile as it was read."""

    profile: Profile
    idle: float
    """Seconds since the account's last payment, by the clock of the database that was asked; never negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What screening says."""

    hold: bool
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Screening said nothing that could be used; why not, in words for a person."""

    why: str


class Default(StrEnum):
    """What becomes of payments while nobody screens them."""

    PASS = "pass"  # noqa: S105  no password
    HOLD = "hold"


class Screen(Protocol):
    """The screening service, seen from here."""

    async def advice(self, order: Order, habits: Habits | None, deadline: timedelta) -> Advice | Absent:
        """Judge one order; None is an account that never paid. Never raises, and returns within the deadline."""


class Profiles(Protocol):
    """Where profiles are read."""

    async def of(self, account: UUID, deadline: timedelta) -> Habits | Absent | None:
        """The account's habits, or None when it never paid. Never raises, and returns within the deadline."""


class Meter(Protocol):
    """Counts what screening said."""

    def screened(self, said: str) -> None:
        """`pass`, `hold` or `absent`."""


class ScreenMetrics:
    """A Meter over Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = Counter("payments_screened", "Payments by what screening said.", ["said"], registry=registry)
        self._by_word = {word: counter.labels(word) for word in ("pass", "hold", "absent")}

    def screened(self, said: str) -> None:
        self._by_word[said].inc()


class Screening:
    """What the service asks."""

    def __init__(
        self,
        *,
        screen: Screen,
        profiles: Profiles,
        meter: Meter,
        default: Default = Default.PASS,
        deadline: timedelta = timedelta(seconds=0.06),
    ) -> None:
        """`deadline`: for profile and screening together; it comes on top of the request's own, and is spent before that begins."""
        self._screen, self._profiles, self._meter = screen, profiles, meter
        self._default, self._deadline = default, deadline
        self.trouble = ""
        """Why screening was absent the last time it was asked; empty when it answered."""

    async def advice(self, order: Order) -> Advice:
        """What to do with the order; the default when nobody says. Never raises, and returns within the deadline."""
        said = await self._ask(order)
        if isinstance(said, Advice):
            self._meter.screened("hold" if said.hold else "pass")
            self.trouble = ""
            return said
        self._meter.screened("absent")
        if not self.trouble:
            log.warning("screening is absent", why=said.why, default=self._default)
        self.trouble = said.why
        return Advice(hold=self._default is Default.HOLD, score=0.0, reasons=(f"not screened: {said.why}",))

    async def _ask(self, order: Order) -> Advice | Absent:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._deadline.total_seconds()
        try:
            async with asyncio.timeout_at(ends):
                habits = await self._profiles.of(order.debtor, self._deadline / 2)
                if isinstance(habits, Absent):
                    return habits
                return await self._screen.advice(order, habits, timedelta(seconds=max(ends - loop.time(), 0.0)))
        except TimeoutError:
            return Absent(why=f"no answer within {self._deadline.total_seconds():g} s")
        except Exception as error:  # noqa: BLE001  a defect of the screen must not stop payments that need none
            return Absent(why=f"{type(error).__name__}: {error}")


class NearProfiles:
    """Profiles as the database of one's own site has them, whatever its role."""

    def __init__(self, sessions: Sessions[Session], statement_deadline: timedelta) -> None:
        """`statement_deadline`: at which the session is given up. Given up at the caller's deadline, every pause of the database beside
        us would cost its warm sessions, and where it is the writer's the payments that wait for them."""
        self._sessions, self._statement_deadline = sessions, statement_deadline
        self._reading: set[asyncio.Task[Habits | None]] = set()

    async def of(self, account: UUID, deadline: timedelta) -> Habits | Absent | None:
        """See `Profiles`. A read that takes too long goes on without the caller."""
        reading = asyncio.get_running_loop().create_task(self._read(account, deadline))
        self._reading.add(reading)
        reading.add_done_callback(self._forget)
        done, _ = await asyncio.wait({reading}, timeout=deadline.total_seconds())
        if not done:
            return Absent(why=f"the profile was not read within {deadline.total_seconds():g} s")
        error = reading.exception()
        return reading.result() if error is None else Absent(why=f"the profile could not be read: {error}")

    async def _read(self, account: UUID, patience: timedelta) -> Habits | None:
        async def ask(connection: psycopg.AsyncConnection) -> tuple[Any, ...] | None:
            cursor = await connection.execute(READ_PROFILE, (account,), prepare=True)
            return await cursor.fetchone()

        async with self._sessions.borrow(patience) as session:
            row = await session.run(ask, self._statement_deadline)
        return None if row is None else habits(row)

    def _forget(self, reading: "asyncio.Task[Habits | None]") -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            reading.exception()  # looked at even when nobody waited for it


def habits(row: tuple[Any, ...]) -> Habits:
    """What `READ_PROFILE` answered."""
    weight, amount_median, amount_spread, pace_median, pace_spread, recent, idle = row
    profile = Profile(
        weight=weight,
        amount=Level(median=amount_median, spread=amount_spread),
        pace=Level(median=pace_median, spread=pace_spread),
        recent=recent,
    )
    return Habits(profile=profile, idle=idle)
