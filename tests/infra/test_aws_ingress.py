"""Where clients, and the other sites, come in at AWS."""

from ipaddress import IPv4Address

import pytest

from infra.services import AGENT, EDGE_DOOR, PROGRAMS, Service
from infra.settings import read_settings
from tests.infra.recording import recorded, recorded_live
from tests.infra.site_aws import BALANCER, LISTENER, STACKS, TARGETS, arn_of
from tests.infra.stacks import settings_of


@pytest.mark.parametrize("stack", STACKS)
def test_no_balancer_has_a_public_address(stack: str) -> None:
    """Nor can any be deleted by mistake."""
    balancers = recorded(stack).of_type(BALANCER)
    assert {one.name: one.inputs["loadBalancerType"] for one in balancers} == {"ingress": "network", "side-door": "network"}
    assert all(one.inputs["internal"] is True and one.inputs["enableDeletionProtection"] is True for one in balancers)


@pytest.mark.parametrize("stack", STACKS)
def test_the_accelerator_leads_to_the_door_on_443_alone(stack: str) -> None:
    """To this region, and to whoever is free: clients are not tied to an instance."""
    recording = recorded(stack)
    (listener,) = recording.of_type("aws:globalaccelerator/listener:Listener")
    assert listener.inputs["clientAffinity"] == "NONE" and listener.inputs["protocol"] == "TCP"
    assert listener.inputs["portRanges"] == [{"fromPort": 443, "toPort": 443}]
    (group,) = recording.of_type("aws:globalaccelerator/endpointGroup:EndpointGroup")
    (endpoint,) = group.inputs["endpointConfigurations"]
    assert endpoint["endpointId"] == arn_of(recording, BALANCER, "ingress") and endpoint["clientIpPreservationEnabled"] is True
    assert group.inputs["endpointGroupRegion"] == recording.outputs["region"]


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_listens_for_clients_before_the_site_is_live(stack: str) -> None:
    """There is no edge yet that could end their TLS."""
    assert {int(one.inputs["port"]) for one in recorded(stack).of_type(LISTENER)} == {EDGE_DOOR, AGENT}


@pytest.mark.parametrize("stack", STACKS)
def test_clients_bytes_reach_the_edges_door_as_they_are(stack: str) -> None:
    """Nobody before the edge ends TLS: it hashes the certificate that the client itself has shown."""
    recording = recorded_live(stack)
    listener, targets = recording.one(LISTENER, "ingress").inputs, recording.one(TARGETS, "ingress").inputs
    assert (listener["port"], listener["protocol"]) == (443, "TCP")
    assert not {"certificateArn", "sslPolicy", "mutualAuthentication", "alpnPolicy"} & set(listener)
    (action,) = listener["defaultActions"]
    assert action == {"type": "forward", "targetGroupArn": arn_of(recording, TARGETS, "ingress")}
    assert (targets["protocol"], targets["targetType"], targets["port"]) == ("TCP", "ip", PROGRAMS[Service.EDGE].port)


@pytest.mark.parametrize("stack", STACKS)
def test_no_certificate_of_the_names_is_in_the_vendors_hands(stack: str) -> None:
    """It is a secret of the edge, and the zone is asked for no proof."""
    assert [one.urn for one in recorded_live(stack).resources if one.type.startswith("aws:acm/")] == []
    assert recorded(stack).outputs["certificate_records"] == []
    assert f"{Service.EDGE}/door" in recorded(stack).outputs["secrets"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_door_asks_edges_for_the_beacon_over_tls(stack: str) -> None:
    """An edge that cannot speak TLS is none. One whose site is drained lives, or ECS would end it."""
    port, health = PROGRAMS[Service.EDGE].port, recorded(stack).one(TARGETS, "ingress").inputs["healthCheck"]
    assert (health["protocol"], health["path"], health["matcher"], health["port"]) == ("HTTPS", "/beacon", "200,503", str(port))


@pytest.mark.parametrize("stack", STACKS)
def test_the_door_stands_in_three_zones_and_serves_all_from_each(stack: str) -> None:
    """Behind one address; and clients do not share the ports of the door's own."""
    recording = recorded(stack)
    door = recording.one(BALANCER, "ingress").inputs
    assert door["enableCrossZoneLoadBalancing"] is True
    assert door["securityGroups"] == ["sg-guards-door"] and door["subnets"] == [f"subnet-network-door-{zone}" for zone in "abc"]
    assert recording.one(TARGETS, "ingress").inputs["preserveClientIp"] == "true"


@pytest.mark.parametrize("stack", STACKS)
def test_other_sites_are_told_the_side_door(stack: str) -> None:
    """By a name that leads to the zones that are well."""
    recording = recorded(stack)
    host = recording.one(BALANCER, "side-door").outputs["dnsName"]
    assert recording.outputs["doors"] == {"peers": f"{host}:{EDGE_DOOR}", "agent": f"{host}:{AGENT}"}


@pytest.mark.parametrize("stack", STACKS)
def test_the_side_door_stands_at_addresses_that_are_kept_for_it(stack: str) -> None:
    """Among the services' part, which the other sites' rules name."""
    recording, site = recorded(stack), read_settings(settings_of(stack)).site
    door = recording.one(BALANCER, "side-door")
    kept = recording.of_type("aws:ec2/subnetCidrReservation:SubnetCidrReservation")
    placed = {one["subnetId"]: IPv4Address(one["privateIpv4Address"]) for one in door.inputs["subnetMappings"]}
    reserved = {one.inputs["subnetId"]: one for one in kept}
    assert len(placed) == 3 and set(placed) == set(reserved)
    for subnet, address in placed.items():
        low, _, prefix = reserved[subnet].inputs["cidrBlock"].partition("/")
        assert int(IPv4Address(low)) <= int(address) < int(IPv4Address(low)) + 2 ** (32 - int(prefix))
        assert any(address in zone for zone in site.services) and address in site.environment
        assert reserved[subnet].inputs["reservationType"] == "explicit"
    waiting = [
        door,
        *(one for one in recording.of_type("aws:ec2/vpcEndpoint:VpcEndpoint") if one.inputs["vpcEndpointType"] == "Interface"),
    ]
    assert all({one.urn for one in kept} <= set(found.dependencies) for found in waiting)


@pytest.mark.parametrize("stack", STACKS)
def test_the_side_door_passes_bytes_on(stack: str) -> None:
    """No proxy ends TLS between edges; and the edge's guard sees the door, whose guard has seen who comes."""
    recording = recorded(stack)
    for part, port in (("handed", EDGE_DOOR), ("agent", AGENT)):
        listener, targets = recording.one(LISTENER, f"side-door-{part}"), recording.one(TARGETS, f"side-door-{part}")
        assert (listener.inputs["protocol"], listener.inputs["port"]) == ("TCP", port)
        assert (targets.inputs["protocol"], targets.inputs["port"]) == ("TCP", port)
        assert targets.inputs["preserveClientIp"] == "false" and targets.inputs["healthCheck"]["protocol"] == "TCP"
    assert recording.one(BALANCER, "side-door").inputs["securityGroups"] == ["sg-guards-side-door"]
