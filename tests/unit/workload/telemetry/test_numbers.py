"""What is found, and what is never mistaken for it."""

import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from workload.durable.evidence import format_lsn
from workload.identifiers import uuid7_from
from workload.issued import ACCOUNT_LENGTHS, luhn
from workload.telemetry.numbers import find_numbers, hides_number, holds_number
from workload.telemetry.redaction import redact

CARDS = (
    "4111111111111111", "4012888888881881", "4222222222222", "4000056655665556", "5555555555554444", "5105105105105100",
    "2223003122003222", "378282246310005", "371449635398431", "6011111111111117", "30569309025904", "3566002020360505",
    "6200000000000005", "6759649826438453", "4000000000000000006", "6304000000000000000",
)  # fmt: skip
"""Numbers that schemes and processors publish for tests: no account is behind any of them."""

ACCOUNTS = (
    "GB82WEST12345698765432", "DE89370400440532013000", "NO9386011117947", "FR1420041010050500013M02606", "MT84MALT011000012345MTLCAST001S",
)  # fmt: skip
"""Examples of the registry."""

QUIET = st.text(alphabet="ghijklmnopqrstuvwxyz =:,;/{}[]()\"'\n", max_size=20)
"""Text around a number: nothing in it is a digit of any base, and it ends in no separator."""


def check_digit(digits: str) -> str:
    """The digit that makes Luhn's sum come out."""
    return next(str(last) for last in range(10) if luhn(f"{digits}{last}") == 0)


