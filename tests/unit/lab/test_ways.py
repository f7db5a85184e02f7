"""Whose way is shown: a payment that is told of as a whole, chosen by what its client waited; and every step that is missing is said."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lab.record import Acknowledged, Attempted, Failed, Line, Offered
from lab.report_ways import MOST_STEPS, ways_said, ways_shown
from lab.spans import Span, span_of, trace_of
from lab.ways import BEFORE, DURING, SOURCED, STEPS, Ways, missing, settled, ways

FAULT_AT, HEALED_AT, WALL = 100.0, 110.0, 1000.0


def offered(key: str, t: float) -> Offered:
    """Somebody wants a payment."""
    return Offered(key=key, device=1, name="n", debtor="d", creditor="c", amount=1, currency="EUR", t=t)


def paid(key: str, t: float, took: float, fails: int = 0) -> list[Line]:
    """The record of one payment that was acknowledged at `t`; `fails`: attempts before that one, a tenth of a second each."""
    lines: list[Line] = [offered(key, t - took)]
    for attempt in range(1, fails + 1):
        begun = t - took + (attempt - 1) * 0.1
        lines.append(Attempted(key=key, attempt=attempt, site="azure", t=begun))
        lines.append(Failed(key=key, attempt=attempt, site="azure", why="deadline", t=begun + 0.1))
    lines.append(Attempted(key=key, attempt=fails + 1, site="aws", t=t - 0.05))
    told = {"payment": "p", "epoch": 2, "site": "aws", "status": 201}
    lines.append(Acknowledged(key=key, attempt=fails + 1, latency=0.05, t=t, **told))  # type: ignore[arg-type]
    return lines


def told(key: str, t: float, attempt: int = 1, leave_out: Sequence[str] = ()) -> list[Span]:
    """What the service says of an attempt that was answered at `t`: an edge, and whatever is in it, one inside the other."""
    parent, spans = span_of(key, attempt), list[Span]()
    for number, name in enumerate(step for step in STEPS if step not in leave_out):
        id, moment = f"{key}{attempt}{name}", round((t + WALL - 0.04 + number / 1000) * 1e9)
        service = "edge" if name == "edge" else "payments"
        spans.append(
            Span(
                trace=trace_of(key),
                id=id,
                parent=parent,
                name=name,
                service=service,
                site="aws",
                begin=moment,
                end=round((t + WALL) * 1e9),
            )
        )
        parent = id
    return spans


def run(lines: Sequence[Line], spans: Sequence[Span]) -> Ways:
    """The ways of a run."""
    return ways(lines, spans, fault_at=FAULT_AT, until=HEALED_AT, wall_offset=WALL)


USUAL = [line for key, took in (("u1", 0.02), ("u2", 0.03), ("u3", 0.2)) for line in paid(key, 99.0, took)]
TOLD = [span for key in ("u1", "u2", "u3") for span in told(key, 99.0)]


def test_the_usual_one_is_in_the_middle_and_the_slowest_waited_longest() -> None:
    """Of those before the fault, and of those between fault and healing: by the whole wait of the payer, not by the last attempt's."""
    lines = [*USUAL, *paid("quick", 103.0, 0.06), *paid("slow", 104.0, 4.0, fails=3), *paid("later", 115.0, 9.0, fails=2)]
    spans = [*TOLD, *told("quick", 103.0), *told("slow", 104.0, attempt=4), *told("later", 115.0, attempt=3)]
    found = run(lines, spans)
    assert [(way.what, way.key, way.attempts, round(way.took, 3)) for way in found.shown] == [
        (BEFORE, "u2", 1, 0.03),
        (DURING, "slow", 4, 4.0),
    ]
    assert (found.lacking, found.followed, found.slowest, found.told) == ((), 6, 4.0, len(spans))


def test_the_way_begins_with_the_wish_and_holds_every_attempt() -> None:
    """Attempts that failed are there with how they did, beside the one in which the service's steps are."""
    found = run([*USUAL, *paid("slow", 104.0, 4.0, fails=2)], [*TOLD, *told("slow", 104.0, attempt=3)])
    lines = found.shown[1].lines
    assert [(line.depth, line.name, line.outcome) for line in lines] == [
        (0, "payment", ""),
        (1, "attempt 1", "deadline"),
        (1, "attempt 2", "deadline"),
        (1, "attempt 3", ""),
        *((depth, step, "") for depth, step in enumerate(STEPS, start=2)),
    ]
    assert [round(line.begin_ms) for line in lines[:4]] == [0, 0, 100, 3950]
    assert [round(line.took_ms) for line in lines[:4]] == [4000, 100, 100, 50]
    assert (lines[0].where, lines[1].said, lines[3].said) == ("client", "to azure", "to aws")


def test_one_that_is_whole_is_shown_before_one_that_is_not() -> None:
    """A slower one whose database said nothing would show less; how slow it was is said all the same."""
    lines = [*USUAL, *paid("whole", 103.0, 2.0), *paid("torn", 104.0, 3.0), *paid("untold", 105.0, 4.0)]
    found = run(lines, [*TOLD, *told("whole", 103.0), *told("torn", 104.0, leave_out=["database"])])
    assert [way.key for way in found.shown] == ["u2", "whole"]
    assert (found.lacking, found.slowest, found.followed) == ((), 4.0, 5)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_nobody_told_of_is_said(step: str) -> None:
    """When no payment of the failover is whole the slowest is shown, with what it lacks by name."""
    found = run([*USUAL, *paid("torn", 104.0, 3.0)], [*TOLD, *told("torn", 104.0, leave_out=[step])])
    assert found.shown[1].missing == (step,)
    assert found.lacking == (f"{DURING}: nobody told of {step}",)


