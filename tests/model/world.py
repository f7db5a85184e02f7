"""Three databases, etcd, and what is under way between them: everything that may happen next, and its name.

Who dies takes no further step, and who is cut off is not asked: a search over every order of steps contains every such fault. Faults
that do something are steps of their own: a call that arrives late, an answer that never does, a node's own in-cloud failover.

Order of what is generated never depends on hashes, so traces and counts are the same in every run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from controller.core.invariants import Breach
from controller.core.model import Site
from controller.core.plans import PlanKind
from tests.model import server
from tests.model.calls import Call, Label, calls, moves, perform
from tests.model.control import Control, claimed, founded, given_up, nobody_answers, proposals
from tests.model.node import (
    ENABLED,
    FOLLOWER,
    NUMBERS,
    SITES,
    WRITER,
    Entry,
    Item,
    Node,
    Slot,
    Stream,
    change,
    intern,
    keys,
    mask,
    members,
)
from tests.model.safeguards import Rules

FOUNDER = SITES.index(Site("azure"))


class Budget(NamedTuple):
    """What may still go wrong, or be asked for."""

    takeovers: int = 0
    upkeep: int = 0
    in_cloud: tuple[int, ...] = ()
    """Sites that may still have an in-cloud failover, once each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The bounds of one search; within them, every order of every step."""

    about: str
    budget: Budget
    payments: int = 1
    epochs: int = 2
    """The highest epoch that may be claimed."""
    members: tuple[int, ...] = (0, 2)
    kinds: frozenset[PlanKind] = frozenset({PlanKind.FAILOVER})
    in_flight: int = 0
    """Calls that may be under way although nobody waits for them."""
    late_tries: bool = False
    """Not only a replaced owner leaves calls behind: a try whose answer was lost arrives after the second one succeeded."""
    left_behind: bool = True
    """A sibling may stay silent, and be left for a reseed, at any time."""
    two_phases: bool = False
    """A payment that passed the guard may stay open."""
    gives_up: bool = False


class World(NamedTuple):
    """Everything that is true at one moment."""

    nodes: tuple[Node, ...]
    acked: tuple[tuple[Item, int, int], ...]
    """The client's record: payment, who acknowledged, in which epoch."""
    control: Control
    token: int
    """How often a plan has been taken."""
    flying: tuple[Call, ...]
    budget: Budget
    breaches: tuple[Breach, ...] = ()
    """What a step, and no state, shows to be broken."""


def first_world(scenario: Scenario, rules: Rules) -> World:
    """As founded: one writer, two followers that hold its marker, those of the scenario counted."""
    marker = Entry(Item(0, FOUNDER, 1, 0), None, 0)
    followers = [site for site in NUMBERS if site != FOUNDER]
    held = int(rules.markers)
    log = (marker,) * held
    counted = frozenset(SITES[site] for site in scenario.members)
    slots = tuple(Slot(site, 1, held) for site in followers)
    writer = intern(role=WRITER, epoch=1, ack=mask(counted), log=log, slots=slots)
    stream = Stream(FOUNDER, 1, ENABLED, held, 0)
    came = tuple(Entry(entry.item, (FOUNDER, 1), 1) for entry in log)
    follower = intern(role=FOLLOWER, epoch=1, log=came, streams=(stream,))
    nodes = tuple(writer if site == FOUNDER else follower for site in NUMBERS)
    return World(nodes, (), founded(counted, SITES[FOUNDER]), 0, (), scenario.budget)


