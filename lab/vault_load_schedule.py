"""What cardholders want of the vault and when: fixed before anything is answered. Pure."""

import heapq
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from string import ascii_lowercase

from workload.issued import luhn

RANGE = "41111111"
"""How every number begins, as the best known of all test numbers does: a search of the lab for it finds whatever leaked."""
FILLER = 7
"""Digits between that and the check digit."""


class Errand(StrEnum):
    """What is wanted."""

    TOKENIZE = "tokenize"
    REVEAL = "reveal"
    ERASE = "erase"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Due:
    """One errand at its moment."""

    at: float
    """Seconds from the start of the run."""
    errand: Errand
    number: int
    """Of this kind of errand, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Errands of each kind a second."""

    tokenize: float
    reveal: float
    erase: float

    def of(self, errand: Errand) -> float:
        """Those of one kind."""
        return {Errand.TOKENIZE: self.tokenize, Errand.REVEAL: self.reveal, Errand.ERASE: self.erase}[errand]


def errands(rates: Rates) -> Iterator[Due]:
    """Errands without end in order of time, each kind evenly. The first of a kind comes after one interval: what is revealed or erased
    was kept before."""

    def one_kind(errand: Errand) -> Iterator[Due]:
        return (Due(at=(number + 1) / rates.of(errand), errand=errand, number=number) for number in count())

    return heapq.merge(*(one_kind(errand) for errand in Errand if rates.of(errand) > 0))


def card_number(run: str, seed: int, number: int) -> str:
    """A card number that nobody has, sixteen digits, its last the check digit; the same for the same run, seed and number."""
    filler = random.Random(f"{run}/{seed}/{number}/card").randrange(10**FILLER)
    digits = f"{RANGE}{filler:0{FILLER}d}"
    return digits + str(-luhn(f"{digits}0") % 10)


def named(run: str, what: str, number: int) -> str:
    """An id for this run's errand or subject; the same for the same run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://trimaran.test/{run}/{what}/{number}"))


def reason(number: int, attempt: int) -> str:
    """Why a number is wanted: another text for every attempt of every reveal, and no digit in it, as the vault demands."""
    return f"chargeback dispute, case {letters(number)}, call {letters(attempt)}"


def letters(number: int) -> str:
    """A whole number from 0 in letters, as a spreadsheet names its columns."""
    said = ""
    number += 1
    while number:
        number, place = divmod(number - 1, 26)
        said = ascii_lowercase[place] + said
    return said
