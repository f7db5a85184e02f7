"""The sites as the mesh and the zone need them: the stand-ins of these tests, and the sites' own programs, held to the same."""

from collections.abc import Mapping
from dataclasses import fields
from ipaddress import IPv4Address
from typing import Any

import pytest

from infra.components.edge.zone import Kind, Plan, asked_for
from infra.contracts import CONTRACT, MARK, SiteContract
from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra import zones
from tests.infra.recording import record, recorded
from tests.infra.sites import BUILT, DOMAINS, published, site
from tests.infra.stacks import settings_of

STANDING_IN = tuple(f"{environment}-{cloud}" for environment in DOMAINS for cloud in Cloud)
SITES = [*(("stands in", stack) for stack in STANDING_IN), *(("own program", stack) for stack in BUILT)]


def outputs(whose: str, stack: str) -> Mapping[str, Any]:
    """What that site has published."""
    environment, _, cloud = stack.partition("-")
    return site(Cloud(cloud), DOMAINS[environment]) if whose == "stands in" else recorded(stack).outputs


def beneath(environment: str) -> list[Mapping[str, Any]]:
    """Whatever three sites there are: the stand-ins, and the sites' own once all three are built."""
    own = [f"{environment}-{cloud}" for cloud in Cloud]
    real = [{f"organization/trimaran/{stack}": dict(recorded(stack).outputs) for stack in own}] if set(own) <= set(BUILT) else []
    return [published(environment, DOMAINS[environment]), *real]


@pytest.mark.parametrize(("whose", "stack"), SITES)
def test_a_site_publishes_its_whole_contract(whose: str, stack: str) -> None:
    """And nothing beside it."""
    told = outputs(whose, stack)
    assert set(told) == {MARK, *(one.name for one in fields(SiteContract))} and told[MARK] == CONTRACT


@pytest.mark.parametrize(("whose", "stack"), SITES)
def test_a_site_can_be_answered_with_and_vouched_for(whose: str, stack: str) -> None:
    """An address, which is all that an alias at Azure takes. Where the cloud's own balancer ends TLS, at Google's, proofs for both clients'
    names, which the zone takes; elsewhere nobody asks for any."""
    told, plan = outputs(whose, stack), Plan(domain=DOMAINS[stack.partition("-")[0]])
    assert str(IPv4Address(told["address"])) == told["address"]
    sets = asked_for(plan, told["certificate_records"])
    assert all(one.kind in (Kind.CNAME, Kind.TXT) and all(one.values) for one in sets)
    vouched = {door for door in plan.doors if any(one.name.endswith(f".{door}") for one in sets)}
    assert vouched == (set(plan.doors) if Cloud(stack.partition("-")[2]) is Cloud.GCP else set())


@pytest.mark.parametrize(("whose", "stack"), SITES)
def test_a_site_tells_its_edges_private_doors(whose: str, stack: str) -> None:
    """Where other edges hand over, and where controllers ask: at an address of the site's services, or a name that leads to some."""
    told, (environment, _, cloud) = outputs(whose, stack), stack.partition("-")
    hosts = {name: door.rpartition(":") for name, door in told["doors"].items()}
    assert {name: port for name, (_, _, port) in hosts.items()} == {"peers": "8444", "agent": "8445"}
    site = read_settings(settings_of(f"{environment}-{cloud}")).site
    for host, _, _ in hosts.values():
        assert host.endswith(".amazonaws.com") if cloud == Cloud.AWS else IPv4Address(host) in site.environment


@pytest.mark.parametrize(("whose", "stack"), SITES)
def test_a_site_tells_what_the_mesh_is_fastened_to(whose: str, stack: str) -> None:
    """A network in its vendor's words, where records of tunnels go, and on AWS the tables that learn the ways."""
    told = outputs(whose, stack)
    assert told["network"] and told["log"] and told["group"]
    match Cloud(stack.partition("-")[2]):
        case Cloud.AWS:
            assert (
                told["network"].startswith("vpc-") and told["log"].startswith("arn:aws:logs:") and not told["log"].endswith(":*")
            )
            assert told["routes"] and len(told["routes"]) == len(set(told["routes"]))
        case Cloud.AZURE:
            assert "/Microsoft.Network/virtualNetworks/" in told["network"] and "/" not in told["group"]
            assert "/Microsoft.OperationalInsights/" in told["log"]
        case Cloud.GCP:
            assert "/networks/" in told["network"]


@pytest.mark.parametrize("environment", DOMAINS)
def test_the_mesh_stands_on_whatever_sites_there_are(environment: str) -> None:
    """Twelve tunnels, and every table of AWS's learns."""
    for stacks in beneath(environment):
        recording = record(f"{environment}-interconnect", stacks=stacks)
        assert recording.outputs["tunnels"] == {"aws-azure": 4, "aws-gcp": 4, "azure-gcp": 4}
        learning = recording.of_type("aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation")
        tables = stacks[f"organization/trimaran/{environment}-aws"]["routes"]
        assert sorted(one.inputs["routeTableId"] for one in learning) == sorted(tables)


@pytest.mark.parametrize("environment", DOMAINS)
def test_the_zone_takes_whatever_the_sites_ask_for(environment: str) -> None:
    """All of it at all three authorities."""
    for stacks in beneath(environment):
        recording = record(f"{environment}-edge", stacks=stacks)
        served = zones.route53(recording)
        assert served == zones.azure(recording) == zones.clouddns(recording)
        asked = [one for told in stacks.values() for one in told["certificate_records"]]
        for one in asked:
            ttl, values = served[f"{one['name'].lower().rstrip('.')}.", one["type"]]
            assert ttl == 300 and any(one["value"].rstrip(".") == value.rstrip(".") for value in values)
        addresses = frozenset(told["address"] for told in stacks.values())
        assert served[f"everywhere.{DOMAINS[environment]}.", "A"] == (10, addresses)


@pytest.mark.parametrize("stack", ["prod-interconnect", "prod-edge"])
def test_a_preview_before_anything_is_there_goes_to_its_end(stack: str) -> None:
    """What no cloud has made up yet is unknown, and nothing may ask for it."""
    recording = record(stack, preview=True, stacks=published("prod", DOMAINS["prod"]))
    assert recording.refused is None and len(recording.resources) > 20