@st.composite
def cards(draw: st.DrawFn) -> str:
    """Any number that a scheme could have issued."""
    start = draw(st.sampled_from(["3", "4", "5", "6", "8", "9", "22", "27"]))
    size = draw(st.integers(12, 18)) - len(start)
    digits = start + "".join(draw(st.lists(st.sampled_from("0123456789"), min_size=size, max_size=size)))
    return digits + check_digit(digits)


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A number, and the same with separators anywhere in it."""
    digits = draw(cards())
    gaps = draw(st.lists(st.sampled_from(["", "", "", " ", "-", "  ", " -", "\u00a0", "_", "\u2013"]), min_size=18, max_size=18))
    return digits, digits[0] + "".join(gap + digit for gap, digit in zip(gaps, digits[1:], strict=False))


def without(text: str) -> str:
    """The text with what was found in it taken out."""
    for start, end in reversed(find_numbers(text)):
        text = text[:start] + text[end:]
    return text


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("form", ["{}", "pan={},", "card{}!", "({})", "{}=12261010000000", "order-2024-{}", "+{}\n"])
def test_published_test_numbers_are_found(card: str, form: str) -> None:
    """Whatever stands around one, no digit of it is left."""
    assert card not in re.sub(r"\D", "", without(form.format(card)))
    spaced = " ".join(card[place : place + 4] for place in range(0, len(card), 4))
    assert "".join(filter(str.isdigit, without(form.format(spaced)))) == "".join(filter(str.isdigit, form.format("")))


@given(QUIET, spelled(), QUIET)
def test_every_card_number_is_found_however_it_is_written(before: str, number: tuple[str, str], after: str) -> None:
    """Any issued number, with any separators, in any text without other digits: not one digit of it stays."""
    assert not any(character.isdigit() for character in without(before + number[1] + after))


@given(cards())
def test_dots_separate_when_there_are_several(digits: str) -> None:
    """Three groups and more; one dot alone is a decimal point."""
    assert without(f"{digits[:4]}.{digits[4:8]}.{digits[8:]}") == ""


@given(cards())
def test_digits_of_other_scripts_are_digits(digits: str) -> None:
    """A number that is copied from a full-width form is the same number."""
    assert find_numbers("".join(chr(0xFF10 + int(digit)) for digit in digits)) == [(0, len(digits))]


@given(st.integers(1, 9999), cards())
def test_digits_beside_a_number_do_not_hide_it(other: int, digits: str) -> None:
    """A counter before it and a code after it: whatever else is taken with it, the number goes."""
    assert digits not in re.sub(r"\D", "", without(f"{other} {digits} {other}"))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_accounts_are_found_in_both_spellings(account: str) -> None:
    """As machines write them and as people do, and the words after one are not taken for a part of it."""
    people = " ".join(account[place : place + 4] for place in range(0, len(account), 4))
    for text in (account, account.lower(), people):
        assert without(f"debit {text} was refused") == "debit  was refused"


CARD = "4111111111111111"
GLUED = (f"cust-{CARD}001", f"1{CARD}", f"{CARD}0", f"id{CARD}12345678", f"20241118{CARD}")
"""A number with a counter, a version or a date in one piece with it: what clients make keys of."""

GROUPED = (
    "order/{0}/{1}/{2}/{3}", "{0}+{1}+{2}+{3}", "pan={0}%20{1}%20{2}%20{3}", "{0} - {1} - {2} - {3}", "{0},{1},{2},{3}", "{0}:{1}:{2}:{3}",
    "{0}\n{1}\n{2}\n{3}", "{0}\r\n{1}\r\n{2}\r\n{3}", "{0}\u2009{1}\u2009{2}\u2009{3}", "{0}\u200a\u200a{1}\u200a\u200a{2}\u200a\u200a{3}",
    "{0}\u200b{1}\u200b{2}\u200b{3}", "{0}%2D{1}%2D{2}%2D{3}", "{0}%E2%80%89{1}%E2%80%89{2}%E2%80%89{3}", "{0}\\n{1}\\n{2}\\n{3}",
    '["{0}", "{1}", "{2}", "{3}"]', "{0} / {1} / {2} / {3}", "{0}|{1}|{2}|{3}", "0{0}-{1}-{2}-{3}001", "1/{0}/{1}/{2}/{3}99",
)  # fmt: skip
FOUR = ("4111", "1111", "1111", "1111")


@pytest.mark.parametrize("text", GLUED)
def test_what_is_glued_to_a_number_does_not_hide_it(text: str) -> None:
    """No digit of the number stays, because nobody can tell which they are."""
    assert not re.search(r"[0-9]{4}", without(text)) and holds_number(text)
    assert find_numbers(text.replace(CARD, "4111111111111119")) == [], "the check digit bears load"


@pytest.mark.parametrize("text", GROUPED)
def test_whatever_stands_between_the_groups_of_a_card_they_are_one(text: str) -> None:
    """With the same between all of them, as people and programs put it."""
    filled = text.format(*FOUR)
    assert "1111" not in without(filled) and holds_number(filled)
    assert find_numbers(text.format(*FOUR[:3], "1112")) == [], "the check digit bears load"


@pytest.mark.parametrize("text", ["3782/822463/10005", "3056:930902:5904", "3782, 822463, 10005"])
def test_groups_of_other_cards_are_one_too(text: str) -> None:
    """Four, six and five; four, six and four."""
    assert not re.search(r"[0-9]", without(text))


def test_a_date_before_a_number_makes_no_fraction_of_it() -> None:
    """A float has seventeen digits at most; with more it is two numbers and a dot."""
    assert without(f"20241118.{CARD}") == "20241118."
    assert find_numbers(f"1.{CARD}") == [], "this may be a float"


@pytest.mark.parametrize("text", [CARD.zfill(32), "00000000-0000-0000-4111-111111111111", CARD.zfill(24)])
def test_zeros_before_a_number_make_no_id_of_it(text: str) -> None:
    """What somebody writes who needs some UUID for a card: no variant and version of RFC 9562, and no letter of a digest."""
    assert "4111" not in without(text) and holds_number(text)


@given(
    cards(), st.lists(st.sampled_from(["", " ", "/", " - ", "\n", "+", ";;", "~", "é", "%20", ") ("]), min_size=18, max_size=18)
)
def test_nothing_between_digits_hides_a_number_that_is_to_be_kept(digits: str, gaps: list[str]) -> None:
    """In keys and reasons everything that is no letter and no digit is a gap, of any width, and another one each time."""
    assert holds_number("key:" + digits[0] + "".join(gap + digit for gap, digit in zip(gaps, digits[1:], strict=False)))


@pytest.mark.parametrize("text", ["1-4111/1111.1111~1111001", "1/4111/1111 1111-1111-001", "(14111) 1111+1111 1111/99"])
def test_neither_gaps_nor_what_is_glued_to_it_hide_a_number_that_is_to_be_kept(text: str) -> None:
    """Both together."""
    assert holds_number(text) and not holds_number(text.replace("1111", "2222"))


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("form", ["{}001", "cust{}", "{}-1", "x{}x"])
def test_what_is_glued_to_an_account_does_not_hide_it_where_it_is_to_be_kept(account: str, form: str) -> None:
    """A counter after it, a word before it, and strokes within it."""
    assert holds_number(form.format(account)) and holds_number(form.format(account.lower()))
    assert holds_number("/".join(form.format(account)))


@given(st.sampled_from(sorted(ACCOUNT_LENGTHS)), st.data())
def test_an_account_with_a_wrong_digit_is_none(country: str, data: st.DataObject) -> None:
    """The check digits bear load: of a hundred pairs at most two fit the same account."""
    size = ACCOUNT_LENGTHS[country] - 4
    rest = data.draw(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=size, max_size=size))
    fitting = [pair for pair in range(100) if holds_number(f"{country}{pair:02d}{rest}")]
    assert 1 <= len(fitting) <= 2


@given(st.one_of(st.uuids(version=1), st.uuids(version=3), st.uuids(version=4), st.uuids(version=5)))
@example(uuid7_from(0x019AABCDEF01, b"\x41\x11" * 5))
def test_a_uuid_is_never_taken_for_one(id: object) -> None:
    """In lower and upper case, alone and in a path: a version and the variant of RFC 9562."""
    for text in (str(id), str(id).upper(), f"/v1/payments/{id}", f"no account {id}, no payment {id}"):
        assert find_numbers(text) == []


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_of_ours_is_never_taken_for_one(milliseconds: int, chance: bytes) -> None:
    """UUIDv7 of any time."""
    assert find_numbers(f"payment {uuid7_from(milliseconds, chance)} is there") == []


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_position_in_the_log_is_never_taken_for_one(one: int, other: int) -> None:
    """LSNs have at most eight digits before and after the stroke."""
    assert find_numbers(f"confirmed {format_lsn(one)}, wanted {format_lsn(other)}") == []


@given(st.datetimes(datetime(2001, 9, 10), datetime(2038, 12, 31)))  # noqa: DTZ001  hypothesis wants them without
def test_a_time_is_never_taken_for_one(moment: datetime) -> None:
    """As text, and as seconds, milliseconds, microseconds and nanoseconds since 1970: of September 2001 to 2038."""
    aware = moment.replace(tzinfo=UTC)
    micro = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 10**6)
    for text in (aware.isoformat(), aware.isoformat(" "), micro // 10**6, micro // 1000, micro, micro * 1000, micro / 10**6):
        assert find_numbers(str(text)) == []


@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False))
def test_a_measured_time_is_never_taken_for_one(value: float) -> None:
    """Seventeen digits of a float are one number with a decimal point."""
    assert find_numbers(f"took {value!r} s") == []


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_an_amount_below_ten_thousand_million_is_never_taken_for_one(amount: int) -> None:
    """Fewer than thirteen digits of minor units."""
    assert find_numbers(f'{{"amount": {amount}, "currency": "EUR"}}') == []


@given(st.integers(1630000000, 1862000000), st.integers(0, 2**32 - 1))
def test_a_system_identifier_is_never_taken_for_one(founded: int, chance: int) -> None:
    """PostgreSQL's, of clusters founded from September 2021 to the end of 2028: it begins with 7."""
    assert find_numbers(f"system identifier {founded << 32 | chance}") == []


