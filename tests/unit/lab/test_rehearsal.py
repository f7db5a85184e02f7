"""A rehearsal hurts only a lab that is calm, and brings its payers where the old writer returns."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.core.model import Epoch, Trigger
from controller.core.plans import Phase, Plan, PlanKind
from controller.ports import Control
from lab.errors import LabError
from lab.faults import Fault
from lab.rehearsal import Course, require_calm
from tests.unit.core.worlds import AWS, START, posture

UPKEEP = Plan(
    id="p", service="payments", kind=PlanKind.SHRINK, epoch=Epoch(4), trigger=Trigger.UPKEEP, reason="x", by="aws", started=START,
    phase=Phase.ROW,
)  # fmt: skip


def control(plan: Plan | None = None, **changes: Any) -> Control:
    """azure writes epoch 4, nothing is under way."""
    return Control(posture=posture(**changes), plan=plan, ownership=None, observations={}, sessions={}, requests=(), revisions={})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (control(writer=AWS, epoch=Epoch(5), reign=Epoch(5)), "now aws does in epoch 5"),
        (control(epoch=Epoch(5)), "epoch 5 is claimed"),
        (control(plan=UPKEEP), "plan shrink is in phase row"),
    ],
)
def test_a_lab_that_moved_by_itself_is_not_hurt(now: Control, said: str) -> None:
    """Or the fault would hit a follower, and payments of an epoch that reigned before it would count as its recovery."""
    with pytest.raises(LabError, match=said):
        require_calm(control(), now)


def test_drained_shares_are_calm() -> None:
    """Traffic may change: the fault's figures do not rest on it."""
    now = control(weights={AWS: 1.0})
    require_calm(control(), replace(now, revisions={"posture": 9}))


@pytest.mark.parametrize(("fault", "names"), [(Fault.CRASH, 1), (Fault.FREEZE, 2), (Fault.PARTITION, 2)])
def test_payers_hold_the_address_of_a_writer_that_comes_back(fault: Fault, names: int) -> None:
    """Unless the run says otherwise, and then nothing is expected of them."""
    course = Course(fault=fault)
    assert len(course.paid_through) == names
    assert course.meets_old_writer is (names == 2)
    assert not replace(course, names=("payments.trimaran.test",)).meets_old_writer
    assert not replace(course, hold=timedelta(seconds=31)).meets_old_writer
