"""What was found, one value per check and subject. Silence is never good: what could not be asked is unknown, a third answer.

Rules for changing this file: a finding says what was seen, what is needed and, unless it is good, what to do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from controller.core.checkup.catalogue import Check

T = TypeVar("T")


class Verdict(StrEnum):
    """What is to be thought of one thing that was looked at."""

    GOOD = "good"
    WARNING = "warning"
    """Nothing is lost by it, and somebody should look."""
    BAD = "bad"
    """A promise does not hold with it."""
    UNKNOWN = "unknown"
    """It could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A judgement, not yet of anybody."""

    verdict: Verdict
    value: str
    limit: str
    way_out: str = ""
    """Empty only when it is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one subject."""

    check: Check
    subject: str
    """`payments at aws`, `route53`, `this machine`."""
    verdict: Verdict
    value: str
    limit: str
    way_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """Why there is no answer."""

    because: str
    refused: bool = False
    """It answered, and would not: credentials or permissions, no matter of the network."""


Judge = Callable[[T], Said]


def good(value: str, limit: str) -> Said:
    """As it should be."""
    return Said(verdict=Verdict.GOOD, value=value, limit=limit)


def warning(value: str, limit: str, way_out: str) -> Said:
    """Somebody should look."""
    return Said(verdict=Verdict.WARNING, value=value, limit=limit, way_out=way_out)


def bad(value: str, limit: str, way_out: str) -> Said:
    """A promise does not hold."""
    return Said(verdict=Verdict.BAD, value=value, limit=limit, way_out=way_out)


def unknown(because: str, limit: str, way_out: str) -> Said:
    """It could not be asked."""
    return Said(verdict=Verdict.UNKNOWN, value=because, limit=limit, way_out=way_out)


def of(subject: str, check: Check, said: Said) -> Finding:
    """A judgement, as a finding about somebody."""
    return Finding(check=check, subject=subject, verdict=said.verdict, value=said.value, limit=said.limit, way_out=said.way_out)


def judged(subject: str, asked: T | Unasked, judges: Mapping[Check, Judge[T]]) -> Iterator[Finding]:
    """One finding per check, whatever was answered: without an answer all of them are unknown."""
    for check, judge in judges.items():
        if isinstance(asked, Unasked):
            way_out = "See what is found about its login and the control role." if asked.refused else "Ask again when it answers."
            yield of(subject, check, unknown(asked.because, f"an answer about {check}", way_out))
        else:
            yield of(subject, check, judge(asked))


def worst(findings: Iterable[Finding]) -> Verdict:
    """Bad before unknown before warning: what is known to be wrong is not hidden by what nobody knows. Nothing at all is unknown."""
    found = {one.verdict for one in findings}
    order = (Verdict.BAD, Verdict.UNKNOWN, Verdict.WARNING, Verdict.GOOD)
    return next((verdict for verdict in order if verdict in found), Verdict.UNKNOWN)
