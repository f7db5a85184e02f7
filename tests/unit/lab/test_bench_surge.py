"""What counts as a collapse under a surge: nothing that is missing may count as good."""

import math
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from lab.bench_surge import RATE, Surge
from lab.bench_surge_figures import Course, Judged, curve, judge, reasons, surge_figures, surge_rows
from lab.bench_surge_gate import LIMIT, compare, measure
from lab.bench_surge_scene import CALM, SURGE, Scene, Seen, changed_settings, door_of
from lab.errors import LabError
from lab.laboratory import Say
from lab.record import Acknowledged, Attempted, Failed, Line, Offered
from tests.unit.lab.runs import reconciliation
from workload.gate import Gate
from workload.limits.settings import LimitTable

AT = 1000.0
LIMITED = Scene(name="follower lost", victim="follower")
UNLIMITED = Scene(name="without limits", victim="follower", limits=False)


def acknowledged(t: float, latency: float = 0.04) -> Acknowledged:
    """One at this many seconds after the surge began."""
    return Acknowledged(key="k", attempt=1, payment="p", epoch=1, site="aws", status=201, latency=latency, t=AT + t)


def failed(t: float, why: str) -> Failed:
    """One that was told this."""
    return Failed(key="k", attempt=1, site="aws", why=why, t=AT + t)


KEYS = count()


def wanted(t: float, key: str) -> Offered:
    """Somebody begins to want a payment."""
    return Offered(key=key, device=1, name="n", debtor="d", creditor="c", amount=1, currency="EUR", t=AT + t)


def answers(begin: int, end: int, rate: int, latency: float = 0.04) -> Iterator[Line]:
    """So many a second, evenly, each at its first attempt."""
    for second in range(begin, end):
        for number in range(rate):
            t, key = second + number / rate, f"k{next(KEYS)}"
            yield wanted(t - latency, key)
            yield replace(acknowledged(t, latency), key=key)


def course(since: float = 0.0, lost: float = 0.0, *, within: bool = True) -> Course:
    """A surge of twenty seconds after eight of calm; `lost`: seconds before it that its site was."""
    return Course(lost=AT - lost, at=AT, since=since, calm=8, surge=20, within=within)


def judged(*parts: Iterator[Line], since: float = 0.0, lost: float = 0.0, within: bool = True) -> Judged:
    """The same, of these lines."""
    return judge([line for part in parts for line in part], course(since, lost, within=within))


def test_a_service_that_does_as_much_as_before_and_as_fast_has_kept_its_promise() -> None:
    """Slower for five seconds is allowed, and so is everything that is done beyond the usual."""
    found = judged(answers(-8, 1, 150), answers(1, 5, 150, latency=0.5), answers(5, 20, 150, latency=0.07))
    assert (found.broken, found.kept, found.back_after_s) == ((), 1.0, 5.0)
    assert (found.normal_p99_ms, found.p99_ms) == (40.0, 70.0)


def test_one_bad_second_breaks_it() -> None:
    """Never under nine tenths means in no second, also when many others are better than ever."""
    found = judged(answers(-8, 0, 100), answers(0, 9, 300), answers(9, 10, 89), answers(10, 20, 300))
    assert found.worst == 89 and "0.89" in found.broken[0]


def test_a_second_without_an_answer_counts_as_none() -> None:
    """A service that falls silent leaves no line of its own in the record."""
    found = judged(answers(-8, 0, 100), answers(0, 10, 100))
    assert (found.worst, found.p99_ms, found.back_after_s) == (0, 40.0, None)
    assert found.broken


def test_slow_answers_after_five_seconds_break_it() -> None:
    """Two in a hundred that take more than twice the usual are enough."""
    found = judged(answers(-8, 0, 100), answers(0, 20, 98), answers(0, 20, 2, latency=0.081))
    assert found.broken == ("p99 from 5 s on is 81 ms, 2 x 40 ms are allowed",)


def refused(begin: int, end: int, rate: int) -> Iterator[Line]:
    """So many more, of which each is sent away again and again, and made in 40 ms at its ninth attempt, eight seconds later."""
    for second in range(begin, end):
        for number in range(rate):
            t, key = second + number / rate, f"r{next(KEYS)}"
            yield wanted(t, key)
            yield from (replace(failed(t + again, "503 overloaded"), key=key) for again in range(8))
            yield replace(acknowledged(t + 8), key=key)


def test_who_is_sent_away_for_seconds_has_waited_for_seconds() -> None:
    """Of last attempts alone every service is fast that refuses enough. Beyond what there is, only those who are let in can be served
    in time; the others are counted."""
    parts = [list(part) for part in (answers(-8, 0, 100), answers(0, 20, 95), refused(0, 20, 200))]
    everybody = judged(*map(iter, parts))
    assert everybody.waited_p99_ms == 8000.0 and any("8000 ms" in said for said in everybody.broken)
    beyond = judged(*map(iter, parts), within=False)
    assert (beyond.broken, beyond.p99_ms, beyond.waited_p99_ms, beyond.sent_away) == ((), 40.0, 8000.0, 26_400)


