"""The network on Azure: what is open, and that nothing else is."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import pairwise
from typing import Any

import pytest

from infra.components.azure.ways import BALANCER, Ways, rules
from infra.private_names import GOOGLE_ASKS_FROM
from infra.services import PROGRAMS, Service
from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra.recording import recorded, recorded_live
from tests.infra.stacks import ROOT, settings_of

GUARD = "azure-native:network:NetworkSecurityGroup"
SUBNET = "azure-native:network:Subnet"
PLAN = read_settings(settings_of("prod-azure")).network.plan()
SITE = PLAN.sites[Cloud.AZURE]


def ways(programs: Mapping[Service, Any] = PROGRAMS) -> Ways:
    """Of the prod plan."""
    return Ways(plan=PLAN, programs=programs)


def allowed(guard: str) -> dict[str, Mapping[str, Any]]:
    """The rules of a subnet's group that let something through, by name."""
    found = recorded("prod-azure").one(GUARD, f"network-{guard}-guard").inputs["securityRules"]
    return {rule["name"]: rule for rule in found if rule["access"] == "Allow"}


def sources(rule: Mapping[str, Any]) -> set[str]:
    """Whoever may begin."""
    return set(rule.get("sourceAddressPrefixes") or [rule["sourceAddressPrefix"]])


def targets(rule: Mapping[str, Any]) -> set[str]:
    """Whoever may be asked."""
    return set(rule.get("destinationAddressPrefixes") or [rule["destinationAddressPrefix"]])


def ports(rule: Mapping[str, Any]) -> set[str]:
    """Where."""
    return set(rule.get("destinationPortRanges") or [rule["destinationPortRange"]])


def test_every_part_is_a_subnet_with_its_own_addresses() -> None:
    """And none of the site's addresses is in a part of another name."""
    found = {one.inputs["subnetName"]: one.inputs["addressPrefix"] for one in recorded("prod-azure").of_type(SUBNET)}
    assert found == {
        "AzureFirewallSubnet": "10.20.0.0/26",
        "GatewaySubnet": str(SITE.gateway),
        "environment": str(SITE.environment),
        "payments-database": str(SITE.database_zones[0]),
        "vault-database": str(SITE.database_zones[1]),
        "endpoints": str(SITE.endpoints),
        "control": str(SITE.control),
        "resolver": str(SITE.resolver),
    }


def test_subnets_are_written_one_after_the_other() -> None:
    """Azure refuses the second of two writes to one network."""
    made = recorded("prod-azure").of_type(SUBNET)
    assert all(before.urn in one.dependencies for before, one in pairwise(made))


@pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
def test_every_subnet_but_the_two_that_may_not_has_a_guard_and_no_way_out_of_its_own(stack: str) -> None:
    """A subnet without a group is open to the whole mesh."""
    for subnet in recorded(stack).of_type(SUBNET):
        assert subnet.inputs["defaultOutboundAccess"] is False
        unguarded = subnet.inputs["subnetName"] in {"AzureFirewallSubnet", "GatewaySubnet"}
        assert ("networkSecurityGroup" in subnet.inputs) is not unguarded


def test_only_programs_and_the_control_node_go_out() -> None:
    """A database that can open connections to anywhere can carry cards there."""
    out = {one.inputs["subnetName"] for one in recorded("prod-azure").of_type(SUBNET) if "natGateway" in one.inputs}
    assert out == {"environment", "control"}


@pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
def test_a_way_out_that_one_zone_carries_is_told_where_the_site_is_deployed(stack: str) -> None:
    """Its kind stands in one zone: whoever reads that zones do not share a way out at AWS would believe it of all three."""
    (gateway,) = recorded(stack).of_type("azure-native:network:NatGateway")
    assert gateway.inputs["sku"] == {"name": "Standard"} and "zones" not in gateway.inputs
    assert "**one zone carries Azure's way out**" in (ROOT / "docs" / "deploy.md").read_text()


@pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
def test_every_guard_ends_with_nothing(stack: str) -> None:
    """Azure's own rules behind it let a network speak with itself, and with every network it is joined to."""
    for guard in recorded(stack).of_type(GUARD):
        last = [rule for rule in guard.inputs["securityRules"] if rule["access"] == "Deny"]
        assert {rule["direction"] for rule in last} == {"Inbound", "Outbound"}
        for rule in last:
            assert (rule["priority"], rule["protocol"], rule["sourceAddressPrefix"]) == (4096, "*", "*")
            assert (rule["destinationAddressPrefix"], rule["destinationPortRange"]) == ("*", "*")


@pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
def test_nothing_comes_in_from_outside_through_any_guard(stack: str) -> None:
    """Clients come through the firewall, and stand behind its address. Google's resolver asks ours from addresses that are no network's own
    and come by the mesh: at the resolver, and nowhere else."""
    for guard in recorded(stack).of_type(GUARD):
        for rule in guard.inputs["securityRules"]:
            if rule["access"] == "Allow" and rule["direction"] == "Inbound":
                beside = {BALANCER, str(GOOGLE_ASKS_FROM)} if rule["name"] == "names" else {BALANCER}
                inside = sources(rule) - beside
                assert all(IPv4Network(one).subnet_of(IPv4Network("10.0.0.0/8")) for one in inside), rule["name"]
                assert str(GOOGLE_ASKS_FROM) not in beside or ports(rule) == {"53"}


def test_priorities_of_a_guard_differ() -> None:
    """Azure refuses two rules of one place."""
    for guard in recorded("prod-azure").of_type(GUARD):
        given = [(rule["direction"], rule["priority"]) for rule in guard.inputs["securityRules"]]
        assert len(set(given)) == len(given)


def test_no_rule_gives_several_of_what_azure_takes_one_of() -> None:
    """A star or a tag among several addresses is refused, at apply."""
    for guard in recorded("prod-azure").of_type(GUARD):
        for rule in guard.inputs["securityRules"]:
            several = [*rule.get("sourceAddressPrefixes", ()), *rule.get("destinationAddressPrefixes", ())]
            assert all(IPv4Network(one) for one in several)
            assert "*" not in rule.get("destinationPortRanges", ())


def test_databases_take_streams_and_logins_on_one_port_from_those_who_need_them() -> None:
    """The other two sites' databases, services and control nodes; this site's programs and control node; nobody else."""
    others = [PLAN.sites[Cloud.AWS], PLAN.sites[Cloud.GCP]]
    for service in ("payments", "vault"):
        taken = {name: rule for name, rule in allowed(f"{service}-database").items() if rule["direction"] == "Inbound"}
        assert set(taken) == {"programs", "streams", "controllers", "standby", "balancer"}
        assert sources(taken["programs"]) == {str(SITE.environment), *(str(zone) for one in others for zone in one.services)}
        assert sources(taken["streams"]) == {str(one.databases) for one in others}
        assert sources(taken["controllers"]) == {str(one.control_node) for one in PLAN.sites.values()}
        assert all(ports(taken[name]) == {"5432"} for name in ("programs", "streams", "controllers"))


def test_databases_open_connections_to_the_other_databases_and_to_azure_alone() -> None:
    """Whoever gets into one gets no further."""
    out = {name: targets(rule) for name, rule in allowed("payments-database").items() if rule["direction"] == "Outbound"}
    assert out == {
        "follows": {str(PLAN.sites[Cloud.AWS].databases), str(PLAN.sites[Cloud.GCP].databases)},
        "standby-out": {str(SITE.database_zones[0])},
        "log": {"Storage"},
        "identity": {"AzureActiveDirectory"},
        "key": {"AzureKeyVault"},
    }


