"""The price of the barrier: the same transaction committed plainly, with PostgreSQL's own synchronous commit, and behind ours.

All three run the payments service's production code in this process, interleaved in short rounds, because a shared machine
changes from minute to minute and a ratio of two minutes would measure that.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import psycopg

from lab.bench_barrier_world import FOLLOWERS, World, running, unheld, world
from lab.bench_figures import Round, barrier_ratio, spread
from lab.cabling import SITES
from lab.laboratory import Say
from lab.links import ONE_WAY
from lab.site_settings import CURRENCY, WRITER
from workload.durable.errors import Unanswered
from workload.durable.settings import Tuning
from workload.payments.model import Order
from workload.payments.wiring import Assembly

PAYERS, FAR_PAYERS = 32, 4
ROUNDS, FAR_ROUNDS = 10, 4
SECONDS = 1.0
"""Length of one round of one kind."""

NOMINAL_MS = 2000 * ONE_WAY.total_seconds()
_numbers = count()


class Kind(StrEnum):
    """How a payment becomes durable before it is answered."""

    PLAIN = "plain"
    """On the writer's disk only: what an asynchronous replica would lose."""
    NATIVE = "native"
    """`synchronous_standby_names = 'ANY 1 (...)'`, which no managed PostgreSQL offers across clouds."""
    BARRIER = "barrier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One service without a barrier and one with, on the same databases."""

    world: World
    bare: Assembly
    held: Assembly
    payers: int
    monotonic: Callable[[], float] = time.monotonic

    async def round(self, kind: Kind) -> Round:
        """Every payer pays again and again for a while."""
        assembly = self.held if kind is Kind.BARRIER else self.bare
        await self.world.commit_natively(wait=kind is Kind.NATIVE)
        ends, used = self.monotonic() + SECONDS, time.process_time()
        found = await asyncio.gather(*(self._pay(assembly, payer, ends) for payer in range(self.payers)))
        latencies = [one for each in found for one in each.latencies]
        spent, unanswered = time.process_time() - used, sum(each.unanswered for each in found)
        return Round(kind=kind, latencies=latencies, unanswered=unanswered, cpu_ms=1000 * spent / max(len(latencies), 1))

    async def _pay(self, assembly: Assembly, payer: int, ends: float) -> "Purse":
        """Each payer has two accounts of its own: no kind may win by how long it keeps rows locked.

        A payment without an answer is one that took longer than the service's deadline: left out, a barrier that stays closed
        for one payment in two would seem to be faster than one that opens late.
        """
        debtor, creditor = self.world.accounts[2 * payer : 2 * payer + 2]
        purse = Purse()
        while (began := self.monotonic()) < ends:
            order = Order(key=f"b{next(_numbers)}", debtor=debtor, creditor=creditor, amount=1, currency=CURRENCY)
            try:
                await assembly.payments.pay(order)
            except Unanswered:
                purse.unanswered += 1
            purse.latencies.append(self.monotonic() - began)
        return purse


@dataclass(slots=True)
class Purse:
    """What one payer saw in one round."""

    latencies: list[float] = field(default_factory=list)
    unanswered: int = 0


@dataclass(slots=True, kw_only=True)
class Barrier:
    """Both measurements."""

    say: Say
    name: str = "barrier"
    near: dict[str, Any] | None = None
    far: dict[str, Any] = field(default_factory=dict)

    async def carry_out(self) -> None:
        """Without delay, then from every site. Raises LabError."""
        self.near = await _without_delay(self.say)
        await _with_delay(self.say, self.far)

    def figures(self) -> dict[str, Any]:
        """As far as it came."""
        near = self.near and {
            "ratio_no_delay": self.near["ratio_of_medians"]["median"],
            "ratio_no_delay_means": self.near["ratio_of_means"]["median"],
            "no_delay": self.near,
        }
        return {
            **(near or {}),
            "round_trips_25ms": {site: one["round_trips_measured"] for site, one in self.far.items()},
            "round_trips_25ms_nominal": {site: one["round_trips_nominal"] for site, one in self.far.items()},
            "delayed": self.far,
        }


