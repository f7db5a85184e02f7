"""When those who were not answered come back: not all at once."""

import pytest

from workload.durable.errors import Busy, Late, NoSession, NoWriter, OutcomeUnknown, Rejected, Unanswered
from workload.problems import describe_unanswered, soon


def test_each_who_asks_is_told_another_second() -> None:
    """From one on, all alike."""
    assert [soon(3, lambda drawn=drawn: drawn) for drawn in (0.0, 0.3, 0.4, 0.6, 0.7, 0.999)] == [1, 1, 2, 2, 3, 3]
    assert {soon() for _ in range(200)} == {1, 2}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoWriter, {1, 2, 3}),
        (NoSession, {1, 2, 3}),
        (OutcomeUnknown, {1, 2}),
        (Busy, {1, 2}),
        (Late, {None}),
        (Rejected, {None}),
    ],
)
def test_who_lost_its_writer_does_not_come_back_with_all_others(error: type[Unanswered], told: set[int | None]) -> None:
    """Everybody is told so at the same moment: whoever wrote is gone. Who gave no time, or repeats in vain, is told nothing."""
    assert {describe_unanswered(error("")).retry_after for _ in range(200)} == told