def test_the_two_services_databases_do_not_reach_each_other() -> None:
    """Cards stand in one, and everybody's payments in the other."""
    for one, other in ((0, 1), (1, 0)):
        for rule in allowed(f"{('payments', 'vault')[one]}-database").values():
            assert str(SITE.database_zones[other]) not in {*sources(rule), *targets(rule)}
            assert str(SITE.databases) not in {*sources(rule), *targets(rule)}


def test_programs_are_asked_by_the_firewall_by_other_edges_and_by_controllers() -> None:
    """Each at its own port; the further range is Azure's own, see `ways.NODE_PORTS`."""
    taken = {name: rule for name, rule in allowed("environment").items() if rule["direction"] == "Inbound"}
    assert set(taken) == {"clients", "handed-over", "agents", "balancer", "own"}
    assert sources(taken["clients"]) == {"10.20.0.0/26"} and "8443" in ports(taken["clients"])
    assert "8444" in ports(taken["handed-over"]) and "8445" in ports(taken["agents"])
    assert not sources(taken["handed-over"]) & {str(SITE.environment), str(SITE.databases)}
    assert sources(taken["agents"]) == {str(one.control_node) for one in PLAN.sites.values()}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"databases": ()}, {"databases"}),
        ({"asks_etcd": False}, {"posture"}),
    ],
)
def test_a_way_that_no_program_needs_is_closed(change: dict[str, Any], gone: set[str]) -> None:
    """The list of programs is where ways are opened, and nowhere else."""
    programs = {service: replace(program, **change) for service, program in PROGRAMS.items()}
    before = {way.name for way in ways().environment()}
    after = {way.name for way in ways(programs).environment()}
    assert before - after == gone and after < before


def test_without_an_edge_nobody_knocks() -> None:
    """A site of services alone has no door at all."""
    programs = {service: program for service, program in PROGRAMS.items() if not program.is_public}
    names = {way.name for way in ways(programs).environment() if way.direction == "Inbound"}
    assert names == {"balancer", "own"}


def test_where_nobody_asks_outside_azure_itself_is_all_that_is_asked() -> None:
    """The environment's own machinery needs that much."""
    programs = {service: replace(program, asks_outside=False) for service, program in PROGRAMS.items()}
    (outside,) = (way for way in ways(programs).environment() if way.name == "outside")
    assert outside.targets == ("AzureCloud",)
    (outside,) = (way for way in ways().environment() if way.name == "outside")
    assert outside.targets == ("Internet",) and outside.ports == ("443",)


def test_a_database_that_no_program_dials_is_asked_by_none() -> None:
    """Streams and controllers stay."""
    programs = {service: replace(program, databases=()) for service, program in PROGRAMS.items()}
    assert "programs" in {way.name for way in ways().database(Service.VAULT)}
    assert "programs" not in {way.name for way in ways(programs).database(Service.VAULT)}


def test_other_sites_reach_the_wrapping_key_only_while_somebody_wraps() -> None:
    """The endpoints are this site's otherwise."""
    programs = {service: replace(program, asks_keys=False) for service, program in PROGRAMS.items()}
    assert {way.name for way in ways().endpoints()} == {"site", "vaults"}
    assert {way.name for way in ways(programs).endpoints()} == {"site"}


def test_nobody_logs_in_to_the_control_node_over_the_network() -> None:
    """etcd's two ports, and nothing else."""
    taken = {name: rule for name, rule in allowed("control").items() if rule["direction"] == "Inbound"}
    assert {port for rule in taken.values() for port in ports(rule)} == {"2379", "2380"}
    assert ports(taken["posture"]) == {"2379"}
    assert sources(taken["members"]) == {str(PLAN.sites[one].control_node) for one in (Cloud.AWS, Cloud.GCP)}


def test_rules_of_no_ways_refuse_everything() -> None:
    """What a part starts from."""
    assert [rule.access for rule in rules(())] == ["Deny", "Deny"]