async def _without_delay(say: Say) -> dict[str, Any]:
    tuning = Tuning(sessions=PAYERS)
    async with world("bench-barrier", linked=False, accounts=2 * PAYERS) as place:
        settings = place.settings(WRITER, tuning)
        bare, held = Assembly(settings, place.passwords.app, unheld), Assembly(settings, place.passwords.app)
        async with running((bare, held)):
            bench = Bench(world=place, bare=bare, held=held, payers=PAYERS)
            rounds = await _rounds(bench, ROUNDS)
            await place.commit_natively(wait=False)
    figures = {"payers": PAYERS, "rounds": ROUNDS, **_summary(rounds), **barrier_ratio(rounds)}
    say(f"barrier without delay: {figures['ratio_of_medians']} x native, ms {figures['ms']}")
    return figures


async def _with_delay(say: Say, found: dict[str, Any]) -> None:
    """Puts each site's figures into `found` as soon as there are any."""
    async with world("bench-barrier", linked=True, accounts=2 * FAR_PAYERS) as place:
        for site in SITES:
            settings = place.settings(site, Tuning())
            bare, held = Assembly(settings, place.passwords.app, unheld), Assembly(settings, place.passwords.app)
            async with running((bare, held)):
                bench = Bench(world=place, bare=bare, held=held, payers=FAR_PAYERS)
                trips = [await round_trips(place, site)]
                rounds = await _rounds(bench, FAR_ROUNDS)
                trips.append(await round_trips(place, site))
                await place.commit_natively(wait=False)
            trip = statistics.median(one for several in trips for one in several)
            summary = _summary(rounds)
            medians = {kind: summary["ms"][kind]["median"] for kind in Kind}
            median = medians[Kind.BARRIER]
            found[site] = {
                "payers": FAR_PAYERS,
                "round_trip_ms": round(trip, 3),
                "round_trips_measured": round(median / trip, 3),
                "round_trips_nominal": round(median / NOMINAL_MS, 3),
                "round_trips_native": round(medians[Kind.NATIVE] / trip, 3),
                "round_trips_added_to_plain": round((median - medians[Kind.PLAIN]) / trip, 3),
                **summary,
                **barrier_ratio(rounds),
            }
            say(f"barrier from {site}: {found[site]['round_trips_measured']} round trips of {trip:.2f} ms, ms {summary['ms']}")


async def _rounds(bench: Bench, number: int) -> list[Round]:
    """One of each kind to warm up, then `number` of each, every time in another order."""
    kinds = list(Kind)
    for kind in kinds:
        await bench.round(kind)
    found = []
    for turn in range(number):
        found += [await bench.round(kind) for kind in (*kinds[turn % 3 :], *kinds[: turn % 3])]
    return found


def _summary(rounds: Sequence[Round]) -> dict[str, Mapping[str, Any]]:
    by_kind = {kind: [one for one in rounds if one.kind == kind] for kind in Kind}
    return {
        "ms": {
            str(kind): {
                **(spread(1000 * latency for one in ours for latency in one.latencies) or {}),
                "mean": round(statistics.fmean(1000 * latency for one in ours for latency in one.latencies), 3),
            }
            for kind, ours in by_kind.items()
        },
        "unanswered": {str(kind): sum(one.unanswered for one in ours) for kind, ours in by_kind.items()},
        "client_cpu_ms_per_payment": {
            str(kind): round(statistics.median(one.cpu_ms for one in ours), 3) for kind, ours in by_kind.items()
        },
    }


async def round_trips(place: World, site: str, times: int = 40) -> list[float]:
    """Milliseconds of `SELECT 1` over the path that a payment takes: to the writer, or from the writer to a follower."""
    source, destination = (site, WRITER) if site != WRITER else (WRITER, FOLLOWERS[0])
    async with await psycopg.AsyncConnection.connect(place.dsn(source, destination), autocommit=True) as session:
        found = []
        for _ in range(times):
            began = time.monotonic()
            await session.execute("SELECT 1")
            found.append(1000 * (time.monotonic() - began))
        return found
