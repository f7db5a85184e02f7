"""Labels: what every table says about its rows, as a COMMENT in a fixed form.

    retention=400d by=created_at residency=eu contains=personal: who looked at what, and why

`retention` is `forever`; or `service` when the service itself removes what it no longer needs; or a number of days with the column that
tells a row's age. `residency` is `any`, or the places the rows may lie in. `contains` is the most delicate thing in them. What follows
the colon is for people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

FORM = re.compile(
    r"retention=(?:(?P<word>forever|service)|(?P<days>[1-9]\d{0,4})d by=(?P<by>[a-z_][a-z0-9_]*))"
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
    """None: for ever, or as long as the service itself keeps them."""
    by: str
    """Column whose value is the beginning of the retention; empty without one."""
    residency: frozenset[str]
    contains: Contains
    said: str = ""


def parse_label(comment: str | None) -> Label | None:
    """The label that a comment is; None: it is none."""
    found = FORM.fullmatch(comment or "")
    if found is None:
        return None
    return Label(
        retention=None if found["word"] else timedelta(days=int(found["days"])),
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


REGIONS: Mapping[str, str] = {
    "eu": "eu",
    "europe": "eu",
    "us": "us",
    "ca": "ca",
    "northamerica": "ca",
    "ap": "apac",
    "asia": "apac",
    "australia": "apac",
    "sa": "latam",
    "southamerica": "latam",
}
"""First word of a region's name at AWS and Google, and the place that labels call it. Azure's names are no words of this kind, and
`eu-west-2` is in the United Kingdom: see EXCEPT."""

EXCEPT: Mapping[str, str] = {"eu-west-2": "uk", "europe-west2": "uk", "eu-central-2": "ch", "europe-west6": "ch"}
"""Regions that are not where their name says."""


def place_of(region: str | None) -> str:
    """Where a region is, as far as its name tells; empty: not known."""
    if not region:
        return ""
    return EXCEPT.get(region) or REGIONS.get(region.split("-")[0], "")