def test_who_is_never_answered_has_waited_for_ever() -> None:
    """Two in a hundred: nobody can say how long a hundredth waited, and that is not fast."""
    forgotten = [wanted(second + 0.5, f"f{second}-{number}") for second in range(20) for number in range(2)]
    found = judged(answers(-8, 0, 100), answers(0, 20, 98), iter(forgotten))
    assert found.waited_p99_ms is None and found.back_after_s is None
    assert found.broken == ("p99 from 5 s on is of nothing, or of what never came, 2 x 40 ms are allowed",)


def test_what_is_normal_was_seen_before_the_loss() -> None:
    """The seconds in which a site was gone and the surge not there yet were slow; they excuse nothing."""
    slow = [list(answers(-10, -2, 100)), list(answers(-1, 0, 100, latency=0.9)), list(answers(0, 20, 100, latency=0.5))]
    found = judged(*map(iter, slow), lost=2.0)
    assert found.normal_p99_ms == 40.0 and found.broken


WRITTEN = (
    'site = "aws"\n[tuning]\nrequest_deadline = 0.75\n[limits]\nfirst = 32\n[limits.client]\nper_second = 1\nburst = 1\n[telemetry]\n'
    "[limits.overall]\nburst = 3\n"
)


def test_settings_changed_settings_are_settings() -> None:
    """Every table about limits goes, whoever wrote it; nothing else does, and no table is there twice."""
    found = tomllib.loads(changed_settings(WRITTEN, UNLIMITED))
    assert found["limits"] == {"first": 10_000, "lowest": 10_000, "highest": 10_000, "queue": 0}
    assert found["tuning"] == {"request_deadline": 0.75, "session_patience": 0.75}
    assert set(found) == {"site", "tuning", "telemetry", "limits"}
    LimitTable.model_validate(found["limits"])


def test_a_service_with_few_sessions_has_its_limits() -> None:
    """Only what is learnt may begin lower; and with neither asked for, nothing is changed."""
    found = tomllib.loads(changed_settings(WRITTEN, replace(LIMITED, sessions=2)))
    assert found["tuning"] == {"request_deadline": 0.75, "sessions": 2}
    assert found["limits"]["lowest"] == 2 and found["limits"]["client"] == {"per_second": 1, "burst": 1}
    assert changed_settings(WRITTEN, LIMITED) == WRITTEN


@pytest.mark.parametrize("scene", [replace(LIMITED, sessions=1), UNLIMITED], ids=["few sessions", "no limits"])
def test_a_scene_that_cannot_be_set_is_another_one(scene: Scene) -> None:
    """Refused, instead of being played as if nothing had been asked for."""
    with pytest.raises(LabError, match="tuning"):
        changed_settings('site = "aws"\n', scene)


def test_nothing_before_means_nothing_to_compare() -> None:
    """A service that was down all the time has not kept what it never had."""
    assert judged(answers(0, 20, 100)).broken


def test_a_failover_is_judged_from_its_first_answer() -> None:
    """Nothing can be answered before; but when that is too late, nothing is proven, and never is worst of all."""
    assert judged(answers(-8, 0, 100), answers(4, 20, 100), since=3.4).broken == ()
    assert "too late" in judged(answers(-8, 0, 100), answers(16, 20, 100), since=15.2).broken[0]
    assert judged(answers(-8, 0, 100), since=math.inf).broken


def test_the_curve_tells_refusals_from_failures() -> None:
    """A request that was sent away at the door cost next to nothing; one that hung until its deadline is what a collapse looks like."""
    lines: list[Line] = [
        Offered(key="k", device=1, name="n", debtor="d", creditor="c", amount=1, currency="EUR", t=AT - 0.5),
        Attempted(key="k", attempt=1, site="aws", t=AT + 0.1),
        failed(0.2, "503 overloaded"),
        failed(0.3, "429 too-many-requests"),
        failed(0.4, "deadline"),
        failed(0.5, "503 outcome-unknown"),
        failed(0.6, "504 no-site"),
        acknowledged(0.9),
    ]
    before, after = curve(lines, AT, begin=-1, end=1)
    assert (before.offered, before.attempted, before.p99_ms) == (1, 0, None)
    assert reasons([*lines, failed(0.7, "deadline"), failed(-0.1, "before")], AT, surge=1) == {
        "deadline": 2,
        "503 overloaded": 1,
        "429 too-many-requests": 1,
        "503 outcome-unknown": 1,
        "504 no-site": 1,
    }
    assert (after.attempted, after.refused, after.failed, after.acknowledged, after.p50_ms) == (1, 2, 3, 1, 40.0)