def successors(world: World, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    """Everything that may happen next."""
    for label, after in _raw(world, scenario, rules):
        yield label, tidy(after, rules)


def _raw(world: World, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    for site in NUMBERS:
        yield from _clients(world, site, scenario, rules)
        yield from _streams(world, site)
        yield from _in_cloud(world, site, rules)
    yield from _arrivals(world, rules)
    yield from _owner(world, scenario, rules)
    yield from _claims(world, scenario, rules)


def replaced(world: World, site: int, node: Node) -> World:
    """The same world but for one node."""
    return world._replace(nodes=(*world.nodes[:site], node, *world.nodes[site + 1 :]))


# ---------------------------------------------------------------------------------------------------- data


def _clients(world: World, site: int, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    node, at = world.nodes[site], SITES[site]
    if node.admitted:
        yield (
            ("payment {} commits on {}", str(node.admitted), at),
            replaced(world, site, server.commit(node, site, node.admitted)),
        )
    elif server.admits(node, rules):
        yield from _pays(world, site, scenario)
    if not node.waits:
        return
    for poll in (None, *node.polls):
        told = server.reached(node, rules, poll)
        if told:
            epoch = node.epoch if poll is None else poll.epoch
            seen = "" if poll is None else ", by a poll that saw the row as it was before"
            acked = tuple(sorted({*world.acked, *((one.item, site, epoch) for one in told)}))
            said = " and ".join(str(one.item.key) for one in told)
            yield ("{} ACKNOWLEDGES payment {} in epoch {}{}", at, said, str(epoch), seen), world._replace(acked=acked)


def _pays(world: World, site: int, scenario: Scenario) -> Iterator[tuple[Label, World]]:
    node, at = world.nodes[site], SITES[site]
    told = {item.key for item, _, _ in world.acked}
    begun = told.union(*(keys(one) for one in world.nodes), (one.admitted for one in world.nodes))
    held, waiting = keys(node), {one.item for one in node.waits}
    for key in range(1, scenario.payments + 1):
        if key in told or key in held or (key > 1 and key - 1 not in begun):
            continue
        if scenario.two_phases:
            yield ("payment {} passes the guard of {}", str(key), at), replaced(world, site, change(node, admitted=key))
        else:
            yield ("payment {} commits on {}", str(key), at), replaced(world, site, server.commit(node, site, key))
    for entry in node.log:
        if entry.item.key > 0 and entry.item.key not in told and entry.item not in waiting:
            again = ("payment {} is asked for again on {}, found, and waits", str(entry.item.key), at)
            yield again, replaced(world, site, server.found(node, entry.item))


def _streams(world: World, site: int) -> Iterator[tuple[Label, World]]:
    node = world.nodes[site]
    for which, stream in enumerate(node.streams):
        moved = server.apply(site, node, which, world.nodes[stream.publisher])
        if moved is not None:
            after = replaced(replaced(world, site, moved[0]), stream.publisher, moved[1])
            what = "copies the ledger of" if stream.copied < 0 else "applies and confirms the next transaction of"
            late = "" if stream.worker == ENABLED else ", though its stream is disabled"
            yield (f"{{}} {what} {{}} in epoch {{}}{late}", SITES[site], SITES[stream.publisher], str(stream.epoch)), after


def _in_cloud(world: World, site: int, rules: Rules) -> Iterator[tuple[Label, World]]:
    node = world.nodes[site]
    if site not in world.budget.in_cloud:
        return
    spent = world._replace(budget=world.budget._replace(in_cloud=tuple(one for one in world.budget.in_cloud if one != site)))
    if node.log:
        lost = ("{} fails over inside its cloud and loses its last transaction", SITES[site])
        yield lost, replaced(spent, site, server.fail_over_in_cloud(node, rules, True, False))
        grown = ("{} fails over inside its cloud, loses its last transaction, and has other log in its place", SITES[site])
        yield grown, replaced(spent, site, server.fail_over_in_cloud(node, rules, True, True))
    kept = ("{} fails over inside its cloud", SITES[site])
    yield kept, replaced(spent, site, server.fail_over_in_cloud(node, rules, False, False))


# ---------------------------------------------------------------------------------------------------- control


def _arrivals(world: World, rules: Rules) -> Iterator[tuple[Label, World]]:
    """Calls that nobody waits for any more run whenever they arrive."""
    for number, call in enumerate(world.flying):
        rest = world._replace(flying=(*world.flying[:number], *world.flying[number + 1 :]))
        done = perform(world.nodes, call, rules)
        if done is None:
            yield ("LATE: {} is refused", str(call)), rest
        else:
            yield ("LATE: {}", str(call)), rest._replace(nodes=done.nodes)


def _owner(world: World, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    """The plan's owner takes one step further."""
    for said, moved in moves(world.nodes, world.control, world.token, rules, left_behind=scenario.left_behind):
        breaches = (*world.breaches, *moved.breaches)
        after = world._replace(nodes=moved.nodes, control=moved.control, breaches=breaches)
        yield said, after
        if scenario.late_tries:
            yield from _left_in_flight(world, after, said, scenario, rules)
    silent = nobody_answers(world.control)
    if silent is not None:
        yield ("nobody else answers the cut",), world._replace(control=silent)


def _left_in_flight(world: World, after: World, said: Label, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    """A call that the owner had sent for a step it no longer waits for is still under way."""
    if len(world.flying) >= scenario.in_flight:
        return
    kept = calls(after.nodes, after.control, after.token, rules)
    for call in calls(world.nodes, world.control, world.token, rules):
        if call not in kept:
            flies = (f"{said[0]}; still under way: {{}}", *said[1:], str(call))
            yield flies, after._replace(flying=(*after.flying, call))


def _claims(world: World, scenario: Scenario, rules: Rules) -> Iterator[tuple[Label, World]]:
    """Other controllers claim, and take over."""
    found: list[tuple[Label, World]] = []
    control, budget = world.control, world.budget
    taken = world._replace(token=world.token + 1)
    for kind, said, proposal in proposals(control, scenario.kinds, scenario.epochs):
        upkeep = kind not in {PlanKind.FAILOVER, PlanKind.SWITCHOVER}
        if upkeep and not budget.upkeep:
            continue
        spent = budget._replace(upkeep=budget.upkeep - upkeep)
        found.append((("a controller claims {}", said), taken._replace(control=claimed(control, proposal, rules), budget=spent)))
    if control.plan is not None and budget.takeovers:
        spent = budget._replace(takeovers=budget.takeovers - 1)
        found.append((("another controller takes the plan over",), taken._replace(budget=spent)))
    ended = given_up(control) if scenario.gives_up else None
    if ended is not None:
        found.append((("the plan is given up",), taken._replace(control=ended)))
    for said, after in found:
        yield said, after
        yield from _left_in_flight(world, after, said, scenario, rules)
    if not rules.forward and control.plan is not None:
        yield from _undone(world)


def _undone(world: World) -> Iterator[tuple[Label, World]]:
    """Variant: the owner goes backwards, and lets a cut member stream again."""
    plan = world.control.plan
    assert plan is not None
    for position in plan.positions:
        site = SITES.index(position.site)
        node = world.nodes[site]
        back = tuple(one._replace(worker=ENABLED) if one.epoch == world.control.posture.reign else one for one in node.streams)
        if back != node.streams:
            yield ("an owner undoes the cut of {}", SITES[site]), replaced(world, site, change(node, streams=back))


# ---------------------------------------------------------------------------------------------------- what no longer matters


def tidy(world: World, rules: Rules) -> World:
    """Forget what nothing can tell apart any more: payments that were answered or cannot be, polls that know nobody, calls that would be
    refused, and differences between tokens that no call in the world lies between."""
    told = frozenset(item.key for item, _, _ in world.acked)
    flying = world.flying
    if flying:
        alive = [call for call in flying if not (rules.token and world.nodes[call.site].token > call.token)]
        flying = tuple(sorted(alive, key=str))
    live = tuple(sorted({world.token, *(call.token for call in flying)}))
    nodes = tuple(_tidied(node, rules, told, live) for node in world.nodes)
    return World(nodes, world.acked, world.control, world.token, flying, world.budget, world.breaches)


_tidy: dict[tuple[Node, Rules, frozenset[int], tuple[int, ...]], Node] = {}


def _tidied(node: Node, rules: Rules, told: frozenset[int], live: tuple[int, ...]) -> Node:
    known = _tidy.get((node, rules, told, live))
    if known is None:
        token = min((one for one in live if one >= node.token), default=node.token) if rules.token else node.token
        row = {node.epoch} if node.role == WRITER else set()
        waits = tuple(
            one
            for one in node.waits
            if one.item.key not in told
            and (one.timeline == node.timeline or not rules.pin_barrier)
            and one.epoch in {*row, *(poll.epoch for poll in node.polls)}
        )
        polls = {poll._replace(known=tuple(one for one in poll.known if one in waits)) for poll in node.polls}
        polls = {poll for poll in polls if poll.known or not rules.poll_rule}
        known = change(node, token=token, waits=waits, polls=tuple(sorted(polls)))
        _tidy[node, rules, told, live] = known
    return known


def in_office(node: Node, rules: Rules) -> bool:
    """Would it take a payment?"""
    return server.admits(node, rules)


def counted(node: Node) -> frozenset[Site]:
    """Whose confirmation counts in this node's row."""
    return frozenset(SITES[site] for site in members(node.ack))