def sourced(key: str, fails: int = 0) -> list[Line]:
    """A payment from a token, before the fault."""
    lines = paid(key, 98.0, 0.1 + fails / 2, fails)
    return [replace(line, source="t", subject="s") if isinstance(line, Offered) else line for line in lines]


def asked(key: str, attempt: int = 1) -> list[Span]:
    """What the services say of it when payments asked the vault."""
    spans = told(key, 98.0, attempt)
    call = next(span for span in spans if span.name == "call")
    return [*spans, replace(call, id=f"{key} vault", parent=call.id, name="GET /v1/tokens/{token}", service="vault")]


def test_a_payment_from_a_new_token_goes_through_the_vault() -> None:
    """One from a token that is known needs no question: of several that one is shown which asked."""
    lines = [*USUAL, *sourced("new"), *sourced("known"), *sourced("again"), *paid("slow", 104.0, 4.0)]
    spans = [*TOLD, *asked("new"), *told("known", 98.0), *told("again", 98.0), *told("slow", 104.0)]
    found = run(lines, spans)
    assert [(way.what, way.key) for way in found.shown] == [(BEFORE, "u2"), (SOURCED, "new"), (DURING, "slow")]
    assert found.lacking == ()


def test_it_is_shown_also_when_the_vault_was_late_at_first() -> None:
    """A question that is not answered in time is asked again by the payer, and the way of the answered attempt is whole."""
    lines = [*USUAL, *sourced("known"), *sourced("late", fails=1), *paid("slow", 104.0, 4.0)]
    found = run(lines, [*TOLD, *told("known", 98.0), *asked("late", attempt=2), *told("slow", 104.0)])
    assert [(way.key, way.attempts) for way in found.shown if way.what == SOURCED] == [("late", 2)]


def test_a_run_in_which_nobody_saw_the_vault_asked_says_so() -> None:
    """Though every other step of a payment from a token is there."""
    lines = [*USUAL, *sourced("known"), *paid("slow", 104.0, 4.0)]
    found = run(lines, [*TOLD, *told("known", 98.0), *told("slow", 104.0)])
    assert found.lacking == (f"{SOURCED}: nobody told of vault",)
    assert run(lines, [*TOLD, *told("slow", 104.0)]).lacking == (f"{SOURCED}: no service told of one",)


def test_steps_of_another_attempt_are_none_of_the_answered_ones() -> None:
    """The first attempt was carried out and its answer lost; the second has nothing but its own word."""
    [one] = settled(paid("k", 104.0, 3.0, fails=1), WALL)
    assert missing(one, told("k", 101.0, attempt=1)) == STEPS
    assert missing(one, told("k", 104.0, attempt=2)) == ()


def test_a_run_without_traces_says_so() -> None:
    """The collector was away: nothing is shown, and nothing passes for shown."""
    found = run([*USUAL, *paid("slow", 104.0, 4.0)], [])
    assert (found.shown, found.followed, found.slowest) == ((), 0, 4.0)
    assert found.lacking == (f"{BEFORE}: no service told of one", f"{DURING}: no service told of one")
    assert run([], TOLD).slowest is None


def test_an_attempt_that_found_no_address_has_no_length() -> None:
    """Nothing was sent anywhere."""
    failed = Failed(key="k", attempt=1, site=None, why="no address", t=100.5)
    [one] = settled([offered("k", 100.0), failed, *paid("k", 101.0, 0.1)[1:]], WALL)
    assert one.attempts[0].begin == one.attempts[0].end and not one.attempts[0].notes


def test_the_report_holds_it_and_the_page_shows_it() -> None:
    """As plain values; names of spans are other people's and no markup."""
    found = run([*USUAL, *paid("torn", 104.0, 3.0)], [*TOLD, *told("torn", 104.0, leave_out=["barrier"])])
    odd = replace(found.shown[1], lines=(replace(found.shown[1].lines[0], name="<b>"), *found.shown[1].lines[1:]))
    said = json.loads(json.dumps(ways_said(replace(found, shown=(found.shown[0], odd)))))
    assert [(one["key"], one["missing"], one["left_out"]) for one in said["payments"]] == [
        ("u2", [], 0),
        ("torn", ["barrier"], 0),
    ]
    assert [step["name"] for step in said["payments"][0]["steps"]] == ["payment", "attempt 1", *STEPS]
    shown = ways_shown(said)
    assert f"{DURING}: nobody told of barrier." in shown and "<b>" not in shown
    assert shown.count("<svg") == 2 and f"Trace {trace_of('torn')}" in shown


def test_the_answered_attempt_is_shown_by_itself_too() -> None:
    """Beside four seconds of waiting nobody sees its fifty milliseconds."""
    found = run([*USUAL, *paid("slow", 104.0, 4.0, fails=2)], [*TOLD, *told("slow", 104.0, attempt=3)])
    usual, whole, answered = ways_shown(ways_said(found)).split("<svg")[1:]
    assert "attempt 1" in usual and "attempt 2" in whole
    assert "attempt 2" not in answered and "attempt 3" in answered and "barrier" in answered and "50.0 ms" in answered


def test_of_too_many_steps_the_last_are_kept() -> None:
    """They say how it was answered, and how many were left out is said."""
    found = run([*USUAL, *paid("slow", 109.0, 9.0, fails=70)], [*TOLD, *told("slow", 109.0, attempt=71)])
    [_, slow] = ways_said(found)["payments"]
    assert len(slow["steps"]) == MOST_STEPS + 1 and slow["left_out"] == len(found.shown[1].lines) - MOST_STEPS - 1
    assert [slow["steps"][0]["name"], slow["steps"][-1]["name"]] == ["payment", STEPS[-1]]
    assert f"{slow['left_out']} more steps are left out." in ways_shown(ways_said(found))
