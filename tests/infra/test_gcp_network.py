"""Google's network: who may speak with whom, who gets out, and what is open to the world."""

from collections.abc import Mapping
from ipaddress import IPv4Network

import pytest

from infra.address_plan import SiteNetwork
from infra.services import AGENT, EDGE_DOOR, PROGRAMS, Service
from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra.recording import Recording, Resource, recorded
from tests.infra.stacks import settings_of

STACKS = ("dev-gcp", "prod-gcp")
FIREWALL = "gcp:compute/firewall:Firewall"
ANYWHERE = "0.0.0.0/0"

both = pytest.mark.parametrize("stack", STACKS)


def site(stack: str, cloud: Cloud = Cloud.GCP) -> SiteNetwork:
    """Its part of the address plan."""
    return read_settings(settings_of(stack)).network.plan().sites[cloud]


def environment(stack: str) -> str:
    """`dev` or `prod`."""
    return stack.partition("-")[0]


def accounts(stack: str) -> Mapping[str, str]:
    """Whose account it is, by address."""
    found = recorded(stack).of_type("gcp:serviceaccount/account:Account")
    return {one.outputs["email"]: one.inputs["accountId"].removeprefix(f"trimaran-{environment(stack)}-") for one in found}


def listeners(told: Recording) -> Mapping[str, str]:
    """What stands behind each private address: a balanced program, or `<service> database`."""
    balanced = {
        one.outputs["address"]: one.name.split("-")[2]
        for one in told.of_type("gcp:compute/address:Address")
        if one.inputs["addressType"] == "INTERNAL"
    }
    servers = told.of_type("gcp:sql/databaseInstance:DatabaseInstance")
    return {**balanced, **{one.outputs["privateIpAddress"]: f"{one.name.split('-')[2]} database" for one in servers}}


def allowed(stack: str, direction: str) -> tuple[Resource, ...]:
    """Rules that open something."""
    return tuple(
        one for one in recorded(stack).of_type(FIREWALL) if one.inputs["direction"] == direction and one.inputs.get("allows")
    )


def ways(stack: str) -> set[tuple[str, str, int]]:
    """Every way inside the site that is open: who, to whom, on which port."""
    names, behind = accounts(stack), listeners(recorded(stack))
    return {
        (names[account], behind[block.removesuffix("/32")], int(port))
        for rule in allowed(stack, "EGRESS")
        for account in rule.inputs["targetServiceAccounts"]
        for block in rule.inputs["destinationRanges"]
        if block.removesuffix("/32") in behind
        for allow in rule.inputs["allows"]
        for port in allow["ports"]
    }


@both
def test_programs_reach_what_the_list_names_and_nothing_else(stack: str) -> None:
    """One way too many, and who breaks into screening reads cards."""
    calls = {(str(one), str(callee), PROGRAMS[callee].port) for one, program in PROGRAMS.items() for callee in program.calls}
    dials = {(str(one), f"{database} database", 5432) for one, program in PROGRAMS.items() for database in program.databases}
    control = {("control", "payments database", 5432), ("control", "vault database", 5432), ("control", "edge", AGENT)}
    assert ways(stack) == calls | dials | control


@both
def test_who_is_not_named_sends_nothing_at_all(stack: str) -> None:
    """Screening asks nobody."""
    names = accounts(stack)
    senders = {names[account] for rule in allowed(stack, "EGRESS") for account in rule.inputs["targetServiceAccounts"]}
    assert senders == {"payments", "vault", "webhooks", "edge", "control"}


@both
def test_every_rule_that_opens_is_for_one_account_and_one_kind_of_connection(stack: str) -> None:
    """A rule without an account would be for whatever is put into this network some day."""
    for rule in (*allowed(stack, "EGRESS"), *allowed(stack, "INGRESS")):
        assert len(rule.inputs["targetServiceAccounts"]) == 1, rule.name
        assert {allow["protocol"] for allow in rule.inputs["allows"]} <= {"tcp", "udp"}, rule.name
        assert all(allow["ports"] for allow in rule.inputs["allows"]), rule.name
        assert rule.inputs["logConfig"] == {"metadata": "INCLUDE_ALL_METADATA"}