def test_the_doors_numbers_are_found_in_its_metrics() -> None:
    """Refusals by kind and rank, and what it has learnt."""
    page = (
        '# TYPE payments_refusals counter\npayments_refusals_total{kind="full",rank="new"} 7.0\n'
        'payments_refusals_total{kind="client",rank="new"} 0.0\n# TYPE payments_places gauge\npayments_places 19.0\n'
        "# TYPE payments_waiting gauge\npayments_waiting 3.0\n"
    )
    assert door_of(page) == {"refused full new": 7.0, "places": 19.0}


def seen(*parts: Iterable[Line], **changes: Any) -> Seen:
    """A scene that was played to its end."""
    lines = [line for part in parts for line in part]
    usual: dict[str, Any] = {"lines": lines, "course": course(), "doors": {}, "paid": reconciliation(), "troubles": ()}
    return Seen(**{**usual, **changes})


async def figures(scene: Scene, outcome: Seen | LabError) -> dict[str, Any]:
    """The bench after one scene with this outcome."""

    async def play(scene: Scene, rate: float, say: Say) -> Seen:
        if isinstance(outcome, LabError):
            raise outcome
        return outcome

    surge = Surge(say=lambda _: None, scenes=[scene], stage=play)
    await surge.carry_out()
    return surge.figures()


def well() -> Seen:
    """As if nothing had happened."""
    return seen(answers(-CALM, 0, 100), answers(0, SURGE, 100))


def ill() -> Seen:
    """Nothing is answered any more."""
    return seen(answers(-CALM, 0, 100))


async def test_a_kept_promise_is_told_as_one() -> None:
    """With its curves, for people too."""
    found = await figures(LIMITED, well())
    assert (found["broken"], found["failed"], found["lost"]) == (0, 0, 0)
    rows = "\n".join(surge_rows(found["scenes"]))
    assert "follower lost: worst second 1.0 of normal" in rows and "acknowledged" in rows


async def test_a_surge_that_harms_nobody_proves_nothing() -> None:
    """Without limits it has to go wrong; when it does not, the bench says so instead of praising the limits."""
    assert (await figures(UNLIMITED, ill()))["broken"] == 0
    assert (await figures(UNLIMITED, well()))["broken"] == 1


UNHEARD = [wanted(-CALM + number / 10, f"unheard{number}") for number in range(CALM * 10)]
"""Wanted in calm, and never acknowledged."""


@pytest.mark.parametrize(
    ("never", "said"),
    [
        (seen(), "never worked"),
        (seen([wanted(t, f"never{t}") for t in range(-CALM, SURGE)]), "never worked"),
        (seen(answers(-CALM, 0, int(0.8 * RATE))), "never worked"),
        (seen(answers(-CALM, SURGE, 100), UNHEARD), "did no harm"),
    ],
    ids=["nobody wanted anything", "nothing was ever acknowledged", "not all that was wanted", "only calm was none"],
)
async def test_what_went_wrong_before_the_surge_is_not_what_it_did(never: Seen, said: str) -> None:
    """Services without limits that refuse everybody from the start, by a broken setting, prove nothing of limits."""
    found = await figures(UNLIMITED, never)
    assert found["broken"] == 1 and said in found["said"][0]


async def test_harm_is_harm_also_when_calm_was_not_perfect() -> None:
    """What was under way when the site was lost may never have been told its end."""
    assert (await figures(UNLIMITED, seen(answers(-CALM, 0, 100), UNHEARD)))["broken"] == 0


async def test_a_scene_that_cannot_be_played_is_not_kept() -> None:
    """And one after which payments are missing is not either."""
    nothing = await figures(LIMITED, LabError("no lab"))
    assert (nothing["failed"], nothing["unreconciled"]) == (1, 1)
    assert (await figures(LIMITED, replace(well(), paid=None)))["unreconciled"] == 1
    lost = await figures(LIMITED, replace(well(), paid=reconciliation("k")))
    assert lost["lost"] == 1


def test_scenes_without_an_answer_can_be_told() -> None:
    """None of the figures is a number, and nothing stumbles over that."""
    lines = list(answers(-8, 0, 10))
    found = surge_figures({"x": (judge(lines, course(math.inf)), curve(lines, AT, begin=-8, end=20))})
    assert surge_rows(found)


async def test_a_door_that_costs_more_than_its_limit_is_told() -> None:
    """The gate is measured against the application alone, let in and sent away."""

    def priced(gate: float) -> Callable[[ASGIApp], Awaitable[float]]:
        async def ask(app: ASGIApp) -> float:
            return gate if isinstance(app, Gate) else 1.0

        return ask

    said: list[str] = []
    assert await compare(said.append, turns=1, ask=priced(30.0))
    assert not await compare(said.append, turns=1, ask=priced(LIMIT + 2))
    assert said[0].startswith("let in: 29.0 us")


async def test_the_door_is_measured_by_real_requests() -> None:
    """Each of them comes through: refused ones would be cheap."""
    seen: list[str] = []

    async def counting(scope: AsgiScope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])

    assert await measure(counting, requests=3) >= 0
    assert len(seen) == 3
