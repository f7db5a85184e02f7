"""The second wall: nothing that looks like a number nobody may see passes, in whatever it is wrapped."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workload.telemetry.test_numbers import ACCOUNTS, CARDS, QUIET, cards
from workload.telemetry.redaction import REDACTED, redact, redact_event, redact_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**11), 10**11) | st.text(alphabet="ghijk -", max_size=12),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(alphabet="ghijk", max_size=4), inside, max_size=4),
    max_leaves=12,
)


@dataclass
class Card:
    """An object whose representation gives its number away, as other people's do."""

    number: str


@given(QUIET, cards(), QUIET)
def test_only_the_number_is_replaced(before: str, number: str, after: str) -> None:
    """What stands around it is as it was."""
    assert redact(f"{before}{number}{after}") == f"{before}{REDACTED}{after}"


@pytest.mark.parametrize("number", [*CARDS, *ACCOUNTS])
def test_no_wrapping_lets_a_number_pass(number: str) -> None:
    """As a text, as a name, within lists and objects, as bytes, as an exception."""
    wrapped = {
        number: "a name",
        "text": number,
        "list": [1, (number, {number})],
        "bytes": number.encode(),
        "object": Card(number),
        "error": ValueError(f"cannot read {number}"),
        "nested": {"a": {"b": {"c": [number]}}},
    }
    said = json.dumps(redact_event(None, "info", wrapped))
    assert number not in said and said.count(REDACTED) == 8


@pytest.mark.parametrize("number", CARDS)
def test_a_number_that_is_no_text_is_replaced_too(number: str) -> None:
    """As an integer, a negative one, and a float that is whole."""
    assert redact_value([int(number), -int(number)]) == [REDACTED, REDACTED]
    if len(number) <= 15:  # a longer one is not itself any more as a float
        assert redact_value(float(number)) == REDACTED


@pytest.mark.parametrize(
    "number", [14111111111111111, 4111111111111111001, 41111111111111110012345, -411111111111111100123456789]
)
def test_digits_that_are_glued_to_a_number_hide_it_in_no_integer(number: int) -> None:
    """Up to forty digits; of longer ones nobody pastes a card number into, and to write one of thousands takes time."""
    assert redact_value({"value": number}) == {"value": REDACTED}


@pytest.mark.parametrize("gap", ["\n", "\u2009", "/", "%20", " - ", ", "])
def test_what_an_object_says_of_itself_hides_no_number_between_escapes(gap: str) -> None:
    """A representation writes line ends and thin spaces as signs of its own."""
    said = json.dumps(
        redact_value(
            {"error": ValueError(f"no {gap.join(['4111', '1111', '1111', '1111'])}"), "list": [gap.join(["4111"] + ["1111"] * 3)]}
        )
    )
    assert "1111" not in said and said.count(REDACTED) == 2


@given(JSON)
def test_everything_else_passes_as_it_is(value: object) -> None:
    """Values without long numbers are not touched."""
    assert redact_value(value) == value


@given(st.floats(allow_nan=False) | st.integers())
def test_any_number_can_be_looked_at(value: float) -> None:
    """Infinities and integers of any length are no error."""
    assert redact_value(value) in (value, REDACTED)
    assert redact_value(10**5000) == 10**5000


def test_what_is_too_deep_to_be_looked_at_is_not_shown() -> None:
    """A value within itself ends."""
    endless: dict[str, object] = {}
    endless["self"] = endless
    assert REDACTED in json.dumps(redact_value(endless))