@given(st.integers(1, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 255))
@example(1, 0x41111111, 0x2)
def test_a_segment_of_the_log_is_never_taken_for_one(timeline: int, high: int, low: int) -> None:
    """The names of PostgreSQL's write-ahead log: timeline and position, of hexadecimal digits that may all be decimal ones."""
    assert find_numbers(name := f"{timeline:08X}{high:08X}{low:08X}") == [] and not holds_number(name)


@given(st.integers(0, 10**11), st.integers(0, 2**31))
def test_epochs_and_small_counts_are_never_taken_for_one(amount: int, epoch: int) -> None:
    """A line about a payment: nothing that our services say of themselves is long enough."""
    line = f"site=aws epoch={epoch} amount={amount} waited_ms=12.5 port=54321 attempt=2 of=3 at=0/1949A88"
    assert find_numbers(line) == []


KEYS = (
    "order-{serial}", "INV-{year}-{serial:06d}-01", "{day}-{serial:06d}", "{day}{serial:08d}", "{iso}", "{iso}-{serial}",
    "{second}-{serial:06d}", "{milli}", "{micro}", "{milli}-{serial:04d}", "{day}T{serial:06d}Z-{serial}", "order-{serial}-{date}",
)  # fmt: skip
"""Keys that clients make of a counter, a moment or both."""


