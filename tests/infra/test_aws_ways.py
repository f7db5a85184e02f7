"""Who reaches whom at AWS: as `services.PROGRAMS` says, and nobody else."""

from ipaddress import IPv4Network
from string import ascii_letters, digits

import pytest

from infra.components.aws.ways import ANYBODY, GUARDED, Guarded, Way, ways
from infra.services import AGENT, DATABASES, EDGE_DOOR, ETCD_CLIENT, ETCD_PEER, HTTPS, PROGRAMS, STREAMED, Service, clients_of
from infra.settings import read_settings
from infra.topology import Cloud
from tests.infra.recording import Recording, recorded
from tests.infra.site_aws import EGRESS, GROUP, INGRESS, STACKS
from tests.infra.stacks import settings_of

PLAN = read_settings(settings_of("prod-aws")).network.plan()
AZURE, GCP = PLAN.sites[Cloud.AZURE], PLAN.sites[Cloud.GCP]
OTHERS = (AZURE, GCP)
SERVICES = tuple(one.value for one in Service)
Rule = tuple[str, str, int]
"""Guard, who is on the other side, port."""


def rules(recording: Recording, token: str, guard: str | None = None) -> set[Rule]:
    """What guards let through in one direction, by the guards' names."""
    names = {one.urn: one.name.removeprefix("guards-") for one in recording.of_type(GROUP)}
    ids = {f"sg-guards-{name}": name for name in names.values()}
    found = set()
    for one in recording.of_type(token):
        inputs = one.inputs
        (other,) = (inputs[key] for key in ("cidrIpv4", "referencedSecurityGroupId", "prefixListId") if key in inputs)
        assert inputs["fromPort"] == inputs["toPort"] and inputs["ipProtocol"] in ("tcp", "udp")
        found.add((ids[inputs["securityGroupId"]], ids.get(other, other), int(inputs["fromPort"])))
    return {rule for rule in found if guard in (None, rule[0])}


def test_services_reach_the_services_that_they_call_and_no_other() -> None:
    """From both sides."""
    recording = recorded("prod-aws")
    wanted = {(one.value, callee.value, PROGRAMS[callee].port) for one in Service for callee in PROGRAMS[one].calls}
    out = {rule for rule in rules(recording, EGRESS) if rule[0] in SERVICES and rule[1] in SERVICES}
    into = {(other, guard, port) for guard, other, port in rules(recording, INGRESS) if guard in SERVICES and other in SERVICES}
    assert wanted and out == into == wanted


def test_services_reach_their_own_databases_here_and_at_the_other_sites() -> None:
    """The writer may be anywhere."""
    out = {rule for rule in rules(recorded("prod-aws"), EGRESS) if rule[2] == STREAMED and rule[0] in SERVICES}
    dials = {(one.value, f"{of}-database", STREAMED) for of in DATABASES for one in clients_of(of)}
    assert out == dials | {(one, str(site.databases), STREAMED) for one, _, _ in dials for site in OTHERS}


@pytest.mark.parametrize("database", DATABASES)
def test_a_database_lets_in_who_dials_it_and_nobody_else(database: Service) -> None:
    """On one port."""
    found = rules(recorded("prod-aws"), INGRESS, f"{database}-database")
    within = {*(one.value for one in clients_of(database)), "control"}
    beyond = {str(part) for site in OTHERS for part in (site.databases, site.environment, IPv4Network(f"{site.control_node}/32"))}
    assert found == {(f"{database}-database", other, STREAMED) for other in within | beyond}


@pytest.mark.parametrize("database", DATABASES)
def test_a_database_goes_to_the_databases_that_it_may_follow_and_nowhere_else(database: Service) -> None:
    """Whoever gets into one carries nothing out."""
    found = rules(recorded("prod-aws"), EGRESS, f"{database}-database")
    assert found == {(f"{database}-database", str(site.databases), STREAMED) for site in OTHERS}


@pytest.mark.parametrize("service", Service)
def test_a_service_goes_where_its_program_says_and_nowhere_else(service: Service) -> None:
    """All of its ways, whatever the reason."""
    program, found = PROGRAMS[service], rules(recorded("prod-aws"), EGRESS, service.value)
    wanted = {("endpoints", HTTPS), ("pl-image-gateway", HTTPS)}
    wanted |= {(callee.value, PROGRAMS[callee].port or 0) for callee in program.calls}
    wanted |= {(f"{one}-database", STREAMED) for one in program.databases}
    wanted |= {(str(site.databases), STREAMED) for site in OTHERS if program.databases}
    wanted |= (
        {("control", ETCD_CLIENT), *((f"{site.control_node}/32", ETCD_CLIENT) for site in OTHERS)} if program.asks_etcd else set()
    )
    wanted |= {("0.0.0.0/0", HTTPS)} if program.asks_outside else set()
    wanted |= {(str(AZURE.endpoints), HTTPS)} if program.asks_keys else set()
    wanted |= {(str(site.environment), EDGE_DOOR) for site in OTHERS} if service is Service.EDGE else set()
    assert found == {(service.value, *way) for way in wanted}


