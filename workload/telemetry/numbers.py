"""Recognises numbers that nobody may see, card numbers and IBANs, in text that was never meant to hold one. Pure.

Rules for changing this file: it is the second wall. The first is that numbers are not passed to anything that is seen. So it has to find
what a person or a client pastes, not what somebody hides on purpose: a number in base64 passes, and so does one in the shape of a UUID.
What it takes for a number by mistake is lost to whoever reads the log; `docs/telemetry.md` says what cannot be mistaken and why.
"""

import re
from collections.abc import Iterator, Mapping

SHORTEST, LONGEST = 13, 19
"""Digits of a card number (ISO/IEC 7812-1)."""

_ISSUED = re.compile(r"[345689]|2[2-7]")
"""How a card number begins. 0 is not issued, 1 and 7 are airlines' and fuel companies' own; without them, and without the part of 2 that
no scheme uses, no date, no time since 1970 in milli-, micro- or nanoseconds and no system identifier of PostgreSQL is a card number."""

_GAP = r"[ \t\u00a0_.\u2010-\u2015-]{0,2}"
_CHAIN = re.compile(rf"\d(?:{_GAP}\d){{{SHORTEST - 1},}}")
_RUN = re.compile(r"\d+")
_LONG_RUN = re.compile(rf"\d{{{SHORTEST},}}")

_IDENTIFIER = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}"  # a UUID, RFC 9562
    r"|00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"  # a traceparent
    r"|[0-9a-f]{32,}"  # a digest, a trace's id
    r")(?![0-9A-Za-z])"
)

_FRACTION = re.compile(r"(?<![0-9.])([0-9]+)(\.[0-9]+)(?!\.?[0-9])")
"""One dot is a decimal point, and what follows it is no card number: of the times that are written with seventeen digits many would be
taken for one. Two dots and more separate groups."""

_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])(?=([A-Za-z]{2}[0-9]{2}(?:[ \u00a0-]?[0-9A-Za-z]){11,30}))")

ACCOUNT_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FI FK FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"), (21, "CH CR HR LI LV"),
        (22, "BG BH DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"), (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"),
        (26, "IS TR"), (27, "BI DJ FR GR IT MC MR SM"), (28, "AL AZ BY CY DO GT HU LB NI PL SV"), (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"), (33, "RU"),
    )
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country: the registry of ISO 13616. Without it any 15 to 34 characters would be tried, and one in 97 fits."""

Place = tuple[int, int]
"""Where in a text: from, to."""


def find_numbers(text: str) -> list[Place]:
    """Where card numbers and IBANs stand in `text`, in order; two that overlap are one place."""
    if len(text) < SHORTEST:
        return []
    if not text.isascii():
        text = "".join(
            str(int(character)) if character.isdecimal() else character for character in text
        )  # digits of other scripts
    text = _FRACTION.sub(lambda known: known[1] + "x" * len(known[2]), _IDENTIFIER.sub(lambda known: "x" * len(known[0]), text))
    kept: list[Place] = []
    for start, end in sorted((*_cards(text), *_accounts(text))):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


def holds_number(text: str) -> bool:
    """Does a card number or an IBAN stand in `text`?

    What a client may choose and we keep, such as an idempotency key, is refused when this is true, before it is stored.
    """
    return bool(find_numbers(text))


def hides_card_number(digits: str) -> bool:
    """Is there a card number anywhere within an unbroken run of digits, also in the middle of hexadecimal ones?

    Stricter than `holds_number`, for what a client may choose freely and what is shown as it is: the id of a trace. One random id in two
    hundred is refused with them (counted), so ids of ours are drawn again, and others' are replaced.
    """
    for run in _LONG_RUN.findall(digits):
        for start in range(len(run) - SHORTEST + 1):
            if any(_is_card(run[start : start + size]) for size in range(SHORTEST, min(LONGEST, len(run) - start) + 1)):
                return True
    return False


def luhn_holds(digits: str) -> bool:
    """Does the check digit fit (ISO/IEC 7812-1 annex B)? `digits` holds nothing else."""
    values = [int(digit) for digit in reversed(digits)]
    return sum(values[0::2] + [sum(divmod(2 * value, 10)) for value in values[1::2]]) % 10 == 0


def _is_card(digits: str) -> bool:
    return _ISSUED.match(digits) is not None and luhn_holds(digits)


def _cards(text: str) -> Iterator[Place]:
    """Everything that is a card number between the ends of some runs of digits: in "2024-4111111111111111" it is the second run alone."""
    for chain in _CHAIN.finditer(text):
        runs = [run.span() for run in _RUN.finditer(text, *chain.span())]
        for first in range(len(runs)):
            digits = ""
            for last in range(first, len(runs)):
                digits += text[runs[last][0] : runs[last][1]]
                if len(digits) > LONGEST:
                    break
                if len(digits) >= SHORTEST and _is_card(digits):
                    yield runs[first][0], runs[last][1]


def _accounts(text: str) -> Iterator[Place]:
    for match in _ACCOUNT.finditer(text):
        place = match.span(1)
        length = ACCOUNT_LENGTHS.get(match[1][:2].upper())
        end = None if length is None else _end_of(text, place, length)
        if end is not None and _is_account(text[place[0] : end]):
            yield place[0], end


def _end_of(text: str, place: Place, length: int) -> int | None:
    """Where the first `length` letters and digits end; None when there are fewer, or when a further one follows at once."""
    for position in range(*place):
        length -= text[position].isalnum()
        if length == 0:
            follows = text[position + 1 : position + 2]
            return None if follows.isalnum() else position + 1
    return None


def _is_account(text: str) -> bool:
    """Is the remainder of 97 one (ISO 7064, MOD 97-10)?"""
    plain = "".join(character for character in text if character.isalnum())
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1
