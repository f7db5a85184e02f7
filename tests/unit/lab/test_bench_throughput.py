"""The highest rate that holds, and what each layer costs: nothing that failed counts as fast, and nothing unknown as a figure."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench_throughput import MODERATE, ROUNDS, Throughput, described
from lab.bench_throughput_figures import (
    BACK,
    CLOSE,
    LONG,
    LOWEST,
    MOST,
    PROMISED,
    Cost,
    Search,
    Window,
    arrivals,
    cost_figures,
    sustained_figures,
    throughput_rows,
)
from lab.bench_throughput_layers import BARE, WHOLE, Step, steps
from lab.bench_throughput_offer import NotPaidError, keys, offer
from lab.bench_throughput_world import CEILING
from lab.errors import LabError
from workload.telemetry.numbers import holds_number

FAST, SLOW = 0.03, 0.9


def window(rate: float, seconds: float, latency: float = FAST, refused: int = 0) -> Window:
    """As many payments as were offered, all alike but for those refused."""
    paid = max(round(rate * seconds) - refused, 0)
    return Window(rate=rate, seconds=seconds, latencies=[latency] * paid, failed={"503 overloaded": refused} if refused else {})


def searched(brief: float, long: float | None = None) -> Search:
    """A search at a service that keeps its promise up to `brief` payments a second for a while, and up to `long` for long."""
    search = Search()
    while search.next is not None:
        rate, seconds = search.next
        most = (long or brief) if seconds >= LONG else brief
        search = search.after(window(rate, seconds, FAST if rate <= most else SLOW))
    return search


@given(st.floats(min_value=LOWEST * 2, max_value=2000))
def test_the_highest_rate_that_holds_is_found(most: float) -> None:
    """Never above it, and no farther below it than two rates may lie apart; before the windows run out."""
    found = searched(most)
    assert found.sustained is not None and len(found.windows) <= MOST
    assert most / CLOSE <= found.sustained.rate <= most


def test_what_holds_for_a_moment_is_not_called_sustained() -> None:
    """A queue that fills slowly is seen in a long window only: the figure is of one that held, and says how long it was."""
    found = searched(400, long=350)
    assert found.sustained is not None and found.sustained.seconds == LONG
    assert 350 * BACK <= found.sustained.rate <= 350


@pytest.mark.parametrize("most", [0.0, LOWEST / 2])
def test_a_service_that_holds_at_no_rate_has_no_figure(most: float) -> None:
    """The search ends, and nothing is made of it."""
    found = searched(most)
    assert found.sustained is None and len(found.windows) < MOST
    figures = sustained_figures({"a": found, "b": searched(100)}, ceiling="a")
    assert figures["a"]["per_second"] is None and figures["b"]["of_ceiling"] is None
    assert any("None a second" in line for line in throughput_rows({"sustained": figures, "rate": 100.0}))


def test_a_search_ends_also_when_everything_is_chance() -> None:
    """On a machine that others use no rate holds twice."""
    chance, search = random.Random(3), Search()
    while search.next is not None:
        rate, seconds = search.next
        search = search.after(window(rate, seconds, SLOW if seconds >= LONG else chance.choice((FAST, SLOW))))
    assert search.sustained is None and len(search.windows) == MOST


def test_a_payment_that_failed_took_for_ever() -> None:
    """One in a hundred may; with more, however fast the rest was, the promise was broken."""
    assert window(100, 10, refused=10).holds
    broken = window(100, 10, refused=11)
    assert math.isinf(broken.p99) and not broken.holds
    assert not window(100, 10, latency=PROMISED + 0.001).holds
    assert not Window(rate=1, seconds=1, latencies=[]).holds
    assert "11 x 503 overloaded" in described(broken)


def test_shares_are_of_what_was_acknowledged_in_the_window_that_was_sustained() -> None:
    """Not of what was offered, and not of a luckier window before it."""
    found = sustained_figures({"top": searched(600), "own": searched(310)}, ceiling="top")
    assert found["top"]["of_ceiling"] == 1
    assert found["own"]["of_ceiling"] == pytest.approx(found["own"]["per_second"] / found["top"]["per_second"], abs=0.001)
    assert (found["own"]["p50_ms"], found["own"]["p99_ms"], found["own"]["failed"]) == (30.0, 30.0, {})


def test_payments_that_were_not_screened_are_told_beside_the_figure() -> None:
    """They cost less than they should, so the rate is not that of the whole service."""
    search = Search()
    while search.next is not None:
        rate, seconds = search.next
        search = search.after(replace(window(rate, seconds, FAST if rate <= 300 else SLOW), unscreened=7))
    found = sustained_figures({"own": search}, ceiling="own")
    assert found["own"]["unscreened"] == 7
    assert "7 of them not screened" in "".join(throughput_rows({"sustained": found}))
    assert "7 not screened" in described(search.windows[-1])


def cost(layers: str, own: float, database: float, paid: int = 10) -> Cost:
    """So many milliseconds of processor time a payment."""
    used = {"payments": own * paid / 1000, "postgres": database * paid / 1000}
    return Cost(layers=layers, window=Window(rate=10, seconds=1, latencies=[FAST] * paid), used=used)


def test_what_a_layer_adds_is_told_round_by_round() -> None:
    """The machine was slower in the second round, for both: a difference of medians over all rounds would be as right only by luck."""
    rounds = [
        (cost("bare", 1, 2), cost("more", 3, 2)),
        (cost("bare", 5, 4), cost("more", 6, 4)),
        (cost("bare", 3, 3), cost("more", 3, 3)),
    ]
    found = cost_figures([one for both in rounds for one in both], {"more": "bare"})
    assert found["bare"]["added_ms"] is None and found["more"]["added_ms"] == 1.0
    assert found["bare"]["cpu_ms"] == {"payments": 3.0, "postgres": 3.0}
    assert (found["more"]["cpu_ms_together"], found["more"]["from_ms"], found["more"]["to_ms"]) == (6.0, 5.0, 10.0)
    assert any("+1.00" in line for line in throughput_rows({"layers": found, "rate": 10.0}))


def test_nothing_is_shared_among_payments_that_were_not_made() -> None:
    """No payment is no free payment."""
    with pytest.raises(ValueError, match="nothing was paid"):
        _ = cost("bare", 1, 1, paid=0).each


def test_payments_arrive_as_those_of_many_clients_do() -> None:
    """At the rate on average, the same for the same seed, and in bursts: evenly spaced ones would never meet each other."""
    due = list(arrivals(200, 50, random.Random(1)))
    assert due == list(arrivals(200, 50, random.Random(1))) and due == sorted(due) and due[0] > 0 and due[-1] < 50
    assert len(due) == pytest.approx(10_000, rel=0.05)
    gaps = [after - before for before, after in pairwise(due)]
    assert sum(gap < 0.0025 for gap in gaps) / len(gaps) == pytest.approx(1 - math.exp(-0.5), abs=0.03)


@dataclass
class Time:
    """Passes when somebody sleeps, and `late` more than was asked for."""

    now: float = 100.0
    late: float = 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)  # whoever is to pay does so meanwhile
        self.now += seconds + self.late


async def test_a_payer_that_is_late_is_slow() -> None:
    """Whoever measures from when it got round to sending hides what a full machine does to those who pay."""

    async def pay(number: int) -> None:
        """At once."""

    for late in (0.0, 0.4):
        time = Time(late=late)
        found = await offer(pay, rate=1, seconds=20, seed=1, monotonic=lambda time=time: time.now, sleep=time.sleep)
        assert len(found.latencies) == len(list(arrivals(1, 20, random.Random(1))))
        assert max(found.latencies) >= late - 0.001 and (late or max(found.latencies) < 0.001)


async def test_what_was_said_instead_is_counted() -> None:
    """By the words; a link that breaks ends that payment and no other."""
    time, answers = Time(), [NotPaidError("503 overloaded"), ConnectionResetError("reset"), None]

    async def pay(number: int) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    seed = next(seed for seed in count() if len(list(arrivals(1, 3, random.Random(seed)))) == len(answers))
    found = await offer(pay, rate=1, seconds=3, seed=seed, monotonic=lambda: time.now, sleep=time.sleep)
    assert (len(found.latencies), found.failed) == (1, {"503 overloaded": 1, "reset": 1})


def test_keys_are_never_taken_for_card_numbers() -> None:
    """A key of digits alone is refused as soon as it happens to be one: seven of a hundred payments were, before."""
    made = keys()
    assert not any(holds_number(next(made)) for _ in range(2000))
    assert all(next(keys()).partition("-")[0].isalpha() for _ in range(20)), "with what is counted it could be thirteen digits"
    assert next(keys()) != next(keys())


@dataclass
class Bench:
    """Services that keep their promise up to a rate of their own, and cost what they cost."""

    most: Mapping[str, float]
    dead: str = ""
    asked: list[tuple[str, float, float]] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, steps: Sequence[Step]) -> AsyncIterator["Bench"]:
        yield self

    async def pay(self, who: str, *, rate: float, seconds: float, seed: int) -> Window:
        self.asked.append((who, rate, seconds))
        self.seeds.append(seed)
        if who == self.dead:
            return Window(rate=rate, seconds=seconds, latencies=[], failed={"503 no-writer": 1})
        return window(rate, seconds, FAST if rate <= self.most.get(who, math.inf) else SLOW)

    async def cost(self, who: str, *, rate: float, seconds: float, seed: int) -> Cost:
        return Cost(layers=who, window=await self.pay(who, rate=rate, seconds=seconds, seed=seed), used={"payments": 1.0})


async def test_everybody_is_measured_in_turn() -> None:
    """A minute in which the machine has something else to do is nobody's alone; and no window pays what another one paid."""
    bench = Bench({CEILING: 600.0, BARE: 400.0, WHOLE: 310.0})
    part = Throughput(say=lambda _: None, open=bench.open)
    await part.carry_out()
    figures = part.figures()
    assert figures["sustained"][WHOLE]["of_ceiling"] == pytest.approx(310 / 600, rel=CLOSE - 1)
    looked = [who for who, rate, _ in bench.asked if rate != MODERATE]
    assert looked[:6] == [CEILING, BARE, WHOLE] * 2
    compared = [who for who, rate, _ in bench.asked if rate == MODERATE][-ROUNDS * len(steps()) :]
    assert compared == [step.name for step in steps()] * ROUNDS
    assert len(set(bench.seeds)) == len(bench.seeds)
    assert figures["layers"][WHOLE]["rounds"] == ROUNDS and figures["layers"][WHOLE]["added_ms"] == 0.0


async def test_a_service_that_acknowledges_nothing_ends_the_part() -> None:
    """Its place in a table of costs would be empty, or free."""
    part = Throughput(say=lambda _: None, open=Bench({}, dead=BARE).open)
    with pytest.raises(LabError, match="no-writer"):
        await part.carry_out()
    assert part.figures()["layers"] == {}
