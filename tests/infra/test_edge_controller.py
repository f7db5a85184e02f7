"""What is deployed is what the controllers look for: their own adapters read the recorded zone, as its vendors would answer it.

Names, marks and shapes stand twice in this repository, once for who makes them and once for who steers them. A difference would be found
in the first failover, as a weight that nobody could set.
"""

from typing import Any

import pytest

from controller.core.model import Group, Site
from controller.providers.aws import records as route53
from controller.providers.azure import records as azure
from controller.providers.gcp import records as clouddns
from controller.providers.ratios import to_shares, to_weights
from controller.providers.records import GroupRecords, WeightedName
from controller.settings_clouds import AuthoritiesTable, AzureCloud, GroupTable
from tests.infra.recording import Recording
from tests.infra.sites import ADDRESSES, on_sites

STACKS = ("dev-edge", "prod-edge")
GROUP = Group("everywhere")
SITES = {Site(cloud): address for cloud, address in ADDRESSES.items()}
EQUAL = {site: pytest.approx(1 / 3) for site in SITES}


def steered(recording: Recording) -> GroupRecords:
    """The group as the controllers' settings would say it, from what the stack has published."""
    names = [{"name": name, "ttl": int(ttl)} for name, ttl in recording.outputs["names"].items()]
    table = GroupTable.model_validate({"lead": "payments", "names": names, "addresses": {str(one): SITES[one] for one in SITES}})
    return GroupRecords(
        names=tuple(WeightedName(name=one.name, ttl=one.ttl) for one in table.names),
        addresses={Site(site): address for site, address in table.addresses.items()},
    )


def listed_by_route53(recording: Recording) -> dict[str, list[Any]]:
    """As ListResourceRecordSets answers: names with the dot at the end."""
    found: dict[str, list[Any]] = {}
    for one in recording.of_type("aws:route53/record:Record"):
        given, name = one.inputs, f"{one.inputs['name'].rstrip('.')}."
        record = {"Name": name, "Type": given["type"], "TTL": int(given["ttl"])}
        record["ResourceRecords"] = [{"Value": value} for value in given["records"]]
        if "setIdentifier" in given:
            (policy,) = given["weightedRoutingPolicies"]
            record |= {
                "SetIdentifier": given["setIdentifier"],
                "Weight": int(policy["weight"]),
                "HealthCheckId": given["healthCheckId"],
            }
        found.setdefault(name, []).append(record)
    return found


def told_by_traffic_manager(recording: Recording) -> azure.Profile:
    """As the profile is answered: endpoints within, each with its long type."""
    (profile,) = recording.of_type("azure-native:trafficmanager:Profile")
    endpoints = [
        {
            "name": one.inputs["endpointName"],
            "type": f"Microsoft.Network/trafficManagerProfiles/{one.inputs['endpointType'][0].lower()}{one.inputs['endpointType'][1:]}",
            "properties": {key: one.inputs[key] for key in ("target", "weight", "endpointStatus")},
        }
        for one in recording.of_type("azure-native:trafficmanager:Endpoint")
    ]
    properties = {key: profile.inputs[key] for key in ("trafficRoutingMethod", "profileStatus")}
    told = {"id": "/profile", "name": profile.inputs["profileName"], "tags": profile.inputs["tags"]}
    return azure.readable({**told, "properties": {**properties, "endpoints": endpoints}})


def listed_by_cloud_dns(recording: Recording) -> dict[str, clouddns.RecordSet]:
    """As resourceRecordSets.list answers: the API's words are not the SDK's."""
    found: dict[str, clouddns.RecordSet] = {}
    for one in recording.of_type("gcp:dns/recordSet:RecordSet"):
        given = one.inputs
        if given["type"] == "A":
            policy = given["routingPolicy"]
            found[given["name"]] = {
                "name": given["name"],
                "type": "A",
                "ttl": int(given["ttl"]),
                "routingPolicy": {"healthCheck": policy["healthCheck"], "wrr": {"items": policy["wrrs"]}},
            }
    return found


@pytest.mark.parametrize("stack", STACKS)
def test_route53s_records_are_ours_and_only_weights_are_changed(stack: str) -> None:
    """Each is recognised by its mark; a steering keeps address, TTL and health check."""
    recording = on_sites(stack)
    group, zone = steered(recording), listed_by_route53(recording)
    (name,) = group.names
    assert to_shares({site: float(weight) for site, weight in route53.owned_weights(GROUP, zone[name.absolute]).items()}) == EQUAL
    assert route53.strangers(GROUP, zone[name.absolute]) == ()
    course = route53.plot(GROUP, group, zone, to_weights({Site("aws"): 0, Site("azure"): 1, Site("gcp"): 1}, route53.TOTAL))
    before = {record["SetIdentifier"]: record for record in zone[name.absolute]}
    assert len(course.changes) == 3
    for change in course.changes:
        after = change["ResourceRecordSet"]
        assert {**after, "Weight": 80} == before[after["SetIdentifier"]]
        assert SITES[Site(after["SetIdentifier"].rpartition("/")[2])] == after["ResourceRecords"][0]["Value"]
    assert route53.plot(GROUP, group, zone, to_weights(dict.fromkeys(SITES, 1.0), route53.TOTAL)).stands


