"""Numbers: read in one form or refused by rule, and shown by nothing."""

import traceback
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workload.issued import ACCOUNT_LENGTHS, luhn, remainder
from workload.telemetry.numbers import find_numbers
from workload.vault.numbers import Kind, NotANumber, Number, read_number

IBANS = ("GB82 WEST 1234 5698 7654 32", "DE89 3704 0044 0532 0130 00", "NO93 8601 1117 947", "MT84MALT011000012345MTLCAST001S")
"""Examples of the standard's registry; nobody's accounts."""

BODIES = st.builds(
    str.__add__,
    st.sampled_from(["3", "4", "5", "6", "8", "9", "22", "27"]),
    st.text(alphabet="0123456789", min_size=11, max_size=16),
)
"""Cards without their last digit."""


def card(body: str) -> str:
    """The body with its check digit."""
    return next(body + digit for digit in "0123456789" if luhn(body + digit) == 0)


def checked(country: str, rest: str) -> str:
    """An account number with its check digits."""
    return next(text for pair in range(2, 99) if remainder(text := f"{country}{pair:02d}{rest}") == 1)


@given(body=BODIES)
def test_every_number_with_its_check_digit_is_read(body: str) -> None:
    """13 to 19 digits; the last four are the text's own."""
    number = read_number(Kind.CARD, card(body))
    assert (number.text, number.last_four) == (card(body), card(body)[-4:])


@given(text=st.text(alphabet="0123456789", min_size=11, max_size=20))
@example("4111111111111111")
@example("135412345678911")
@example("122000000000003")
@example("000000000000")
def test_no_card_is_taken_that_the_second_wall_would_not_know(text: str) -> None:
    """Whatever check digit it has: what a log would show is refused."""
    for number in (text, card(text)):
        with suppress(NotANumber):
            assert find_numbers(read_number(Kind.CARD, number).text) == [(0, len(number))]


@given(country=st.sampled_from([*sorted(ACCOUNT_LENGTHS), "XX", "US"]), data=st.data())
def test_no_account_is_taken_that_the_second_wall_would_not_know(country: str, data: st.DataObject) -> None:
    """Of every country of the registry, of its length and another, and of none."""
    size = ACCOUNT_LENGTHS.get(country, 22) - 4 + data.draw(st.sampled_from([0, 0, 1, -1]))
    number = checked(country, data.draw(st.text(alphabet="ABCXYZ0123456789", min_size=size, max_size=size)))
    try:
        taken = read_number(Kind.IBAN, number).text
    except NotANumber:
        assert ACCOUNT_LENGTHS.get(country) != len(number)
    else:
        assert find_numbers(taken) == [(0, len(taken))]


@given(body=BODIES, place=st.integers(2, 18), other=st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(body: str, place: int, other: int) -> None:
    """What Luhn's digit is for."""
    text = card(body)
    at = 2 + place % (len(text) - 2)  # the first two say whether it is one at all
    wrong = text[:at] + str((int(text[at]) + other) % 10) + text[at + 1 :]
    with pytest.raises(NotANumber, match="Luhn"):
        read_number(Kind.CARD, wrong)


@pytest.mark.parametrize("text", ["4111 1111 1111 1111", "4111-1111-1111-1111", " 4111111111111111 "])
def test_separators_make_no_other_number(text: str) -> None:
    """One number, one form: two of them would be two tokens, and one digest would not find the other."""
    assert read_number(Kind.CARD, text) == read_number(Kind.CARD, "4111111111111111")


@pytest.mark.parametrize("text", IBANS)
def test_account_numbers_are_read_in_any_case(text: str) -> None:
    """With and without spaces, upper and lower case."""
    plain = text.replace(" ", "")
    assert read_number(Kind.IBAN, text).text == plain == read_number(Kind.IBAN, plain.lower()).text


@given(text=st.sampled_from(IBANS), place=st.integers(4, 33), other=st.integers(1, 9))
def test_one_wrong_digit_of_an_account_number_is_always_noticed(text: str, place: int, other: int) -> None:
    """97 is a prime greater than any difference of two digits."""
    plain = text.replace(" ", "")
    at = next(at for at in (*range(place % len(plain), len(plain)), *range(4, len(plain))) if at >= 4 and plain[at].isdigit())
    wrong = plain[:at] + str((int(plain[at]) + other) % 10) + plain[at + 1 :]
    with pytest.raises(NotANumber, match="mod 97"):
        read_number(Kind.IBAN, wrong)


@pytest.mark.parametrize(
    ("kind", "text", "rule"),
    [
        (Kind.CARD, "", "only digits"),
        (Kind.CARD, card("4" * 11), "13 to 19 digits"),
        (Kind.CARD, card("4" * 19), "13 to 19 digits"),
        (Kind.CARD, "4111.1111.1111.1111", "only digits"),
        (Kind.CARD, "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661", "ASCII"),
        (Kind.IBAN, "\u017f" + IBANS[1][1:], "ASCII"),
        (Kind.CARD, "135412345678911", "a beginning"),
        (Kind.CARD, "122000000000003", "a beginning"),
        (Kind.CARD, "0000000000000000", "a beginning"),
        (Kind.CARD, card("210000000000000"), "a beginning"),
        (Kind.IBAN, "GB82", "a country"),
        (Kind.IBAN, IBANS[0].replace(" ", "") + "0", "a country"),
        (Kind.IBAN, checked("XX", "1" * 18), "a country"),
        (Kind.IBAN, "1282WEST12345698765432", "two letters"),
        (Kind.IBAN, "GB82WEST1234569876543!", "two letters"),
    ],
)
def test_what_is_no_number_is_refused_by_rule(kind: Kind, text: str, rule: str) -> None:
    """Each rule by its words, none with a word of the text."""
    with pytest.raises(NotANumber, match=rule) as caught:
        read_number(kind, text)
    assert not text or text not in str(caught.value)


def test_an_account_number_has_one_spelling() -> None:
    """Check digits 00, 01 and 99 leave the remainder that 97, 98 and 02 leave, and are refused all the same."""
    twin = next(f"GB00WEST{number:014}" for number in range(10_000) if remainder(f"GB97WEST{number:014}") == 1)
    assert remainder(twin) == 1
    with pytest.raises(NotANumber, match="mod 97"):
        read_number(Kind.IBAN, twin)
    assert read_number(Kind.IBAN, twin.replace("GB00", "GB97"))


@given(body=BODIES)
def test_nothing_that_shows_a_number_shows_its_digits(body: str) -> None:
    """Representation, text, format, and whatever an error says, with its whole traceback."""
    text = card(body)
    number = Number(kind=Kind.CARD, text=text)
    shown = [repr(number), str(number), f"{number}", f"{number!r}", f"{[number]}"]
    try:
        read_number(Kind.CARD, text[:-1] + str((int(text[-1]) + 1) % 10))
    except NotANumber as error:
        shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
    assert len(shown) == 8
    assert not [one for one in shown if body in one]
