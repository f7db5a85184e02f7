"""A plan's trace follows from its id: whoever tells of a part of it tells of the same trace."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.core.model import Epoch, Trigger
from controller.core.phases import Phase
from controller.core.plans import Plan, PlanKind
from controller.core.spans import Span, carried, detection, over
from tests.unit.core.worlds import AZURE, GCP

STARTED = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
PLAN = Plan(
    id="p-7", service="payments", kind=PlanKind.FAILOVER, epoch=Epoch(4), trigger=Trigger.AUTOMATIC, reason="azure is lost", by="aws",
    started=STARTED, subject=AZURE, phase=Phase.CUT, winner=GCP,
)  # fmt: skip
LATER = STARTED + timedelta(seconds=1)


def cut(plan: Plan = PLAN, *, ended: datetime = LATER, left_behind: bool = False) -> Span:
    """A step of it."""
    return carried(plan, step="cut", took=timedelta(seconds=0.2), ended=ended, said="gcp was cut", left_behind=left_behind)


def test_two_controllers_tell_of_one_trace() -> None:
    """One claimed it and died; the other, which knows the plan and nothing else, ended it."""
    first, second, whole = detection(PLAN, began=STARTED - timedelta(seconds=1), claimed=STARTED), cut(), over(PLAN, ended=LATER)
    assert first.trace == second.trace == whole.trace
    assert first.parent == second.parent == whole.id
    assert whole.parent is None
    assert len({first.id, second.id, whole.id}) == 3
    assert 0 < whole.trace < 2**128 and 0 < second.id < 2**64


def test_another_plan_is_another_trace() -> None:
    """Of the same service, a moment later."""
    other = replace(PLAN, id="p-8")
    assert cut(other).trace != cut().trace
    assert cut(other).parent != cut().parent


def test_a_step_that_is_carried_out_again_is_another_span() -> None:
    """aws comes back and is cut once more."""
    assert cut(ended=LATER + timedelta(seconds=1)).id != cut().id


def test_results_that_are_written_together_are_spans_of_their_own() -> None:
    """Two nodes are cut at once: the same name, the same moment."""
    other = carried(PLAN, step="cut", took=timedelta(seconds=0.2), ended=LATER, said="aws was cut", left_behind=False)
    assert other.id != cut().id


def test_a_step_ends_when_its_result_was_known() -> None:
    """And began as long before as it took."""
    assert (cut().began, cut().ended) == (LATER - timedelta(seconds=0.2), LATER)


def test_what_failed_says_so() -> None:
    """A node that was left behind fails its step; a plan fails by its own word alone."""
    assert cut(left_behind=True).failure == "gcp was cut"
    assert not cut().failure and not over(PLAN, ended=LATER).failure
    assert over(replace(PLAN, failure="nobody was level"), ended=LATER).failure == "nobody was level"


def test_clocks_that_differ_make_no_negative_plan() -> None:
    """Claimed at 03:00:00 by aws's clock, ended at 02:59:59 by gcp's."""
    whole = over(PLAN, ended=STARTED - timedelta(seconds=1))
    assert whole.began == whole.ended == STARTED