@pytest.mark.parametrize("form", KEYS)
@given(st.datetimes(datetime(2014, 6, 1), datetime(2038, 12, 31)), st.integers(0, 999_999))  # noqa: DTZ001
def test_a_key_of_a_counter_and_a_moment_may_be_kept(form: str, moment: datetime, serial: int) -> None:
    """None of any moment and any counter below a million: a client that is refused one order in ten learns of it too late."""
    micro = int((moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 10**6)
    values = {
        "day": f"{moment:%Y%m%d}",
        "date": f"{moment:%Y-%m-%d}",
        "iso": moment.isoformat(),
        "second": micro // 10**6,
        "year": moment.year,
    }
    key = form.format(serial=serial, milli=micro // 1000, micro=micro, **values)
    assert not holds_number(key), key


@given(st.uuids(version=4), st.integers(0, 99_999))
def test_a_uuid_may_be_kept(id: object, attempt: int) -> None:
    """Alone, and with what clients add to it."""
    assert not any(holds_number(text) for text in (str(id), f"payment-{id}", f"{id}/{attempt}", f"{id}-{attempt}"))


def test_of_ids_without_strokes_next_to_none_is_taken_for_one() -> None:
    """UUIDs as 32 hexadecimal digits, and random words in base64url: counted, not proven."""
    digests = [hashlib.sha256(str(number).encode()).digest()[:16] for number in range(5_000)]
    assert not any(holds_number(digest.hex()) for digest in digests)
    assert sum(holds_number(urlsafe_b64encode(digest).decode()) for digest in digests) <= 5


@given(st.binary(max_size=40))
def test_a_digest_is_never_taken_for_one(content: bytes) -> None:
    """SHA-256, the first half of it, and a traceparent."""
    digest = hashlib.sha256(content).hexdigest()
    assert find_numbers(f"{digest} {digest[:32]} 00-{digest[:32]}-{digest[32:48]}-01") == []


def test_of_bare_ids_of_spans_next_to_none_is_taken_for_one() -> None:
    """Sixteen hexadecimal digits without anything around them cannot be told apart by shape: counted, not proven. Ids of ours are added
    to a line after it was redacted."""
    ids = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(20_000)]
    assert sum(map(holds_number, ids)) <= 20


def test_a_run_of_digits_that_nobody_could_read_goes_as_a_whole() -> None:
    """Whatever is in it: a search within it would take time for each of its digits."""
    assert find_numbers(f"x{'0' * 65} 1") == [(1, 66)] and find_numbers("0" * 64) == []


@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    """Places are in order, inside the text, and apart."""
    places = find_numbers(text)
    ends = [0, *(place for pair in places for place in pair)]
    assert ends == sorted(ends) and ends[-1] <= len(text)


@given(cards(), st.text(alphabet="abcdef", max_size=6), st.text(alphabet="abcdef", max_size=6))
def test_ids_that_hide_a_card_number_are_told(digits: str, before: str, after: str) -> None:
    """Anywhere in a run, with other digits around it too."""
    assert hides_number(f"{before}{digits}{after}")
    assert hides_number(f"00{digits}00")


@given(st.text(alphabet="0123456789abcdef", min_size=16, max_size=32))
@example("be967f3709e3a87f")
@example("be585c59d0bdcc2b")
def test_an_id_that_is_shown_is_shown_as_it_is(drawn: str) -> None:
    """One in a hundred and fifty thousand ids of spans is a Belgian account; a log that redacts it names a request that nobody finds."""
    assert hides_number(drawn) or redact(drawn) == drawn


def test_an_id_that_redaction_would_take_is_drawn_again() -> None:
    """Both are IBANs that check."""
    assert hides_number("be967f3709e3a87f") and hides_number("be585c59d0bdcc2b")


@given(st.text(alphabet="0123456789", min_size=13, max_size=13))
def test_a_number_that_does_not_check_is_none(digits: str) -> None:
    """The check digit bears load."""
    assume(luhn(digits) != 0)
    assert not holds_number(digits)
