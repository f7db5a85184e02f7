"""What is offered, when and by whom is fixed before anything is answered."""

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.load_schedule import Offer, backoff, first_share, ignores_ttl, offers

ACCOUNTS = ("a", "b", "c")


@given(st.integers(1, 200), st.none() | st.floats(0, 5), st.integers())
def test_pauses_are_bounded_and_honour_retry_after(attempt: int, retry_after: float | None, seed: int) -> None:
    """Between half and all of a capped doubling; never sooner than the service asked for."""
    pause = backoff(attempt, retry_after, random.Random(seed), first=0.1, longest=0.5)
    assert pause <= max(0.5, (retry_after or 0) + 0.1)
    assert pause >= (min(0.5, 0.1 * 2 ** (attempt - 1)) / 2 if retry_after is None else retry_after)


def schedule(count: int, seed: int = 1) -> list[Offer]:
    found = offers(run="r", rate=100, devices=5, accounts=ACCOUNTS, largest=9, seed=seed)
    return list(islice(found, count))


def test_the_schedule_is_fixed_before_anything_is_answered() -> None:
    """The same seed offers the same payments at the same moments, at the rate that was asked for, each under its own key."""
    first = schedule(5000)
    assert first == schedule(5000)
    assert first != schedule(5000, seed=2)
    assert first[-1].due == pytest.approx(49.99)
    assert len({offer.key for offer in first}) == 5000
    assert all(offer.debtor != offer.creditor for offer in first)
    assert {offer.device for offer in first} == set(range(5))


def test_caches_are_of_every_age_and_the_same_for_the_same_seed() -> None:
    """A fault meets caches that have anything from all to nothing of their TTL left."""
    shares = [first_share("r", 1, device) for device in range(400)]
    assert shares == [first_share("r", 1, device) for device in range(400)]
    assert [sum(low <= share < low + 0.25 for share in shares) for low in (0, 0.25, 0.5, 0.75)] == pytest.approx(
        [100] * 4, rel=0.3
    )


@given(st.integers(min_value=1, max_value=500), st.integers(min_value=1, max_value=50))
def test_the_share_of_devices_that_ignore_ttls_is_exact_and_even(devices: int, every: int) -> None:
    """Of every so many devices in a row exactly one, however many there are."""
    ignoring = [number for number in range(devices) if ignores_ttl(number, 1 / every)]
    assert ignoring == list(range(every - 1, devices, every))
