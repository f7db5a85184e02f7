"""What may be used once is used once, whatever happens to the memory of it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.issuer_statements import NotTaken, SingleUse


def memory(most: int = 3, since: float = -1) -> SingleUse:
    """Of three statements, five minutes at most."""
    return SingleUse(most=most, longest=timedelta(minutes=5), since=since)


def refused(used: SingleUse, id: str, ends_at: float, now: float, issued_at: float = 0) -> str:
    """Why it was refused, which it must be."""
    with pytest.raises(NotTaken) as caught:
        used.take(id, issued_at=issued_at, ends_at=ends_at, now=now)
    return str(caught.value)


def test_a_statement_is_used_once() -> None:
    """A second time it is a replay, until it is over, and then it is over."""
    used = memory()
    used.take("a", issued_at=0, ends_at=60, now=0)
    assert refused(used, "a", 60, 1) == refused(used, "a", 60, 59.9) == "the statement was used before"
    assert refused(used, "a", 60, 60) == "the statement is over"


def test_what_would_have_to_be_remembered_for_too_long_is_refused() -> None:
    """Signed for a year, it would have to be remembered for a year."""
    assert "at most 300 s ahead" in refused(memory(), "a", 301, 0)


def test_a_full_memory_forgets_nothing_that_could_be_used_again() -> None:
    """It refuses what is new, until something old is over."""
    used = memory()
    for number in range(3):
        used.take(f"s{number}", issued_at=0, ends_at=60 + number, now=0)
    assert "no more can be" in refused(used, "s3", 60, 0)
    used.take("s3", issued_at=0, ends_at=100, now=60)
    assert len(used) == 3 and "used before" in refused(used, "s1", 61, 60)


@pytest.mark.parametrize("issued_at", [0, 99.5, 100])
def test_what_was_signed_before_the_issuer_began_is_refused(issued_at: float) -> None:
    """Its forerunner may have taken it, and remembers nothing any more."""
    used = memory(since=100)
    assert "before this issuer began" in refused(used, "a", 200, 101, issued_at)
    used.take("a", issued_at=100.5, ends_at=200, now=101)


def test_what_is_signed_in_the_future_is_refused() -> None:
    """A client whose clock is ahead: used now, the statement would be new to the issuer's next self."""
    assert "in the future" in refused(memory(), "a", 60, 1, issued_at=2)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 300), st.integers(0, 50), st.booleans()), max_size=60))
def test_no_order_of_statements_and_starts_lets_one_be_used_twice(steps: list[tuple[str, int, int, bool]]) -> None:
    """And no more are remembered than may be. A statement is its id, and when it was signed and ends."""
    used, now = memory(), 0
    taken, shown = set[tuple[str, int, int]](), dict[str, tuple[int, int]]()
    for id, life, later, begins_again in steps:
        now += later
        if begins_again:
            used = memory(since=now)
        issued_at, ends_at = shown.setdefault(id, (now, now + life))
        if ends_at <= now:
            issued_at, ends_at = shown[id] = (now, now + life)
        try:
            used.take(id, issued_at=issued_at, ends_at=ends_at, now=now)
        except NotTaken:
            continue
        assert (id, issued_at, ends_at) not in taken
        taken.add((id, issued_at, ends_at))
        assert len(used) <= 3
