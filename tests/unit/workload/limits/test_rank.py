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
        ("GET", "/v1/tokens/4f/subject", False, Rank.PART),
        ("HEAD", "/v1/tokens/4f/subject", False, Rank.PART),
        ("POST", "/v1/tokens/4f/subject", False, Rank.NEW),
        ("GET", "/v1/tokens//subject", False, Rank.READ),
        ("GET", "/v1/x/subject", False, Rank.READ),
        ("GET", "/v1/payments/4f/subject", False, Rank.LIST),
        ("GET", "/v1/tokens/4f/subject/2a", False, Rank.READ),
        ("GET", "/v1/subject", False, Rank.LIST),
    ],
)
def test_ranks(method: str, path: str, known: bool, expected: Rank) -> None:
    """By what it is, never by who asks. Only what this service is asked for by others is a part of theirs."""
    assert rank(method, path, known=known, parts=("/v1/tokens/{token}/subject",)) is expected


def test_no_path_goes_before_others_by_itself() -> None:
    """A service that nobody asks on behalf of others has no such path: whoever asks for one there is behind first payments."""
    assert rank("GET", "/v1/tokens/4f/subject", known=True) is Rank.LIST


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
