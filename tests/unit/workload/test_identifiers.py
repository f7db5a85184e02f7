"""Identifiers sort by time."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from workload.identifiers import uuid7_from

MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOM = st.binary(min_size=10, max_size=10)


@given(MILLISECONDS, RANDOM)
def test_an_identifier_is_a_version_7_uuid_of_its_time(milliseconds: int, random: bytes) -> None:
    """RFC 9562: 48 bits of Unix time, version 7, variant 10."""
    made = uuid7_from(milliseconds, random)
    assert (made.version, made.variant, made.int >> 80) == (7, UUID(int=0x80 << 56).variant, milliseconds)


@given(MILLISECONDS, MILLISECONDS, RANDOM, RANDOM)
def test_later_is_greater(first: int, second: int, one: bytes, other: bytes) -> None:
    """New payments go to the end of the index."""
    if first < second:
        assert uuid7_from(first, one) < uuid7_from(second, other)
