"""What a resource of one type must be given, as data: a rule is a table of these by type.

An expectation is met by what is written down, never by what is missing or not known yet. Only `Given` takes the unknown: it is for what
legitimately comes from another resource, and the rule `unknown-has-a-source` of the whole stack looks at where it comes from.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.rules.seen import UNKNOWN, Finding, Resource, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """One of these."""

    path: str
    allowed: tuple[Any, ...]
    absent: bool = False
    """May it be left out? Only where the vendor's default is one of them."""

    @property
    def limit(self) -> str:
        """In words."""
        return "it must be " + " or ".join(repr(one) for one in self.allowed)

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return (value is None and self.absent) or any(type(one) is type(value) and one == value for one in self.allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Text of this shape."""

    path: str
    shape: str
    limit: str
    absent: bool = False

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return (value is None and self.absent) or (isinstance(value, str) and re.fullmatch(self.shape, value) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtLeast:
    """A number, this or more."""

    path: str
    least: float
    absent: bool = False

    @property
    def limit(self) -> str:
        """In words."""
        return f"it must be {self.least:g} or more"

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return (value is None and self.absent) or ((number := as_number(value)) is not None and number >= self.least)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtMost:
    """A number, this or less."""

    path: str
    most: float
    absent: bool = False

    @property
    def limit(self) -> str:
        """In words."""
        return f"it must be {self.most:g} or less"

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return (value is None and self.absent) or ((number := as_number(value)) is not None and number <= self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A reference to something else: anything but nothing. May be unknown in a preview."""

    path: str
    limit: str = "it must be given"
    never: str = r"(?!)"
    """A shape that is not what it should be: the vendor's own key, say."""

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return value is UNKNOWN or (value not in (None, "", [], {}) and not re.search(self.never, str(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Nothing may stand there, unknown or not."""

    path: str
    limit: str

    def met_by(self, value: Any) -> bool:
        """Is it?"""
        return value in (None, "", [], {})


Expectation = Is | Matches | AtLeast | AtMost | Given | Absent
Table = Mapping[str, tuple[Expectation, ...]]


def as_number(value: Any) -> float | None:
    """The wire has numbers as floats, and some vendors as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def unmet(one: Resource, table: Table) -> Iterator[Finding]:
    """What a resource's type is expected to be given, and it is not."""
    for expectation in table.get(one.type, ()):
        found = list(one.every(expectation.path)) or [(expectation.path, None)]
        for place, value in found:
            if not expectation.met_by(value):
                yield one.finding(f"{place} {said(value)}; {expectation.limit}")


def joined(one: Resource, path: str, other: Resource, key: str) -> bool:
    """Does the property of one name the other: was it computed from it, or is it the same text?"""
    value = one.at(path)
    return other.urn in one.sources(path) or (isinstance(value, str) and value != "" and value in (other.at(key), other.at("id")))
