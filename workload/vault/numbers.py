"""Card and account numbers: read once at the door, in one form from there on, and shown by nothing that shows values.

What is a number and what is not says `workload/issued.py`: the vault takes none that the second wall would not know in a log.

Pure. No representation, no message and no error holds a digit of a number, so that whatever prints or logs a value gives none away.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from workload.issued import ACCOUNT_LENGTHS, LONGEST, SHORTEST, begins_as_issued, is_account, luhn

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
    if not SHORTEST <= len(plain) <= LONGEST:
        raise NotANumber(Kind.CARD, f"{SHORTEST} to {LONGEST} digits")
    if not begins_as_issued(plain):
        raise NotANumber(Kind.CARD, "a beginning that cards have: 3, 4, 5, 6, 8, 9 or 22 to 27")
    if luhn(plain) != 0:
        raise NotANumber(Kind.CARD, "the last digit must check the others (Luhn)")


def _check_iban(plain: str) -> None:
    if not plain.isalnum() or not plain[:2].isalpha() or not plain[2:4].isdigit():
        raise NotANumber(Kind.IBAN, "two letters, two digits, then letters and digits")
    if ACCOUNT_LENGTHS.get(plain[:2]) != len(plain):
        raise NotANumber(Kind.IBAN, "a country of the registry, and as many characters as its account numbers have")
    if not is_account(plain):
        raise NotANumber(Kind.IBAN, "the two digits must check the rest (mod 97)")
