"""What may be used once is used once, whatever happens to the memory of it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.access.refusal import AccessRefused, Kind
from workload.access.single_use import SingleUse


def memory(most: int = 3) -> SingleUse:
    """Of three statements, five minutes at most."""
    return SingleUse(most=most, longest=timedelta(minutes=5))


def refused(used: SingleUse, id: str, ends_at: float, now: float) -> Kind:
    """The kind of the refusal, which must come."""
    with pytest.raises(AccessRefused) as caught:
        used.take(id, ends_at=ends_at, now=now)
    return caught.value.kind


def test_a_statement_is_used_once() -> None:
    """A second time it is a replay, until it is over, and then it is over."""
    used = memory()
    used.take("a", ends_at=60, now=0)
    assert refused(used, "a", 60, 1) is Kind.REPLAYED
    assert refused(used, "a", 60, 59.9) is Kind.REPLAYED
    assert refused(used, "a", 60, 60) is Kind.EXPIRED


def test_what_would_have_to_be_remembered_for_too_long_is_refused() -> None:
    """Signed for a year, it would have to be remembered for a year."""
    assert refused(memory(), "a", 301, 0) is Kind.REPLAYED


def test_a_full_memory_forgets_nothing_that_could_be_used_again() -> None:
    """It refuses what is new, until something old is over."""
    used = memory()
    for number in range(3):
        used.take(f"s{number}", ends_at=60 + number, now=0)
    assert refused(used, "s3", 60, 0) is Kind.REPLAYED
    used.take("s3", ends_at=100, now=60)
    assert len(used) == 3 and refused(used, "s1", 61, 60) is Kind.REPLAYED


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 300), st.integers(0, 50)), max_size=60))
def test_no_order_of_statements_lets_one_be_used_twice(steps: list[tuple[str, int, int]]) -> None:
    """And no more are remembered than may be."""
    used, now, taken = memory(), 0, dict[str, int]()
    for id, life, later in steps:
        now += later
        try:
            used.take(id, ends_at=now + life, now=now)
        except AccessRefused:
            continue
        assert taken.get(id, 0) <= now
        taken[id] = now + life
        assert len(used) <= 3
