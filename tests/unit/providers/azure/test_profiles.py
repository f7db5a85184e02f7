"""Traffic Manager profiles as values: whose they are, what they weigh, and the one document that makes them weigh otherwise."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.azure.dns import AzureDns
from controller.providers.azure.records import TOTAL, foreign_endpoints, owned_weights, problem, profile_name, readable, steered
from controller.providers.ratios import to_weights
from controller.providers.records import GroupRecords, WeightedName

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}
PAYMENTS = Group("payments")
NAME = WeightedName(name="payments.g.trimaran.test", ttl=2)
EXTERNAL = "Microsoft.Network/trafficManagerProfiles/externalEndpoints"


def endpoint(name: str, weight: int, status: str = "Enabled", **more: Any) -> dict[str, Any]:
    """One as Azure answers it."""
    properties = {
        "target": f"{name}.example",
        "weight": weight,
        "endpointStatus": status,
        "endpointMonitorStatus": "Online",
        **more,
    }
    return {"name": name, "type": EXTERNAL, "properties": properties}


def profile(*endpoints: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """One of ours as Azure answers it."""
    return {
        "id": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/trafficManagerProfiles/payments-g-trimaran-test",
        "name": "payments-g-trimaran-test",
        "location": "global",
        "tags": {"trimaran": "payments", "team": "ledger"},
        "properties": {
            "trafficRoutingMethod": "Weighted",
            "profileStatus": "Enabled",
            "dnsConfig": {"relativeName": "payments-g-trimaran-test", "ttl": 2},
            "monitorConfig": {"protocol": "HTTP", "port": 80, "path": "/beacon"},
            "trafficViewEnrollmentStatus": "Disabled",
            "endpoints": list(endpoints),
            **properties,
        },
    }


def test_a_name_has_one_profile() -> None:
    """Hyphens for dots, lower case, whether or not the final dot is written."""
    assert (
        profile_name(NAME) == profile_name(WeightedName(name="Payments.G.trimaran.test.", ttl=30)) == "payments-g-trimaran-test"
    )


def test_a_name_too_long_for_a_profile_is_refused() -> None:
    """Azure would refuse it on the day the records are deployed; the settings hear of it first."""
    with pytest.raises(Refused, match="64 characters"):
        profile_name(WeightedName(name="p" * 64, ttl=2))


def test_two_names_never_share_a_profile() -> None:
    """`a-b.test` and `a.b-test` read the same with hyphens: steering one would steer the other."""
    groups = {
        Group("one"): GroupRecords(names=(WeightedName(name="a-b.test", ttl=2),), addresses=ADDRESSES),
        Group("two"): GroupRecords(names=(WeightedName(name="a.b-test", ttl=2),), addresses=ADDRESSES),
    }
    with pytest.raises(Refused, match="one-profile-per-name"):
        AzureDns(profiles=lambda: None, records=lambda: None, resource_group="r", zone="test", groups=groups)  # type: ignore[arg-type, return-value]


def test_a_drained_site_is_disabled_and_keeps_its_weight() -> None:
    """Traffic Manager has no weight 0."""
    found = steered(
        profile(endpoint("aws", 280), endpoint("azure", 280), endpoint("gcp", 280)), {AWS: 420, AZURE: 0, GCP: 420}, ADDRESSES
    )
    assert found is not None
    properties = {one["name"]: one["properties"] for one in found["properties"]["endpoints"]}
    assert (properties["azure"]["endpointStatus"], properties["azure"]["weight"]) == ("Disabled", 280)
    assert (properties["aws"]["endpointStatus"], properties["aws"]["weight"]) == ("Enabled", 420)
    assert owned_weights(found, ADDRESSES) == {AWS: 420, AZURE: 0, GCP: 420}


def test_a_site_that_comes_back_is_enabled() -> None:
    """Its weight is the new one, not the one it kept."""
    found = steered(profile(endpoint("aws", 840), endpoint("azure", 7, "Disabled")), {AWS: 420, AZURE: 420}, ADDRESSES)
    assert found is not None
    assert owned_weights(found, ADDRESSES) == {AWS: 420, AZURE: 420}


def test_everything_but_our_weights_stays_as_it_was_read() -> None:
    """A put replaces the whole profile: the monitor, the TTL, tags, targets and endpoints of others survive it, and what was read too."""
    nested = {"name": "eu", "type": EXTERNAL.replace("external", "nested"), "properties": {"targetResourceId": "/x", "weight": 5}}
    read = profile(endpoint("aws", 280, alwaysServe="Enabled"), endpoint("made-by-hand", 9), nested, endpoint("gcp", 280))
    before = deepcopy(read)
    found = steered(read, {AWS: 840}, ADDRESSES)
    assert read == before
    assert found is not None
    for one in found["properties"]["endpoints"]:
        if one["name"] in ADDRESSES:
            one["properties"].pop("endpointStatus"), one["properties"].pop("weight")
    for one in before["properties"]["endpoints"]:
        if one["name"] in ADDRESSES:
            one["properties"].pop("endpointStatus"), one["properties"].pop("weight")
    assert found == before
    assert foreign_endpoints(read, ADDRESSES) == ("made-by-hand", "eu")


def test_a_missing_endpoint_of_a_site_that_is_to_serve_is_made() -> None:
    """With its address; one that is to get nothing is not made."""
    found = steered(profile(endpoint("aws", 840)), {AWS: 420, GCP: 420}, ADDRESSES)
    assert found is not None
    assert [one["name"] for one in found["properties"]["endpoints"]] == ["aws", "gcp"]
    made = found["properties"]["endpoints"][1]
    assert made == {
        "name": "gcp",
        "type": EXTERNAL,
        "properties": {"target": "192.0.2.3", "endpointStatus": "Enabled", "weight": 420},
    }


def test_a_profile_that_stands_is_not_put() -> None:
    """Also when Azure spells names and types in another case."""
    read = profile(endpoint("AWS", 840), endpoint("azure", 280, "Disabled"))
    read["properties"]["endpoints"][0]["type"] = EXTERNAL.lower()
    assert steered(read, {AWS: 840}, ADDRESSES) is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"tags": {}}, "trimaran=(none), not payments"),
        ({"tags": None}, "trimaran=(none), not payments"),
        ({"tags": {"trimaran": "vault"}}, "trimaran=vault, not payments"),
        ({"properties": {**profile()["properties"], "trafficRoutingMethod": "Priority"}}, "routes by Priority"),
        ({"properties": {**profile()["properties"], "profileStatus": "Disabled"}}, "is disabled"),
    ],
)
def test_what_is_wrong_with_a_profile_is_told_by_name(changed: dict[str, Any], told: str) -> None:
    """Which name, which profile, and what would mend it."""
    text = problem(PAYMENTS, NAME, {**profile(), **changed})
    assert text is not None
    assert told in text and NAME.name in text and "payments-g-trimaran-test" in text


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {**profile(), "id": None, "name": None},
        {**profile(), "properties": None},
        {**profile(), "tags": ["trimaran"]},
        profile({"name": "aws", "properties": {}}),
        profile({"name": "aws", "type": EXTERNAL, "properties": {"weight": "much"}}),
        {**profile(), "properties": {"endpoints": [7]}},
    ],
)
def test_a_profile_that_makes_no_sense_is_stumbled_over_where_it_is_read(broken: dict[str, Any]) -> None:
    """There it is one answer that cannot be read; later it would be the end of a controller's steering."""
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        readable(broken)
    assert readable(profile(endpoint("aws", 280))) == profile(endpoint("aws", 280))


def test_a_missing_profile_is_told_and_a_good_one_is_not() -> None:
    """A profile is deployed, never made: its name is public and taken for good."""
    assert "there is no Traffic Manager profile payments-g-trimaran-test" in str(problem(PAYMENTS, NAME, None))
    assert problem(PAYMENTS, NAME, profile()) is None


@given(
    st.dictionaries(st.sampled_from([AWS, AZURE, GCP]), st.floats(0, 1e6), min_size=1).filter(lambda found: any(found.values()))
)
def test_no_ratios_disable_every_endpoint_or_leave_the_limits(ratios: dict[Site, float]) -> None:
    """Whatever is asked for: somebody serves, who is to serve does, and every weight is one that Traffic Manager takes."""
    weights = to_weights(ratios, TOTAL)
    read = profile(endpoint("aws", 280), endpoint("azure", 280, "Disabled"), endpoint("gcp", 280))
    held = owned_weights(steered(read, weights, ADDRESSES) or read, ADDRESSES)
    assert any(held.values())
    assert {site for site, weight in held.items() if weight} == {site for site, ratio in ratios.items() if ratio > 0}
    assert all(0 <= weight <= 1000 for weight in held.values())
