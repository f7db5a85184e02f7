"""The three authorities that serve the zone, and the clouds whose APIs hold it: places of their own, apart from every site.

Pure facts; see lab/authorities.py for what is started.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One authority."""

    place: str
    """Where its faults happen, and its name in settings and records."""
    title: str
    """As people know it."""
    setting: str
    """Its name in the controllers' settings, where places and sites cannot be mistaken for each other."""
    cloud: str
    """Program that emulates its API: a module of lab.clouds."""
    secure: bool = False
    """Is the API spoken to over https only?"""


ROUTE53 = "route53"
AZUREDNS = "azuredns"
CLOUDDNS = "clouddns"

VENDORS: Mapping[str, Vendor] = {
    vendor.place: vendor
    for vendor in (
        Vendor(place=ROUTE53, title="Route 53", setting="route53", cloud="aws"),
        Vendor(place=AZUREDNS, title="Azure DNS and Traffic Manager", setting="azure", cloud="azure", secure=True),
        Vendor(place=CLOUDDNS, title="Cloud DNS", setting="clouddns", cloud="google"),
    )
}
AUTHORITIES = tuple(VENDORS)
