"""Where the three sites are, and how far apart. Pure: shared by the programs, the policies and their tests.

Two regions of two clouds are often in one town: eu-central-1, germanywestcentral and europe-west3 are all in Frankfurt, and one flood
or one failing grid takes all three. So distance is measured between the towns that the vendors name, and the smallest pair counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""


class Cloud(StrEnum):
    """Whose region it is. A site is named after its cloud."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"


class Jurisdiction(StrEnum):
    """Whose law holds there."""

    EU = "EU"
    US = "US"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A town with data centres, as precise as vendors tell."""

    town: str
    country: str
    latitude: float
    longitude: float
    jurisdiction: Jurisdiction


def _place(town: str, country: str, latitude: float, longitude: float, jurisdiction: Jurisdiction = Jurisdiction.EU) -> Place:
    return Place(town=town, country=country, latitude=latitude, longitude=longitude, jurisdiction=jurisdiction)


_FRANKFURT = _place("Frankfurt", "DE", 50.11, 8.68)
_PARIS = _place("Paris", "FR", 48.86, 2.35)
_MILAN = _place("Milan", "IT", 45.46, 9.19)

PLACES: Mapping[Cloud, Mapping[str, Place]] = {
    Cloud.AWS: {
        "eu-central-1": _FRANKFURT,
        "eu-north-1": _place("Stockholm", "SE", 59.33, 18.07),
        "eu-south-1": _MILAN,
        "eu-south-2": _place("Zaragoza", "ES", 41.65, -0.88),
        "eu-west-1": _place("Dublin", "IE", 53.35, -6.26),
        "eu-west-3": _PARIS,
        "us-east-1": _place("Ashburn", "US", 39.04, -77.49, Jurisdiction.US),
        "us-west-2": _place("Boardman", "US", 45.84, -119.70, Jurisdiction.US),
    },
    Cloud.AZURE: {
        "francecentral": _PARIS,
        "germanywestcentral": _FRANKFURT,
        "italynorth": _MILAN,
        "northeurope": _place("Dublin", "IE", 53.35, -6.26),
        "spaincentral": _place("Madrid", "ES", 40.42, -3.70),
        "swedencentral": _place("Gävle", "SE", 60.67, 17.14),
        "eastus2": _place("Boydton", "US", 36.67, -78.39, Jurisdiction.US),
        "southcentralus": _place("San Antonio", "US", 29.42, -98.49, Jurisdiction.US),
    },
    Cloud.GCP: {
        "europe-central2": _place("Warsaw", "PL", 52.23, 21.01),
        "europe-north1": _place("Hamina", "FI", 60.57, 27.20),
        "europe-southwest1": _place("Madrid", "ES", 40.42, -3.70),
        "europe-west3": _FRANKFURT,
        "europe-west4": _place("Eemshaven", "NL", 53.44, 6.83),
        "europe-west8": _MILAN,
        "europe-west9": _PARIS,
        "us-central1": _place("Council Bluffs", "US", 41.26, -95.86, Jurisdiction.US),
        "us-west1": _place("The Dalles", "US", 45.59, -121.18, Jurisdiction.US),
    },
}
"""Regions with three zones that may be chosen. One that is missing here is added here, with its town, and nowhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """One region for each cloud, and what they have to be to each other."""

    regions: Mapping[Cloud, str]
    jurisdiction: Jurisdiction
    least_km: float

    def place(self, cloud: Cloud) -> Place:
        """The town. Raises KeyError for a region that `refusals` refuses."""
        return PLACES[cloud][self.regions[cloud]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a setting cannot be used: which one, what it is, what it must be, and what to do."""

    key: str
    value: str
    limit: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value}; {self.limit}; {self.way_out}"


def kilometres(one: Place, other: Place) -> float:
    """Great-circle distance (haversine formula, spherical earth: up to 0.5 % off)."""
    north, east = radians(other.latitude - one.latitude), radians(other.longitude - one.longitude)
    half = sin(north / 2) ** 2 + cos(radians(one.latitude)) * cos(radians(other.latitude)) * sin(east / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))


def refusals(topology: Topology) -> Iterator[Refusal]:
    """Every reason why these regions are not three sites."""
    unknown = [cloud for cloud in Cloud if topology.regions.get(cloud) not in PLACES[cloud]]
    for cloud in unknown:
        yield Refusal(
            key=f"topology.{cloud}",
            value=f"{topology.regions.get(cloud) or 'nothing'} is no region of the catalogue",
            limit="a region whose town is known, or no distance can be told",
            way_out=f"choose one of {', '.join(sorted(PLACES[cloud]))}, or add it to infra/topology.py",
        )
    known = [cloud for cloud in Cloud if cloud not in unknown]
    for cloud in known:
        place = topology.place(cloud)
        if place.jurisdiction is not topology.jurisdiction:
            yield Refusal(
                key=f"topology.{cloud}",
                value=f"{topology.regions[cloud]} is in {place.town}, {place.country}, under {place.jurisdiction} law",
                limit=f"every site is under {topology.jurisdiction} law",
                way_out="choose a region there, or another topology.jurisdiction for all three",
            )
    for one, other in combinations(known, 2):
        near, far = topology.place(one), topology.place(other)
        if (apart := kilometres(near, far)) < topology.least_km:
            yield Refusal(
                key=f"topology.{one}, topology.{other}",
                value=f"{topology.regions[one]} ({near.town}) and {topology.regions[other]} ({far.town}) are {apart:.0f} km apart",
                limit=f"sites are at least {topology.least_km:.0f} km apart, so that no flood, grid or strike takes two",
                way_out="choose another region for one of them",
            )
