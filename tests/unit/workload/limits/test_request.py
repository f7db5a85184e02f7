"""What the door reads."""

import pytest

from workload.limits.request import read


def asked(**headers: str):  # type: ignore[no-untyped-def]
    """A payment with these headers."""
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return read("POST", "/v1/payments", named, b"client")


def test_everything_that_it_needs() -> None:
    """Seconds, numbers and names."""
    found = asked(content_length="12", idempotency_key="k", retry_attempt="2", client="m1")
    assert (found.length, found.key, found.is_retry, found.client) == (12, "k", True, "m1")


def test_nothing_is_needed() -> None:
    """A request without any of them is one."""
    found = asked()
    assert (found.length, found.key, found.is_retry, found.client, found.is_chunked) == (0, None, False, None, False)


@pytest.mark.parametrize("length", ["", "-1", "1e3", "12 ", "\xb2", "9" * 5000])
def test_a_length_that_is_no_number_is_none(length: str) -> None:
    """A superscript two is a digit and no number; five thousand digits are more than Python reads."""
    assert asked(content_length=length).length is None


@pytest.mark.parametrize("attempt", ["0", "", "first", "-1", "\xb2"])
def test_a_retry_says_so_with_a_number(attempt: str) -> None:
    """Anything else is no retry, and no error: it is only a hint."""
    assert not asked(retry_attempt=attempt).is_retry