@both
def test_everything_else_is_closed_in_both_directions(stack: str) -> None:
    """What Google implies lets everything out."""
    closed = [one for one in recorded(stack).of_type(FIREWALL) if one.inputs.get("denies") == [{"protocol": "all"}]]
    last = {one.inputs["direction"]: one for one in closed if ANYWHERE in _ranges(one)}
    assert set(last) == {"INGRESS", "EGRESS"}
    weakest = max(rule.inputs["priority"] for rule in (*allowed(stack, "EGRESS"), *allowed(stack, "INGRESS")))
    assert all(one.inputs["priority"] > weakest for one in last.values())


@both
def test_only_those_that_ask_outside_get_there_and_443_only(stack: str) -> None:
    """And not to private addresses: those are closed before. The controller asks the zone's authorities what clients are told, too."""
    names = accounts(stack)
    out = [rule for rule in allowed(stack, "EGRESS") if ANYWHERE in rule.inputs["destinationRanges"]]
    opened = {
        (names[rule.inputs["targetServiceAccounts"][0]], allow["protocol"], port)
        for rule in out
        for allow in rule.inputs["allows"]
        for port in allow["ports"]
    }
    askers = {(who, "tcp", "443") for who in ("payments", "vault", "webhooks", "control")}
    assert opened == askers | {("control", protocol, "53") for protocol in ("tcp", "udp")}
    private = recorded(stack).one(FIREWALL, f"trimaran-{environment(stack)}-ways-no-private").inputs
    assert private["denies"] == [{"protocol": "all"}] and private["direction"] == "EGRESS"
    assert all(private["priority"] < rule.inputs["priority"] for rule in out)
    named = [rule for rule in allowed(stack, "EGRESS") if rule not in out]
    assert all(rule.inputs["priority"] < private["priority"] for rule in named)


@both
def test_whoever_wraps_reaches_azures_keys_before_private_addresses_are_closed(stack: str) -> None:
    """They have no public door: what is open to the outside comes after the refusal of all private addresses, and helps nobody."""
    azure, names = site(stack, Cloud.AZURE), accounts(stack)
    told = [rule for rule in allowed(stack, "EGRESS") if str(azure.endpoints) in rule.inputs["destinationRanges"]]
    opened = {
        (names[account], port) for rule in told for account in rule.inputs["targetServiceAccounts"] for port in _ports(rule)
    }
    assert opened == {(str(one), "443") for one, program in PROGRAMS.items() if program.asks_keys} != set()
    closed = [one.inputs["priority"] for one in recorded(stack).of_type(FIREWALL) if one.inputs.get("denies")]
    assert all(rule.inputs["priority"] < min(closed) for rule in told)


@both
def test_the_others_databases_edges_and_control_nodes_can_be_reached(stack: str) -> None:
    """Wherever the writer is, whoever hands over, whoever votes."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in allowed(stack, "EGRESS"):
        for account in rule.inputs["targetServiceAccounts"]:
            for port in rule.inputs["allows"][0]["ports"]:
                found.setdefault((accounts(stack)[account], port), set()).update(rule.inputs["destinationRanges"])
    for cloud in (Cloud.AWS, Cloud.AZURE):
        other = site(stack, cloud)
        for dialler in ("payments", "vault", "webhooks", "control"):
            assert str(other.databases) in found[dialler, "5432"]
        assert str(other.environment) in found["edge", f"{EDGE_DOOR}"] and str(other.environment) in found["control", f"{AGENT}"]
        node = f"{other.control_node}/32"
        assert node in found["edge", "2379"] and node in found["control", "2379"] and node in found["control", "2380"]
    assert f"{site(stack).control_node}/32" in found["edge", "2379"]


@both
def test_the_control_node_listens_to_etcds_members_and_readers_only(stack: str) -> None:
    """Nobody logs in there, from nowhere."""
    here, others = site(stack), [site(stack, one) for one in (Cloud.AWS, Cloud.AZURE)]
    edges = recorded(stack).one("gcp:compute/subnetwork:Subnetwork", f"trimaran-{environment(stack)}-network-edge")
    heard = {
        (port, block)
        for rule in allowed(stack, "INGRESS")
        for allow in rule.inputs["allows"]
        for port in allow["ports"]
        for block in rule.inputs["sourceRanges"]
    }
    members = {(port, f"{other.control_node}/32") for other in others for port in ("2379", "2380")}
    readers = {("2379", edges.inputs["ipCidrRange"]), *(("2379", str(other.environment)) for other in others)}
    assert heard == members | readers
    assert IPv4Network(edges.inputs["ipCidrRange"]).subnet_of(here.environment)


@both
def test_each_service_has_a_subnet_of_its_own_in_the_plan(stack: str) -> None:
    """Rules of other sites are about the plan's parts."""
    subnets = {one.name.split("-")[3]: one for one in recorded(stack).of_type("gcp:compute/subnetwork:Subnetwork")}
    assert set(subnets) == {*Service, "balancers", "control", "proxies"}
    blocks = {name: IPv4Network(one.inputs["ipCidrRange"]) for name, one in subnets.items()}
    here = site(stack)
    assert all(blocks[name].subnet_of(here.environment) for name in (*Service, "balancers"))
    assert blocks["control"] == here.control and blocks["proxies"] == here.proxies
    assert not any(one != other and blocks[one].overlaps(blocks[other]) for one in blocks for other in blocks)


