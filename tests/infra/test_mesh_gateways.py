"""The mesh's gateways: kept, logged, known to the networks behind them."""

import pytest

from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra.golden import counted, kept
from tests.infra.recording import record
from tests.infra.sites import DOMAINS, LOG, NETWORK, WORKSPACE, on_sites, published
from tests.infra.stacks import settings_of

STACKS = ("dev-interconnect", "prod-interconnect")

KEPT = {
    "aws:ec2/vpnGateway:VpnGateway",
    "azure-native:network:PublicIPAddress",
    "azure-native:network:VirtualNetworkGateway",
    "gcp:compute/haVpnGateway:HaVpnGateway",
    "gcp:compute/router:Router",
}
"""A gateway that is made anew has other addresses, and the other two clouds know the old ones."""


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_stack_has_is_what_the_repository_says(stack: str) -> None:
    """Counted by type."""
    assert counted(on_sites(stack)) == kept(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_gateways_are_protected_and_nothing_else_is(stack: str) -> None:
    """Tunnels are changed by being replaced."""
    assert {one.type for one in on_sites(stack).resources if one.protect} == KEPT
    assert all(one.protect for one in on_sites(stack).resources if one.type in KEPT)


@pytest.mark.parametrize("stack", STACKS)
def test_azure_is_given_the_time_it_needs(stack: str) -> None:
    """A gateway takes 45 minutes and more; Pulumi would give up and leave one behind."""
    recording = on_sites(stack)
    for token in ("azure-native:network:VirtualNetworkGateway", "azure-native:network:VirtualNetworkGatewayConnection"):
        assert all(dict(one.timeouts) == {"create": "90m", "update": "90m", "delete": "90m"} for one in recording.of_type(token))


@pytest.mark.parametrize("stack", STACKS)
def test_both_of_azures_instances_work_in_all_zones(stack: str) -> None:
    """With one in reserve, its tunnels are down for as long as it takes over."""
    recording = on_sites(stack)
    (gateway,) = recording.of_type("azure-native:network:VirtualNetworkGateway")
    publics = recording.of_type("azure-native:network:PublicIPAddress")
    assert gateway.inputs["activeActive"] is True and gateway.inputs["enableBgp"] is True
    assert gateway.inputs["sku"] == {"name": "VpnGw2AZ", "tier": "VpnGw2AZ"}
    ends = [one["publicIPAddress"]["id"].rpartition("/")[2] for one in gateway.inputs["ipConfigurations"]]
    assert sorted(ends) == sorted(one.inputs["publicIpAddressName"] for one in publics) and len(ends) == 2
    assert {one["subnet"]["id"] for one in gateway.inputs["ipConfigurations"]} == {f"{NETWORK}/subnets/GatewaySubnet"}
    assert all(one.inputs["zones"] == ["1", "2", "3"] and one.inputs["publicIPAllocationMethod"] == "Static" for one in publics)
    own = gateway.outputs["name"]
    for speaker in gateway.inputs["bgpSettings"]["bgpPeeringAddresses"]:
        assert f"/virtualNetworkGateways/{own}/ipConfigurations/" in speaker["ipconfigurationId"]
        assert len(speaker["customBgpIpAddresses"]) == 4


@pytest.mark.parametrize("stack", STACKS)
def test_the_range_of_cloud_sql_is_told_to_the_others(stack: str) -> None:
    """It is no subnet of the network, and a router tells of subnets."""
    (router,) = on_sites(stack).of_type("gcp:compute/router:Router")
    site = read_settings(settings_of(stack)).network.plan().sites[Cloud.GCP]
    assert router.inputs["bgp"]["advertiseMode"] == "CUSTOM" and router.inputs["bgp"]["advertisedGroups"] == ["ALL_SUBNETS"]
    assert [one["range"] for one in router.inputs["bgp"]["advertisedIpRanges"]] == [str(site.databases), "35.199.192.0/19"]


def test_every_route_table_of_the_network_learns_the_ways() -> None:
    """However many the site has; the same table keeps its propagation when another one comes."""
    stack = "prod-interconnect"
    for tables in (["rtb-1"], ["rtb-5", "rtb-2", "rtb-4", "rtb-1"]):
        recording = record(stack, stacks=published("prod", DOMAINS["prod"], aws={"routes": tables}))
        (gateway,) = recording.of_type("aws:ec2/vpnGateway:VpnGateway")
        learning = recording.of_type("aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation")
        assert sorted(one.inputs["routeTableId"] for one in learning) == sorted(tables)
        assert {one.inputs["vpnGatewayId"] for one in learning} == {f"{gateway.name}-id"}


@pytest.mark.parametrize("stack", STACKS)
def test_every_tunnel_is_logged_where_the_site_keeps_its_records(stack: str) -> None:
    """Google does so by itself."""
    recording = on_sites(stack)
    for one in recording.of_type("aws:ec2/vpnConnection:VpnConnection"):
        for tunnel in ("tunnel1LogOptions", "tunnel2LogOptions"):
            options = one.inputs[tunnel]["cloudwatchLogOptions"]
            assert options["logEnabled"] is True and options["bgpLogEnabled"] is True
            assert {options["logGroupArn"], options["bgpLogGroupArn"]} == {LOG}
    (gateway,) = recording.of_type("azure-native:network:VirtualNetworkGateway")
    (log,) = recording.of_type("azure-native:monitor:DiagnosticSetting")
    assert log.inputs["resourceUri"].endswith(f"/virtualNetworkGateways/{gateway.outputs['name']}")
    assert log.inputs["workspaceId"] == WORKSPACE
    assert log.inputs["logs"] == [{"enabled": True, "categoryGroup": "allLogs"}]


@pytest.mark.parametrize("stack", STACKS)
def test_aws_keeps_its_copy_of_the_keys_where_listing_does_not_show_them(stack: str) -> None:
    """Who may describe a connection could read its keys, otherwise."""
    found = on_sites(stack).of_type("aws:ec2/vpnConnection:VpnConnection")
    assert {
        one.inputs["preshared_key_storage" if "preshared_key_storage" in one.inputs else "presharedKeyStorage"] for one in found
    } == {"SecretsManager"}


@pytest.mark.parametrize("stack", STACKS)
def test_names_at_the_vendors_carry_the_environment(stack: str) -> None:
    """Two environments may share a subscription in a trial."""
    environment = stack.partition("-")[0]
    named = (
        "name",
        "publicIpAddressName",
        "virtualNetworkGatewayName",
        "localNetworkGatewayName",
        "virtualNetworkGatewayConnectionName",
    )
    for one in on_sites(stack).resources:
        for key in named:
            assert str(one.inputs.get(key, f"trimaran-{environment}-")).startswith(f"trimaran-{environment}-"), one.urn


@pytest.mark.parametrize("stack", STACKS)
def test_everything_is_made_by_a_provider_that_knows_its_account(stack: str) -> None:
    """A default one would take whatever the shell is logged in to."""
    recording = on_sites(stack)
    assert all(one.provider for one in recording.resources if one.custom and not one.type.startswith("pulumi:"))
    (provider,) = recording.of_type("pulumi:providers:aws")
    assert provider.inputs["allowedAccountIds"], provider.inputs


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_published_counts_the_sessions_that_are_there(stack: str) -> None:
    """Who comes after the mesh waits for all of it."""
    recording = on_sites(stack)
    assert recording.outputs["tunnels"] == {"aws-azure": 4, "aws-gcp": 4, "azure-gcp": 4}
    assert set(recording.outputs) == {"contract", "tunnels"}


def test_a_mesh_before_its_sites_says_whom_it_waits_for() -> None:
    """By the command that helps."""
    with pytest.raises(AssertionError, match=r"prod-(aws|azure|gcp) has published nothing: run `pulumi up --stack"):
        record("prod-interconnect", stacks={})