@pytest.mark.parametrize("stack", STACKS)
def test_the_profile_is_found_by_its_name_and_tag(stack: str) -> None:
    """And has nothing in it that draws traffic and is not steered."""
    recording = on_sites(stack)
    group, profile = steered(recording), told_by_traffic_manager(recording)
    (name,) = group.names
    assert profile["name"] == azure.profile_name(name)
    assert azure.owner(profile) == GROUP and azure.problem(GROUP, name, profile) is None
    assert to_shares({site: float(weight) for site, weight in azure.owned_weights(profile, group.addresses).items()}) == EQUAL
    assert azure.foreign_endpoints(profile, group.addresses) == ()
    assert azure.steered(profile, to_weights(dict.fromkeys(SITES, 1.0), azure.TOTAL), group.addresses) is None
    moved = azure.steered(profile, {Site("azure"): 840}, group.addresses)
    assert moved is not None and azure.owned_weights(moved, group.addresses) == {"aws": 0, "azure": 840, "gcp": 0}


@pytest.mark.parametrize("stack", STACKS)
def test_the_zone_at_azure_answers_the_weighted_name_from_the_profile(stack: str) -> None:
    """Without the alias a steering stands, is read back, and moves nobody."""
    recording = on_sites(stack)
    (alias,) = (one.inputs for one in recording.of_type("azure-native:dns:RecordSet") if one.inputs["recordType"] == "A")
    (profile,) = recording.of_type("azure-native:trafficmanager:Profile")
    (name,) = steered(recording).names
    assert f"{alias['relativeRecordSetName']}.{alias['zoneName']}." == name.absolute
    assert alias["targetResource"]["id"].endswith(
        f"/providers/Microsoft.Network/trafficManagerProfiles/{profile.inputs['profileName']}"
    )
    assert not any(key in alias for key in ("aRecords", "cnameRecord"))


@pytest.mark.parametrize("stack", STACKS)
def test_cloud_dns_items_are_told_apart_by_address(stack: str) -> None:
    """They carry no mark: one address of one site for each, or the record set is somebody else's."""
    recording = on_sites(stack)
    group, found = steered(recording), listed_by_cloud_dns(recording)
    assert clouddns.shares(group, found) == EQUAL
    equal = to_weights(dict.fromkeys(SITES, 1.0), clouddns.TOTAL)
    assert clouddns.edit(GROUP, group, found, equal).additions == ()
    drained = clouddns.edit(GROUP, group, found, {Site("aws"): 0, Site("azure"): 120, Site("gcp"): 120})
    (before,), (after,) = drained.deletions, drained.additions
    assert after["ttl"] == before["ttl"] and after["routingPolicy"]["healthCheck"] == before["routingPolicy"]["healthCheck"]
    assert [item["weight"] for item in after["routingPolicy"]["wrr"]["items"]] == [0, 120, 120]


@pytest.mark.parametrize("stack", STACKS)
def test_weights_to_begin_with_are_whole_in_each_authoritys_measure(stack: str) -> None:
    """A first look of the controllers finds nothing to correct, and a comparison of the zones no drift."""
    recording = on_sites(stack)
    weights = [one.inputs["weight"] for one in recording.of_type("azure-native:trafficmanager:Endpoint")]
    assert sum(weights) == azure.TOTAL and len(set(weights)) == 1
    (policy,) = (one["routingPolicy"] for one in listed_by_cloud_dns(recording).values())
    assert sum(item["weight"] for item in policy["wrr"]["items"]) == clouddns.TOTAL
    zone = listed_by_route53(recording)
    (name,) = steered(recording).names
    assert sum(route53.owned_weights(GROUP, zone[name.absolute]).values()) == route53.TOTAL


@pytest.mark.parametrize("stack", STACKS)
def test_the_controllers_settings_take_what_the_stack_publishes(stack: str) -> None:
    """Zones by what each adapter asks for: an id, a name in a resource group, a name in a project."""
    told = on_sites(stack).outputs
    zones = {"route53": told["route53_zone"], "azure": told["azure_zone"], "clouddns": told["clouddns_zone"]}
    authorities = AuthoritiesTable.model_validate({name: {"zone": zone} for name, zone in zones.items()})
    cloud = AzureCloud(subscription="s", resource_group=told["azure_group"])
    assert authorities.route53 and authorities.azure and authorities.clouddns
    assert told["azure_zone_id"].endswith(
        f"/resourceGroups/{cloud.resource_group}/providers/Microsoft.Network/dnsZones/{authorities.azure.zone}"
    )
    group = told["azure_group"]
    for one in on_sites(stack).resources:
        assert one.inputs.get("resourceGroupName", group) == group, "the adapter asks one group for zone and profiles"
