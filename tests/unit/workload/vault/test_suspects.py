"""Wraps that did not open are remembered, and not without end."""

from uuid import UUID

from workload.vault.suspects import Suspects
from workload.vault.wrapping import Wrapped

ONE, OTHER = (Wrapped(cloud=cloud, kek="1", ciphertext=b"x") for cloud in ("aws", "gcp"))


def test_what_was_met_is_remembered_until_a_repair_has_seen_to_it() -> None:
    """Of several clouds too, and each once."""
    met = Suspects()
    for wrap in (ONE, OTHER, ONE):
        met.add(UUID(int=1), wrap)
    assert (met.keys, met.of(UUID(int=1)), met.of(UUID(int=2))) == ((UUID(int=1),), {ONE, OTHER}, frozenset())
    met.forget(UUID(int=1))
    met.forget(UUID(int=1))
    assert met.keys == ()


def test_a_cloud_that_opens_nothing_any_more_fills_no_memory() -> None:
    """The rest is met again."""
    met = Suspects(most=3)
    for number in range(10):
        met.add(UUID(int=number), ONE)
    met.add(UUID(int=0), OTHER)
    assert met.keys == tuple(UUID(int=number) for number in range(3)) and met.of(UUID(int=0)) == {ONE, OTHER}
