"""The network at AWS: the address plan's parts, three ways out, none for databases, and the vendor's own services inside."""

import json

import pytest

from infra.settings import read_settings
from tests.infra.recording import Recording, recorded
from tests.infra.site_aws import STACKS, SUBNET, document
from tests.infra.stacks import settings_of

ROUTE, ASSOCIATION = "aws:ec2/route:Route", "aws:ec2/routeTableAssociation:RouteTableAssociation"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def ways_out(recording: Recording) -> dict[str, str]:
    """By subnet, where its connections to the internet go."""
    out = {
        one.inputs["routeTableId"]: one.inputs.get("gatewayId") or one.inputs["natGatewayId"] for one in recording.of_type(ROUTE)
    }
    tables = {one.inputs["subnetId"]: one.inputs["routeTableId"] for one in recording.of_type(ASSOCIATION)}
    return {subnet: out.get(table, "nowhere") for subnet, table in tables.items()}


@pytest.mark.parametrize("stack", STACKS)
def test_the_parts_are_those_of_the_plan_and_one_is_in_each_zone(stack: str) -> None:
    """Other sites' rules name them."""
    recording, site = recorded(stack), read_settings(settings_of(stack)).site
    (vpc,) = recorded(stack).of_type("aws:ec2/vpc:Vpc")
    assert vpc.inputs["cidrBlock"] == str(site.block) and vpc.inputs["enableDnsHostnames"] and vpc.inputs["enableDnsSupport"]
    found = {one.inputs["cidrBlock"]: one.inputs["availabilityZone"] for one in recording.of_type(SUBNET)}
    zones = ("eu-central-1a", "eu-central-1b", "eu-central-1c")
    wanted = {
        str(block): zone
        for part in (site.doors, site.services, site.database_zones)
        for block, zone in zip(part, zones, strict=True)
    }
    assert found == {**wanted, str(site.control): zones[0]}


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_gets_a_public_address_but_the_ways_out(stack: str) -> None:
    """And the accelerator's, which is none of the network's."""
    recording = recorded(stack)
    assert all(one.inputs["mapPublicIpOnLaunch"] is False for one in recording.of_type(SUBNET))
    addresses = {f"{one.name}-id" for one in recording.of_type("aws:ec2/eip:Eip")}
    assert {one.inputs["allocationId"] for one in recording.of_type("aws:ec2/natGateway:NatGateway")} == addresses
    assert len(addresses) == 3


@pytest.mark.parametrize("stack", STACKS)
def test_services_leave_through_their_own_zone_and_databases_not_at_all(stack: str) -> None:
    """The loss of a zone closes no way out of another."""
    recording = recorded(stack)
    out = ways_out(recording)
    placed = {one.name: one.inputs["subnetId"] for one in recording.of_type("aws:ec2/natGateway:NatGateway")}
    for zone in "abc":
        assert out[f"subnet-network-service-{zone}"] == f"network-out-{zone}-id"
        assert placed[f"network-out-{zone}"] == f"subnet-network-door-{zone}"
        assert out[f"subnet-network-door-{zone}"] == "network-id"
        assert out[f"subnet-network-database-{zone}"] == "nowhere"
    assert out["subnet-network-control"] == "network-out-a-id" and len(out) == 10


@pytest.mark.parametrize("stack", STACKS)
def test_every_table_learns_the_other_sites_and_keeps_what_it_has_learnt(stack: str) -> None:
    """The mesh adds its routes: a table that knew its own only would lose them at the next `up`."""
    recording = recorded(stack)
    tables = recording.of_type("aws:ec2/routeTable:RouteTable")
    assert sorted(recording.outputs["routes"]) == sorted(f"{one.name}-id" for one in tables) and len(tables) == 6
    assert all(set(one.ignore_changes) == {"routes", "propagatingVgws"} and "routes" not in one.inputs for one in tables)
    (default,) = recording.of_type("aws:ec2/defaultRouteTable:DefaultRouteTable")
    assert default.inputs["routes"] == []


@pytest.mark.parametrize("stack", STACKS)
def test_instances_start_without_the_internet(stack: str) -> None:
    """Images, secrets, logs, keys and identities, by an address in each zone."""
    recording = recorded(stack)
    inner = [one for one in recording.of_type(ENDPOINT) if one.inputs["vpcEndpointType"] == "Interface"]
    services = ("ecr.api", "ecr.dkr", "secretsmanager", "logs", "kms", "sts")
    assert {one.inputs["serviceName"] for one in inner} == {f"com.amazonaws.eu-central-1.{name}" for name in services}
    subnets = {f"subnet-network-service-{zone}" for zone in "abc"}
    account = json.loads(settings_of(stack)["accounts"])["aws"]["account"]
    for one in inner:
        assert one.inputs["privateDnsEnabled"] is True and set(one.inputs["subnetIds"]) == subnets
        assert one.inputs["securityGroupIds"] == ["sg-guards-endpoints"]
        (statement,) = document(one)
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": account}}
        assert statement["Action"] == [one.inputs["serviceName"].split(".")[3] + ":*"]


@pytest.mark.parametrize("stack", STACKS)
def test_s3_is_there_for_layers_of_images_alone(stack: str) -> None:
    """Not as a way out for what somebody carries away."""
    (gateway,) = (one for one in recorded(stack).of_type(ENDPOINT) if one.inputs["vpcEndpointType"] == "Gateway")
    (statement,) = document(gateway)
    assert statement["Action"] == ["s3:GetObject"]
    assert statement["Resource"] == "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*"
    assert set(gateway.inputs["routeTableIds"]) == {f"network-services-{zone}-id" for zone in "abc"}


@pytest.mark.parametrize("stack", STACKS)
def test_every_connection_is_written_down(stack: str) -> None:
    """Refused ones, too."""
    recording = recorded(stack)
    (flows,) = recording.of_type("aws:ec2/flowLog:FlowLog")
    assert flows.inputs["trafficType"] == "ALL" and flows.inputs["vpcId"] == recording.outputs["network"]
    assert flows.inputs["logDestination"] == recording.outputs["log"]