@pytest.mark.parametrize("service", Service)
def test_a_service_lets_in_its_callers_and_an_edge_both_doors(service: Service) -> None:
    """Nobody else, from anywhere."""
    port = PROGRAMS[service].port
    wanted = {(one.value, port) for one in Service if service in PROGRAMS[one].calls}
    if service is Service.EDGE:
        wanted = {("door", port), ("side-door", EDGE_DOOR), ("side-door", AGENT)}
    assert rules(recorded("prod-aws"), INGRESS, service.value) == {(service.value, *way) for way in wanted}


def test_the_side_door_is_for_other_sites_edges_and_for_controllers() -> None:
    """Each on a port of their own."""
    found = rules(recorded("prod-aws"), INGRESS, "side-door")
    edges = {(str(site.environment), EDGE_DOOR) for site in OTHERS}
    controllers = {("control", AGENT), *((f"{site.control_node}/32", AGENT) for site in OTHERS)}
    assert found == {("side-door", *way) for way in edges | controllers}


def test_azures_resolver_is_asked_by_what_hands_names_on_and_by_nobody_else() -> None:
    """Over both protocols: an answer that is too long for the one comes by the other. Nobody opens anything towards it."""
    recording = recorded("prod-aws")
    there = f"{AZURE.resolver_address}/32"
    asked = [one for one in recording.of_type(EGRESS) if one.inputs.get("cidrIpv4") == there]
    assert rules(recording, EGRESS, "resolver") == {("resolver", there, 53)} and not rules(recording, INGRESS, "resolver")
    assert {one.inputs["securityGroupId"] for one in asked} == {"sg-guards-resolver"}
    assert {one.inputs["ipProtocol"] for one in asked} == {"tcp", "udp"}


def test_etcd_is_for_its_members_and_for_edges() -> None:
    """Peers are the other control nodes and nobody else."""
    found = rules(recorded("prod-aws"), INGRESS, "control")
    nodes = {(f"{site.control_node}/32", port) for site in OTHERS for port in (ETCD_CLIENT, ETCD_PEER)}
    readers = {("edge", ETCD_CLIENT), *((str(site.environment), ETCD_CLIENT) for site in OTHERS)}
    assert found == {("control", *way) for way in nodes | readers}


@pytest.mark.parametrize("stack", STACKS)
def test_only_the_door_lets_everybody_in_and_only_on_443(stack: str) -> None:
    """And only who asks outside goes everywhere."""
    recording = recorded(stack)
    assert {rule for rule in rules(recording, INGRESS) if rule[1] == "0.0.0.0/0"} == {("door", "0.0.0.0/0", HTTPS)}
    out = {rule for rule in rules(recording, EGRESS) if rule[1] == "0.0.0.0/0"}
    asking = {(one.value, "0.0.0.0/0", HTTPS) for one in Service if PROGRAMS[one].asks_outside}
    assert out == asking | {("control", "0.0.0.0/0", port) for port in (HTTPS, 53)}
    assert not any("cidrIpv6" in one.inputs for token in (INGRESS, EGRESS) for one in recording.of_type(token))


@pytest.mark.parametrize("stack", STACKS)
def test_guards_have_no_rules_but_those_of_the_list(stack: str) -> None:
    """A rule that stands in the group itself is seen by nobody who reads the list."""
    recording = recorded(stack)
    assert {one.name.removeprefix("guards-") for one in recording.of_type(GROUP)} == {one.name for one in GUARDED}
    assert not any({"ingress", "egress"} & set(one.inputs) for one in recording.of_type(GROUP))
    plan = read_settings(settings_of(stack)).network.plan()
    listed = ways(plan)
    assert len(recording.of_type(EGRESS)) == sum(isinstance(way.source, Guarded) for way in listed)
    assert len(recording.of_type(INGRESS)) == sum(
        isinstance(way.target, Guarded) and way.target.name != "images" for way in listed
    )


@pytest.mark.parametrize("why", ["", "another site's edge", "an edge → a service", "x" * 256])
def test_a_reason_that_aws_does_not_take_is_no_way(why: str) -> None:
    """It is the rule's description: two of five rules would be refused in the middle of an update, and the site closed to the others."""
    with pytest.raises(ValueError, match="AWS takes no rule"):
        Way(source=ANYBODY, target=Guarded("door"), port=HTTPS, why=why)


@pytest.mark.parametrize("stack", STACKS)
def test_every_rule_says_why_in_words_that_aws_takes(stack: str) -> None:
    """In EC2's letters, as they go over the wire: the reason's own check is not in the way of a rule that is made without one."""
    letters = frozenset(f"{ascii_letters}{digits}. _-:/()#,@[]+=&;{{}}!$*")
    told = [one.inputs["description"] for token in (EGRESS, INGRESS, GROUP) for one in recorded(stack).of_type(token)]
    assert told and [one for one in told if not 0 < len(one) < 256 or set(one) - letters] == []


def test_no_way_is_listed_twice() -> None:
    """AWS refuses the second."""

    def key(way: Way) -> tuple[object, ...]:
        return way.source, way.target, way.port, way.protocol

    listed = ways(PLAN)
    assert len({key(way) for way in listed}) == len(listed)
    assert all(way.source != ANYBODY or way.target.name == "door" for way in listed if isinstance(way.target, Guarded))


@pytest.mark.parametrize("stack", STACKS)
def test_who_says_nothing_gets_a_guard_that_lets_nothing_through(stack: str) -> None:
    """The network's own, which everything made by hand falls into."""
    (default,) = recorded(stack).of_type("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert default.inputs["ingress"] == [] and default.inputs["egress"] == []
