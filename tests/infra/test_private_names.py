"""Servers and keys of a site are found from the other two: by everybody's resolver, or by one that is told whom to ask."""

from ipaddress import IPv4Address
from urllib.parse import urlsplit

import pytest

from infra.private_names import ANSWERED_AT_AZURE, DATABASES_AT_AZURE, KEYS_AT_AZURE
from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra.recording import recorded
from tests.infra.stacks import ENVIRONMENTS, settings_of

ENDPOINT, RULE = "aws:route53/resolverEndpoint:ResolverEndpoint", "aws:route53/resolverRule:ResolverRule"
ASSOCIATION, ZONE = "aws:route53/resolverRuleAssociation:ResolverRuleAssociation", "gcp:dns/managedZone:ManagedZone"
PUBLIC = (".rds.amazonaws.com",)
"""Of a server that is not public, a name that resolves to a private address (Amazon RDS API, `PubliclyAccessible`)."""

each = pytest.mark.parametrize("environment", ENVIRONMENTS)


def handed_on_by_aws(environment: str) -> dict[str, list[str]]:
    """By name, where it is asked for: rules that hold in the network."""
    told = recorded(f"{environment}-aws")
    held = {one.inputs["resolverRuleId"] for one in told.of_type(ASSOCIATION) if one.inputs["vpcId"] == told.outputs["network"]}
    rules = [one for one in told.of_type(RULE) if f"{one.name}-id" in held and one.inputs["ruleType"] == "FORWARD"]
    return {one.inputs["domainName"]: [target["ip"] for target in one.inputs["targetIps"]] for one in rules}


def handed_on_by_google(environment: str) -> dict[str, list[str]]:
    """The same: zones that are seen in the network, and have no records of their own."""
    told = recorded(f"{environment}-gcp")
    (network,) = told.of_type("gcp:compute/network:Network")
    found = {}
    for one in told.of_type(ZONE):
        if (config := one.inputs.get("forwardingConfig")) is not None:
            assert one.inputs["visibility"] == "private"
            seen = [place["networkUrl"] for place in one.inputs["privateVisibilityConfig"]["networks"]]
            assert [place.partition("/networks/")[2] for place in seen] == [network.outputs["name"]]
            assert {target["forwardingPath"] for target in config["targetNameServers"]} == {"private"}
            found[one.inputs["dnsName"].removesuffix(".")] = [target["ipv4Address"] for target in config["targetNameServers"]]
    return found


def resolver(environment: str) -> str:
    """Where Azure's answers, as Azure was told."""
    (door,) = recorded(f"{environment}-azure").of_type("azure-native:dnsresolver:InboundEndpoint")
    (one,) = door.inputs["ipConfigurations"]
    address: str = one["privateIpAddress"]
    return address


def is_found_everywhere(host: str, environment: str) -> bool:
    """From all three networks."""
    try:
        return IPv4Address(host).is_private
    except ValueError:
        pass
    there = [resolver(environment)]
    handed_on = (handed_on_by_aws(environment), handed_on_by_google(environment))
    return host.endswith(PUBLIC) or all(
        any(host.endswith(f".{zone}") and servers == there for zone, servers in one.items()) for one in handed_on
    )


@each
@pytest.mark.parametrize("cloud", Cloud)
def test_every_database_is_found_from_every_site(environment: str, cloud: Cloud) -> None:
    """A follower that cannot find the writer follows nobody, and no site could take over from it."""
    hosts = recorded(f"{environment}-{cloud}").outputs["database_hosts"]
    assert set(hosts) == {"payments", "vault"}
    assert [host for host in hosts.values() if not is_found_everywhere(host, environment)] == []


def test_a_name_that_nobody_hands_on_is_not_found() -> None:
    """A private one of a site's own, say."""
    assert not is_found_everywhere("payments.prod.trimaran.internal", "prod")
    assert not is_found_everywhere("8.8.8.8", "prod")
    assert not is_found_everywhere("wrongpostgres.database.azure.com", "prod")


@each
def test_the_key_at_azure_is_found_from_every_site(environment: str) -> None:
    """A card is wrapped with the keys of all three clouds. Its vault has an address inside alone, and a public name that leads there."""
    told = recorded(f"{environment}-azure")
    vault = told.one("azure-native:keyvault:Vault", "keys-wrapping")
    assert vault.inputs["properties"]["publicNetworkAccess"] == "Disabled"
    host = urlsplit(told.outputs["wrapping_key"]).hostname or ""
    assert host.startswith(f"{vault.inputs['vaultName']}.") and is_found_everywhere(host, environment)
    zones = {one.outputs["name"] for one in told.of_type("azure-native:privatedns:PrivateZone")}
    assert f"privatelink.{KEYS_AT_AZURE[1]}" in zones and any(zone.endswith(f".{DATABASES_AT_AZURE}") for zone in zones)


@each
def test_both_hand_on_the_same_names_and_nothing_else(environment: str) -> None:
    """Whatever is handed on too much depends on Azure from then on."""
    there = [resolver(environment)]
    assert handed_on_by_aws(environment) == handed_on_by_google(environment) == dict.fromkeys(ANSWERED_AT_AZURE, there)
    plan = read_settings(settings_of(f"{environment}-aws")).network.plan()
    assert there == [str(plan.sites[Cloud.AZURE].resolver_address)]


@each
def test_names_are_handed_on_from_every_zone_of_aws(environment: str) -> None:
    """By addresses that Azure lets in, through the guard that is made for it, and not from what the side door keeps free."""
    told = recorded(f"{environment}-aws")
    (asker,) = told.of_type(ENDPOINT)
    assert asker.inputs["direction"] == "OUTBOUND" and asker.inputs["securityGroupIds"] == ["sg-guards-resolver"]
    services = [f"subnet-network-service-{zone}" for zone in "abc"]
    assert [one["subnetId"] for one in asker.inputs["ipAddresses"]] == services
    assert {one.inputs["resolverEndpointId"] for one in told.of_type(RULE)} == {f"{asker.name}-id"}
    kept = {one.urn for one in told.of_type("aws:ec2/subnetCidrReservation:SubnetCidrReservation")}
    assert kept and kept <= set(asker.dependencies)


@each
def test_managed_servers_ask_the_networks_own_resolvers(environment: str) -> None:
    """RDS and Cloud SQL stand in networks of their vendors', whose resolvers know nothing of ours unless they are told."""
    for group in recorded(f"{environment}-aws").of_type("aws:rds/parameterGroup:ParameterGroup"):
        told = {one["name"]: (one["value"], one["applyMethod"]) for one in group.inputs["parameters"]}
        assert told["rds.custom_dns_resolution"] == ("1", "pending-reboot")
    google = recorded(f"{environment}-gcp")
    (handed_on,) = google.of_type("gcp:servicenetworking/peeredDnsDomain:PeeredDnsDomain")
    (network,) = google.of_type("gcp:compute/network:Network")
    assert handed_on.inputs["dnsSuffix"] == f"{DATABASES_AT_AZURE}." and handed_on.inputs["network"] == network.outputs["name"]
    (peering,) = google.of_type("gcp:servicenetworking/connection:Connection")
    assert peering.urn in handed_on.dependencies and peering.inputs["service"] == handed_on.inputs["service"]
