"""What goes first, and which keys are known."""

import pytest

from workload.limits.lately import LONGEST_KEY, Lately
from workload.limits.rank import Rank, rank


@pytest.mark.parametrize(
    ("method", "path", "known", "expected"),
    [
        ("POST", "/v1/payments", True, Rank.KNOWN),
        ("POST", "/v1/payments", False, Rank.NEW),
        ("DELETE", "/v1/tokens/4f", False, Rank.NEW),
        ("GET", "/v1/payments/4f", False, Rank.READ),
        ("GET", "/v1/payments/4f", True, Rank.READ),
        ("GET", "/v1/payments", False, Rank.LIST),
        ("HEAD", "/v1/payments/", False, Rank.LIST),
        ("GET", "/v1/accounts/4f/payments", False, Rank.LIST),
        ("GET", "/v1/accounts/4f/payments/2a", False, Rank.READ),
    ],
)
def test_ranks(method: str, path: str, known: bool, expected: Rank) -> None:
    """By what it is, never by who asks."""
    assert rank(method, path, known=known) is expected


def test_old_keys_are_forgotten_for_new_ones() -> None:
    """The memory is bounded; a key that is noted again counts as new."""
    lately = Lately(room=2)
    for key in ("a", "b", "a", "c"):
        lately.note(key)
    assert ("a" in lately, "b" in lately, "c" in lately) == (True, False, True)


def test_a_key_that_the_api_would_refuse_is_not_remembered() -> None:
    """Megabytes of keys would be a way to fill the memory."""
    lately = Lately(room=2)
    lately.note("k" * (LONGEST_KEY + 1))
    assert "k" * (LONGEST_KEY + 1) not in lately
