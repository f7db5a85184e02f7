"""Numbers: read in one form or refused by rule, and shown by nothing."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.vault.numbers import Kind, NotANumber, Number, luhn, read_number, remainder

IBANS = ("GB82 WEST 1234 5698 7654 32", "DE89 3704 0044 0532 0130 00", "NO93 8601 1117 947", "MT84MALT011000012345MTLCAST001S")
"""Examples of the standard's registry; nobody's accounts."""

BODIES = st.text(alphabet="0123456789", min_size=11, max_size=18)


def card(body: str) -> str:
    """The body with its check digit."""
    return next(body + digit for digit in "0123456789" if luhn(body + digit) == 0)


@given(body=BODIES)
def test_every_number_with_its_check_digit_is_read(body: str) -> None:
    """12 to 19 digits; the last four are the text's own."""
    number = read_number(Kind.CARD, card(body))
    assert (number.text, number.last_four) == (card(body), card(body)[-4:])


@given(body=BODIES, place=st.integers(0, 18), other=st.integers(1, 9))
def test_one_wrong_digit_is_always_noticed(body: str, place: int, other: int) -> None:
    """What Luhn's digit is for."""
    text = card(body)
    at = place % len(text)
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
        (Kind.CARD, card("4" * 10), "12 to 19 digits"),
        (Kind.CARD, card("4" * 19), "12 to 19 digits"),
        (Kind.CARD, "4111.1111.1111.1111", "only digits"),
        (Kind.CARD, "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661", "ASCII"),
        (Kind.IBAN, "\u017f" + IBANS[1][1:], "ASCII"),
        (Kind.IBAN, "GB82", "15 to 34 characters"),
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