@both
def test_every_flow_is_written_down(stack: str) -> None:
    """Of proxies Google writes none, but their balancers' requests are."""
    for one in recorded(stack).of_type("gcp:compute/subnetwork:Subnetwork"):
        if one.inputs["purpose"] == "PRIVATE":
            assert one.inputs["logConfig"]["flowSampling"] == 1 and one.inputs["logConfig"]["metadata"] == "INCLUDE_ALL_METADATA"
    backends = recorded(stack).of_type("gcp:compute/regionBackendService:RegionBackendService")
    assert len(backends) == 5 and all(one.inputs["logConfig"] == {"enable": True, "sampleRate": 1} for one in backends)
    (questions,) = recorded(stack).of_type("gcp:dns/policy:Policy")
    assert questions.inputs["enableLogging"] is True


@both
def test_who_leaves_does_so_from_one_static_address(stack: str) -> None:
    """Merchants and issuers let known addresses in."""
    (nat,) = recorded(stack).of_type("gcp:compute/routerNat:RouterNat")
    assert nat.inputs["natIpAllocateOption"] == "MANUAL_ONLY" and len(nat.inputs["natIps"]) == 1
    leavers = {one["name"].rpartition("-")[2] for one in nat.inputs["subnetworks"]}
    assert leavers == {"payments", "vault", "webhooks", "control"}


@both
def test_cloud_sql_is_lent_the_databases_part_and_told_the_way_to_the_others(stack: str) -> None:
    """Without the export no follower elsewhere gets a byte; without ABANDON the stack could never go while a server lives."""
    told, here = recorded(stack), site(stack)
    (lent,) = told.of_type("gcp:compute/globalAddress:GlobalAddress")
    assert IPv4Network(f"{lent.inputs['address']}/{lent.inputs['prefixLength']:.0f}") == here.databases
    assert lent.inputs["purpose"] == "VPC_PEERING"
    (peering,) = told.of_type("gcp:servicenetworking/connection:Connection")
    assert peering.inputs["deletionPolicy"] == "ABANDON" and peering.inputs["reservedPeeringRanges"] == [lent.name]
    (routes,) = told.of_type("gcp:compute/networkPeeringRoutesConfig:NetworkPeeringRoutesConfig")
    assert routes.inputs["exportCustomRoutes"] is True and routes.inputs["importCustomRoutes"] is False


@both
def test_nothing_is_public_but_443_at_the_door(stack: str) -> None:
    """Two public addresses: the door, and the one that connections leave from, where nothing listens."""
    told = recorded(stack)
    doors = told.of_type("gcp:compute/forwardingRule:ForwardingRule")
    public = [one for one in doors if one.inputs["loadBalancingScheme"] == "EXTERNAL_MANAGED"]
    assert [one.inputs["portRange"] for one in public] == ["443"]
    assert {one.inputs["loadBalancingScheme"] for one in doors} == {"EXTERNAL_MANAGED", "INTERNAL_MANAGED"}
    addresses = [one.name for one in told.of_type("gcp:compute/address:Address") if one.inputs["addressType"] == "EXTERNAL"]
    assert sorted(name.rpartition("-")[2] for name in addresses) == ["exit", "ingress"]


def _ports(rule: Resource) -> list[str]:
    return [port for allow in rule.inputs["allows"] for port in allow["ports"]]


def _ranges(rule: Resource) -> list[str]:
    return [*rule.inputs.get("destinationRanges", ()), *rule.inputs.get("sourceRanges", ())]