def test_the_firewall_passes_port_443_of_one_address_to_the_environment() -> None:
    """And there is no other rule, nor another public address that anything listens on."""
    stack = recorded("prod-azure")
    (group,) = stack.of_type("azure-native:network:FirewallPolicyRuleCollectionGroup")
    (collection,) = group.inputs["ruleCollections"]
    (rule,) = collection["rules"]
    assert collection["action"] == {"type": "DNAT"} and rule["ipProtocols"] == ["TCP"]
    assert (rule["destinationAddresses"], rule["destinationPorts"]) == (["192.0.2.20"], ["443"])
    assert (rule["translatedAddress"], rule["translatedPort"]) == ("10.20.31.250", "8443")
    (firewall,) = stack.of_type("azure-native:network:AzureFirewall")
    (door,) = firewall.inputs["ipConfigurations"]
    assert door["publicIPAddress"]["id"].endswith("/trimaran-prod-clients")
    assert firewall.inputs["zones"] == ["1", "2", "3"]
    addresses = stack.of_type("azure-native:network:PublicIPAddress")
    assert {one.name for one in addresses} == {"ingress-address", "network-outside"}
    for one in addresses:
        assert (one.inputs["publicIPAllocationMethod"], one.inputs["sku"]["name"]) == ("Static", "Standard")


@pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
def test_nothing_of_the_vendor_has_a_public_door(stack: str) -> None:
    """Vaults, registry, records and the environment are reached from inside, or through Azure's own interface."""
    kinds = {
        "app:ManagedEnvironment": None,
        "containerregistry:Registry": None,
        "dbforpostgresql:Server": "network",
        "keyvault:Vault": "properties",
        "storage:StorageAccount": None,
    }
    for kind, part in kinds.items():
        given = [one.inputs if part is None else one.inputs[part] for one in recorded_live(stack).of_type(f"azure-native:{kind}")]
        assert given and {one["publicNetworkAccess"] for one in given} == {"Disabled"}, kind
    (environment,) = recorded_live(stack).of_type("azure-native:app:ManagedEnvironment")
    assert environment.inputs["vnetConfiguration"]["internal"] is True


def test_private_names_are_answered_in_the_network_and_whoever_hands_on_is_let_in() -> None:
    """A server whose zone is not linked is found by nobody. That the other sites hand anything on is shown by `test_private_names.py`."""
    stack = recorded("prod-azure")
    zones = {one.outputs["name"] for one in stack.of_type("azure-native:privatedns:PrivateZone")}
    linked = {one.inputs["privateZoneName"] for one in stack.of_type("azure-native:privatedns:VirtualNetworkLink")}
    assert zones == linked and "trimaran-prod.private.postgres.database.azure.com" in zones
    (door,) = stack.of_type("azure-native:dnsresolver:InboundEndpoint")
    (address,) = door.inputs["ipConfigurations"]
    assert address["privateIpAddress"] == str(SITE.resolver_address)
    names = allowed("resolver")
    services = {str(zone) for zone in PLAN.sites[Cloud.AWS].services}
    assert sources(names["names"]) == services | {"35.199.192.0/19"} and ports(names["names"]) == {"53"}
    assert names["names"]["protocol"] == "*" and targets(names["names"]) == {str(SITE.resolver)}


def test_every_private_endpoint_is_named_in_the_zone_of_its_kind() -> None:
    """Without its name the vendor's public one leads outside, where the door is shut."""
    stack = recorded("prod-azure")
    zone_of = {"vault": "vaultcore", "registry": "azurecr", "blob": "blob"}
    named = {one.inputs["privateEndpointName"]: one for one in stack.of_type("azure-native:network:PrivateDnsZoneGroup")}
    for endpoint in stack.of_type("azure-native:network:PrivateEndpoint"):
        (connection,) = endpoint.inputs["privateLinkServiceConnections"]
        (zone,) = named[endpoint.outputs["name"]].inputs["privateDnsZoneConfigs"]
        assert zone_of[connection["groupIds"][0]] in zone["privateDnsZoneId"]
        assert endpoint.inputs["subnet"]["id"].endswith("/subnets/endpoints")
