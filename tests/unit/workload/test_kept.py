"""What clients choose and we keep: refused when a number could stand in it, and only then."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.unit.workload.telemetry.test_numbers import CARD, GLUED, cards
from workload.identifiers import uuid7_from
from workload.kept import Id, Name, Reason, no_number

IDS: TypeAdapter[Any] = TypeAdapter(Id)
NAMES: TypeAdapter[Any] = TypeAdapter(Name)
REASONS: TypeAdapter[Any] = TypeAdapter(Reason)


def taken(kind: TypeAdapter[Any], value: object) -> bool:
    """Is it kept?"""
    try:
        kind.validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "00000000-0000-0000-4111-111111111111",
        f"{CARD:0>32}",
        f"{CARD:0<32}",
        "41111111-1111-1111-0000-000000000000",
        "41111111-1111-1111-8000-000000000000",
        "{7c1a9e4e-0f5d-4b5c-9a52-3f1f3a6f7b10}",
        "urn:uuid:7c1a9e4e-0f5d-4b5c-9a52-3f1f3a6f7b10",
        "7c1a9e4e0f5d4b5c9a523f1f3a6f7b10",
        "7c1a9e4e-0f5d-9b5c-9a52-3f1f3a6f7b10",
        "7c1a9e4e-0f5d-4b5c-1a52-3f1f3a6f7b10",
        "00000000-0000-0000-0000-000000000000",
        "7c1a9e4e-0f5d-4b5c-9a52-3f1f3a6f7b10\n",
        CARD,
        4111111111111111,
        None,
    ],
)
def test_an_id_has_a_version_and_a_variant_and_hyphens(text: object) -> None:
    """Neither zeros around a card number, nor 32 digits in one piece, nor a UUID of decimal digits with a card number in it."""
    assert not taken(IDS, text)


@given(cards(), st.data())
def test_no_padding_makes_an_id_of_a_number(digits: str, data: st.DataObject) -> None:
    """Zeros before it and after it, with and without hyphens, whatever version and variant its digits happen to make."""
    padded = digits.rjust(data.draw(st.integers(len(digits), 32)), "0").ljust(32, "0")
    assert not taken(IDS, padded) and not taken(IDS, str(uuid.UUID(padded)))


@given(
    st.one_of(st.uuids(version=1), st.uuids(version=3), st.uuids(version=4), st.uuids(version=5)),
    st.integers(0, 2**48 - 1),
    st.binary(min_size=10, max_size=10),
)
def test_every_uuid_that_programs_make_is_an_id(one: uuid.UUID, milliseconds: int, chance: bytes) -> None:
    """Of every version, as text in both cases, unless it is of decimal digits alone."""
    for id in (one, uuid7_from(milliseconds, chance)):
        assert id.hex.isdecimal() or (taken(IDS, str(id)) and taken(IDS, str(id).upper()) and taken(IDS, id))


@pytest.mark.parametrize("text", GLUED)
def test_a_key_with_a_number_in_it_is_refused_without_a_digit_of_it(text: str) -> None:
    """A refusal that repeated the number would be where numbers are not to be."""
    with pytest.raises(ValueError, match="card or account number") as refused:
        no_number(text)
    assert "4111" not in str(refused.value)
    assert no_number("order-2024-11-18-000123") == "order-2024-11-18-000123"


@pytest.mark.parametrize("number", range(10**17, 10**17 + 30))
def test_orders_that_are_numbered_are_all_refused_or_none(number: int) -> None:
    """Whatever they check to: a client learns it by its first order. A moment and a counter, or fewer digits, are keys."""
    for key in (f"{number}", f"order-{number}", f"{number}-a", "-".join(f"{number}")):
        with pytest.raises(ValueError, match="13 digits"):
            no_number(key)
    for key in (f"order-{number % 10**12}", f"2024-11-18T10:00:00Z-{number % 1000}", f"17319312000{number % 100:02}"):
        assert no_number(key) == key


@pytest.mark.parametrize("name", ["Kim Example", "kim@example.test", "Unit 12, Room 3456", "Émile"])
def test_a_name_may_have_a_few_digits(name: str) -> None:
    """Eight at most, and no account number."""
    assert taken(NAMES, name)
    assert not taken(NAMES, f"{name} {'1' * 9}") and not taken(NAMES, f"{name} GB57TESTABCDEFGHIJKLMN")


@pytest.mark.parametrize(
    ("reason", "kept"), [("chargeback dispute", True), ("ticket 17", False), ("no", False), ("dispute\n", False)]
)
def test_a_reason_is_words(reason: str, kept: bool) -> None:
    """Without digits, and without a line's end after the last of them."""
    assert taken(REASONS, reason) is kept
