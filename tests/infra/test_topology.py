"""Regions: how far apart, and what is refused."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.topology import PLACES, Cloud, Jurisdiction, Place, Topology, kilometres, refusals

EVERYWHERE = tuple(place for regions in PLACES.values() for place in regions.values())
places = st.sampled_from(EVERYWHERE)


def topology(aws: str, azure: str, gcp: str, least_km: float = 1000, law: Jurisdiction = Jurisdiction.EU) -> Topology:
    """Three regions."""
    regions = {Cloud.AWS: aws, Cloud.AZURE: azure, Cloud.GCP: gcp}
    return Topology(regions=regions, jurisdiction=law, least_km=least_km)


@pytest.mark.parametrize(
    ("regions", "nearest"),
    [
        (("eu-central-1", "germanywestcentral", "europe-west3"), 0),
        (("eu-central-1", "francecentral", "europe-west4"), 392),
        (("eu-west-1", "germanywestcentral", "europe-north1"), 1088),
        (("eu-central-1", "swedencentral", "europe-southwest1"), 1288),
    ],
)
def test_distances_are_those_of_the_reference(regions: tuple[str, str, str], nearest: float) -> None:
    """Computed once elsewhere; a wrong formula or a wrong town shows here."""
    three = topology(*regions)
    found = min(kilometres(three.place(one), three.place(other)) for one, other in combinations(Cloud, 2))
    assert found == pytest.approx(nearest, abs=25)


def test_three_regions_far_apart_under_one_law_are_three_sites() -> None:
    """The defaults."""
    assert list(refusals(topology("eu-central-1", "swedencentral", "europe-southwest1"))) == []
    assert list(refusals(topology("us-east-1", "southcentralus", "us-west1", law=Jurisdiction.US))) == []


def test_one_town_in_three_clouds_is_one_site() -> None:
    """All three are in Frankfurt: every pair is told."""
    found = list(refusals(topology("eu-central-1", "germanywestcentral", "europe-west3")))
    assert [one.key for one in found] == [
        "topology.aws, topology.azure",
        "topology.aws, topology.gcp",
        "topology.azure, topology.gcp",
    ]
    assert "Frankfurt" in found[0].value and "0 km" in found[0].value and "1000 km" in found[0].limit


def test_two_of_three_that_are_a_little_too_near_are_refused() -> None:
    """968 km: the usual thousand is a limit, and the pair is named that misses it."""
    (found,) = refusals(topology("eu-west-1", "swedencentral", "europe-central2"))
    assert found.key == "topology.azure, topology.gcp" and "1000 km" in found.limit
    assert list(refusals(topology("eu-west-1", "swedencentral", "europe-central2", least_km=950))) == []


def test_a_region_under_another_law_is_refused() -> None:
    """Its data would be looked for by other courts."""
    (found,) = refusals(topology("us-east-1", "swedencentral", "europe-southwest1"))
    assert found.key == "topology.aws" and "Ashburn" in found.value and "EU" in found.limit


def test_an_unknown_region_is_refused_and_the_rest_is_still_looked_at() -> None:
    """Unknown is no place at all, least of all one that is far away."""
    found = list(refusals(topology("eu-centrall-1", "germanywestcentral", "europe-west3")))
    assert [one.key for one in found] == ["topology.aws", "topology.azure, topology.gcp"]
    assert "eu-central-1" in found[0].way_out


@given(places, places, places)
def test_distance_is_a_metric(one: Place, other: Place, third: Place) -> None:
    """Or the smallest pair would depend on who is asked."""
    assert kilometres(one, one) == 0
    assert kilometres(one, other) == pytest.approx(kilometres(other, one))
    assert kilometres(one, third) <= kilometres(one, other) + kilometres(other, third) + 1e-6
    assert kilometres(one, other) <= 20_016
