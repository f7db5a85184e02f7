"""Where clients, and the other sites, come in at AWS."""

from ipaddress import IPv4Address

import pytest

from infra.services import AGENT, EDGE_DOOR, PROGRAMS, Service
from infra.settings import read_settings
from tests.infra.recording import recorded, recorded_live
from tests.infra.site_aws import BALANCER, LISTENER, STACKS, TARGETS, arn_of
from tests.infra.stacks import settings_of

CERTIFICATE = "aws:acm/certificate:Certificate"


@pytest.mark.parametrize("stack", STACKS)
def test_no_balancer_has_a_public_address(stack: str) -> None:
    """Nor can any be deleted by mistake."""
    balancers = recorded(stack).of_type(BALANCER)
    assert {one.inputs["loadBalancerType"] for one in balancers} == {"application", "network"}
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
    """There is no certificate yet: its records are published by this stack."""
    assert {int(one.inputs["port"]) for one in recorded(stack).of_type(LISTENER)} == {EDGE_DOOR, AGENT}
    assert recorded(stack).of_type("aws:acm/certificateValidation:CertificateValidation") == ()


@pytest.mark.parametrize("stack", STACKS)
def test_clients_tls_ends_at_the_door_with_their_certificates_handed_on(stack: str) -> None:
    """TLS 1.2 at least, and with a certificate that has been given."""
    recording = recorded_live(stack)
    listener = recording.one(LISTENER, "ingress")
    assert listener.inputs["port"] == 443 and listener.inputs["protocol"] == "HTTPS"
    assert listener.inputs["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    assert listener.inputs["mutualAuthentication"] == {"mode": "passthrough"}
    (given,) = recording.of_type("aws:acm/certificateValidation:CertificateValidation")
    assert given.urn in listener.property_dependencies["certificateArn"]
    (action,) = listener.inputs["defaultActions"]
    assert action == {"type": "forward", "targetGroupArn": arn_of(recording, TARGETS, "ingress")}


@pytest.mark.parametrize("stack", STACKS)
def test_the_certificate_is_for_the_names_clients_come_to(stack: str) -> None:
    """Both, and no others."""
    (certificate,) = recorded(stack).of_type(CERTIFICATE)
    domain = settings_of(stack)["domain"]
    assert certificate.inputs["domainName"] == f"api.{domain}"
    assert certificate.inputs["subjectAlternativeNames"] == [f"vault.{domain}"]
    assert certificate.inputs["validationMethod"] == "DNS"


@pytest.mark.parametrize("stack", STACKS)
def test_the_door_asks_edges_for_the_beacon_over_tls(stack: str) -> None:
    """An edge that cannot speak TLS is none. One whose site is drained lives, or ECS would end it."""
    targets = recorded(stack).one(TARGETS, "ingress").inputs
    port = PROGRAMS[Service.EDGE].port
    assert targets["protocol"] == "HTTPS" and targets["targetType"] == "ip" and targets["port"] == port
    health = targets["healthCheck"]
    assert (health["protocol"], health["path"], health["matcher"], health["port"]) == ("HTTPS", "/beacon", "200,503", str(port))


@pytest.mark.parametrize("stack", STACKS)
def test_the_door_takes_no_doubtful_request_and_lets_clients_go(stack: str) -> None:
    """A client that keeps its connection for ever never learns that the site is drained."""
    door = recorded(stack).one(BALANCER, "ingress").inputs
    assert door["dropInvalidHeaderFields"] is True and door["desyncMitigationMode"] == "strictest"
    assert door["clientKeepAlive"] == 60 and door["enableHttp2"] is False
    assert door["securityGroups"] == ["sg-guards-door"] and door["subnets"] == [f"subnet-network-door-{zone}" for zone in "abc"]


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
