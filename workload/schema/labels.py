"""Labels: what every table says about its rows, as a COMMENT in a fixed form.

    retention=400d by=created_at residency=eu contains=personal: who looked at what, and why

`retention` is `forever`, or a number of days with the column that tells a row's age; `residency` is `any`, or the places the rows
may lie in; `contains` is the most delicate thing in them. What follows the colon is for people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

FORM = re.compile(
    r"retention=(?:(?P<forever>forever)|(?P<days>[1-9]\d{0,4})d by=(?P<by>[a-z_][a-z0-9_]*))"
    r" residency=(?P<residency>[a-z]+(?:,[a-z]+)*)"
    r" contains=(?P<contains>none|personal|cardholder|secret)"
    r"(?:: (?P<said>\S.*))?"
)

ANYWHERE = "any"


class Contains(StrEnum):
    """The most delicate thing in a table's rows."""

    NONE = "none"
    PERSONAL = "personal"
    CARDHOLDER = "cardholder"
    SECRET = "secret"  # noqa: S105  a word, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One table's label."""

    retention: timedelta | None
    """None: for ever."""
    by: str
    """Column whose value is the beginning of the retention; empty when rows stay for ever."""
    residency: frozenset[str]
    contains: Contains
    said: str = ""


def parse_label(comment: str | None) -> Label | None:
    """The label that a comment is; None: it is none."""
    found = FORM.fullmatch(comment or "")
    if found is None:
        return None
    return Label(
        retention=None if found["forever"] else timedelta(days=int(found["days"])),
        by=found["by"] or "",
        residency=frozenset(found["residency"].split(",")),
        contains=Contains(found["contains"]),
        said=found["said"] or "",
    )


def astray(label: Label, places: Mapping[str, str]) -> tuple[str, ...]:
    """Sites whose place the label does not allow. `places` is by site, as far as it is known; a site without one is not told of here
    (`unplaced`), because not knowing is no breach."""
    if ANYWHERE in label.residency:
        return ()
    return tuple(sorted(site for site, place in places.items() if place and place not in label.residency))


def unplaced(label: Label, sites: frozenset[str], places: Mapping[str, str]) -> tuple[str, ...]:
    """Sites of which nobody said where they are, though the label asks."""
    if ANYWHERE in label.residency:
        return ()
    return tuple(sorted(site for site in sites if not places.get(site)))
