"""What a card number is, and what an IBAN: the one place that decides it. Pure.

The vault takes these numbers and no others, and the second wall (`workload/telemetry/numbers.py`) looks for these. What one of them knew
and the other did not would be kept as a cardholder's and then pass every log.
"""

import re
from collections.abc import Mapping

SHORTEST, LONGEST = 13, 19
"""Digits of a card number (ISO/IEC 7812-1). Older standards knew twelve; no scheme issues them."""

_ISSUED = re.compile(r"[345689]|2[2-7]")
"""How a card number begins. 0 is not issued, 1 and 7 are airlines' and fuel companies' own; without them, and without the part of 2 that
no scheme uses, no date, no time since 1970 in milli-, micro- or nanoseconds and no system identifier of PostgreSQL is a card number."""

_OF_SCHEME = re.compile(
    r"4\d{15}(?:\d{3})?"  # Visa
    r"|(?=5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)\d{16}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?=3(?:0[0-5]|095|[689]))\d{14}(?:\d\d)?"  # Diners Club
    r"|35\d{14}"  # JCB
    r"|(?=5[06-8]|6|220)\d{16}(?:\d{2,3})?"  # Maestro, Discover, UnionPay, RuPay, Mir
    r"|(?=8[126]|9[78])\d{16}"  # UnionPay, RuPay, schemes of one country
)
"""The beginnings and lengths that the great schemes give out."""

GLUED_SIZES = (14, 15, 16, 18, 19)
"""The lengths among them."""

ACCOUNT_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FI FK FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"), (21, "CH CR HR LI LV"),
        (22, "BG BH DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"), (24, "AD CZ ES MD PK RO SA SE SK TN VG"), (25, "LY PT ST"),
        (26, "IS TR"), (27, "BI DJ FR GR IT MC MR SM"), (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"), (29, "BR EG PS QA UA"),
        (30, "JO KW MU YE"), (31, "MT SC"), (32, "LC"), (33, "RU"),
    )
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by country: the registry of ISO 13616. Without it any 15 to 34 characters would be tried, and one in 97 fits."""


def luhn(digits: str) -> int:
    """Luhn's sum modulo 10 over a number with its check digit, 0 when it checks (ISO/IEC 7812-1 annex B)."""
    values = [int(digit) for digit in reversed(digits)]
    return sum(values[0::2] + [sum(divmod(2 * value, 10)) for value in values[1::2]]) % 10


def begins_as_issued(digits: str) -> bool:
    """Does a card number begin so?"""
    return _ISSUED.match(digits) is not None


def is_card(digits: str) -> bool:
    """Could these digits, and nothing else, be a card number that somebody holds?"""
    return SHORTEST <= len(digits) <= LONGEST and begins_as_issued(digits) and luhn(digits) == 0


def is_of_scheme(digits: str) -> bool:
    """Is it a card number of the beginning and length that a great scheme gives out?

    For what stands among other digits: of the many windows that these have, far fewer are one by chance.
    """
    return _OF_SCHEME.fullmatch(digits) is not None and luhn(digits) == 0


def remainder(iban: str) -> int:
    """The remainder modulo 97 after the first four characters went to the end and letters became numbers, 1 when it checks
    (ISO 7064 MOD 97-10, as ISO 13616-1 uses it)."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97


def is_account(text: str) -> bool:
    """Is it an IBAN, in one piece: a country of the registry, its length, its check digits?

    00, 01 and 99 leave the same remainders as 97, 98 and 02, and are never issued: they would be a second spelling of the same account.
    """
    country, pair = text[:2].upper(), text[2:4]
    if ACCOUNT_LENGTHS.get(country) != len(text) or not text.isascii() or not text.isalnum():
        return False
    return pair.isdigit() and "02" <= pair <= "98" and remainder(text) == 1
