"""Card and account numbers: read once at the door, in one form from there on, and shown by nothing that shows values.

Pure. No representation, no message and no error holds a digit of a number, so that whatever prints or logs a value gives none away.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

CARD_LENGTHS = range(12, 20)
"""Digits of a primary account number with its check digit: at most 19 (ISO/IEC 7812-1); none with fewer than 12 is in use."""

IBAN_LENGTHS = range(15, 35)
"""Characters of an account number: Norway's has 15, the standard allows 34 (ISO 13616-1)."""

SEPARATORS = str.maketrans("", "", " -")
"""What people put between groups."""


class Kind(StrEnum):
    """What a number is of."""

    CARD = "card"
    IBAN = "iban"


class NotANumber(Exception):
    """The text is no number of this kind. `rule` says which rule it breaks, and nothing about the text itself."""

    def __init__(self, kind: Kind, rule: str) -> None:
        super().__init__(f"{kind.value}: {rule}")
        self.kind = kind
        self.rule = rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number in its one form: no separators, upper case. Made by `read_number` only."""

    kind: Kind
    text: str = field(repr=False)

    @property
    def last_four(self) -> str:
        """What people tell their numbers apart by; PCI DSS 3.4.1 allows it to be shown."""
        return self.text[-4:]


def read_number(kind: Kind, text: str) -> Number:
    """The number that a client wrote, in its one form. Raises NotANumber."""
    # Before anything else: digits of other scripts are digits to `isdigit`, and a long s becomes an S in upper case.
    if not text.isascii():
        raise NotANumber(kind, "only ASCII letters, digits, spaces and hyphens")
    plain = text.translate(SEPARATORS).upper()
    match kind:
        case Kind.CARD:
            _check_card(plain)
        case Kind.IBAN:
            _check_iban(plain)
        case _:
            assert_never(kind)
    return Number(kind=kind, text=plain)


def _check_card(plain: str) -> None:
    if not plain.isdigit():
        raise NotANumber(Kind.CARD, "only digits, spaces and hyphens")
    if len(plain) not in CARD_LENGTHS:
        raise NotANumber(Kind.CARD, f"{CARD_LENGTHS.start} to {CARD_LENGTHS.stop - 1} digits")
    if luhn(plain) != 0:
        raise NotANumber(Kind.CARD, "the last digit must check the others (Luhn)")


def luhn(digits: str) -> int:
    """Luhn's sum modulo 10 over a number with its check digit, 0 when it checks (ISO/IEC 7812-1 annex B)."""
    doubled = [2 * int(digit) if place % 2 else int(digit) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10


def _check_iban(plain: str) -> None:
    if len(plain) not in IBAN_LENGTHS:
        raise NotANumber(Kind.IBAN, f"{IBAN_LENGTHS.start} to {IBAN_LENGTHS.stop - 1} characters")
    if not plain.isalnum() or not plain[:2].isalpha() or not plain[2:4].isdigit():
        raise NotANumber(Kind.IBAN, "two letters, two digits, then letters and digits")
    # 00, 01 and 99 leave the same remainders as 97, 98 and 02, and are never issued: a second spelling of the same account.
    if not "02" <= plain[2:4] <= "98" or remainder(plain) != 1:
        raise NotANumber(Kind.IBAN, "the two digits must check the rest (mod 97)")


def remainder(iban: str) -> int:
    """The remainder modulo 97 after the first four characters went to the end and letters became numbers, 1 when it checks
    (ISO 7064 MOD 97-10, as ISO 13616-1 uses it)."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97
