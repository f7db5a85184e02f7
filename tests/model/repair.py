"""Liveness: from every world that a search reached, does some course of repairs and steps lead to a writer that acknowledges?

The course is one of many: everybody answers again, what is under way arrives, followers apply what they can, and a controller takes
the plan over and does what upkeep would do (`controller/core/upkeep.py`). One that gets there is proof enough; where this one does not,
the world is counted as stuck, and a test says why it may be.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from controller.core.model import Trigger
from controller.core.plans import Phase, PlanKind
from controller.core.proposals import Failover, Grow, Proposal, Return, SettleUp, Shrink
from tests.model import server
from tests.model.calls import moves, perform
from tests.model.control import claimed, nobody_answers
from tests.model.node import ENABLED, FOLLOWER, NUMBERS, SITES, WRITER, change, confirmed, stream_of
from tests.model.promises import acknowledges
from tests.model.safeguards import Rules
from tests.model.world import World, replaced

LONGEST = 300
"""Steps after which a course is given up; none that succeeds needs half of them."""
MOST_CLAIMS = 4
"""New reigns that a course may begin."""


@dataclass(slots=True)
class Repairs:
    """Worlds that are known to come to a writer that acknowledges."""

    rules: Rules
    good: set[World] = field(default_factory=set)

    def stuck(self, worlds: Iterable[World]) -> list[World]:
        """Those from which the course does not get there."""
        return [world for world in worlds if not self.gets_there(world)]

    def gets_there(self, world: World) -> bool:
        """Walk the course."""
        path: list[World] = []
        now: World | None = quiet(world, self.rules)
        claims = now.control.posture.epoch + MOST_CLAIMS
        while now is not None and len(path) < LONGEST and now.control.posture.epoch <= claims:
            path.append(now)
            if now in self.good or acknowledges(now, self.rules):
                self.good.update(path)
                return True
            now = _next(now, self.rules)
        return False


def quiet(world: World, rules: Rules) -> World:
    """No client waits, and whatever was under way has arrived. The next step is another owner's, with a newer token."""
    nodes = world.nodes
    for call in world.flying:
        done = perform(nodes, call, rules)
        nodes = nodes if done is None else done.nodes
    calm = tuple(change(change(node, waits=(), admitted=0), polls=()) for node in nodes)
    return world._replace(
        nodes=calm, flying=(), acked=(), token=world.token + 1, budget=world.budget._replace(in_cloud=()), breaches=()
    )


def _next(world: World, rules: Rules) -> World | None:
    """One step of the course; None: nothing is left to do."""
    return next(_steps(world, rules), None)


def _steps(world: World, rules: Rules) -> Iterator[World]:
    for site in NUMBERS:
        for which, stream in enumerate(world.nodes[site].streams):
            moved = server.apply(site, world.nodes[site], which, world.nodes[stream.publisher])
            if moved is not None:
                yield _calm(replaced(replaced(world, site, moved[0]), stream.publisher, moved[1]))
    if world.control.plan is not None:
        yield from _carried(world, rules)
    for proposal in _wanted(world, rules):
        yield world._replace(control=claimed(world.control, proposal, rules), token=world.token + 1)


def _carried(world: World, rules: Rules) -> Iterator[World]:
    """The plan's steps; then what is left when they do not get further: to stop waiting for who does not answer."""
    for _, moved in moves(world.nodes, world.control, world.token, rules, left_behind=False):
        after = _calm(world._replace(nodes=moved.nodes, control=moved.control))
        if after != world:
            yield after
    silent = nobody_answers(world.control)
    if silent is not None:
        yield world._replace(control=silent)
    for _, moved in moves(world.nodes, world.control, world.token, rules, left_behind=True):
        if moved.control is not world.control:
            yield _calm(world._replace(nodes=moved.nodes, control=moved.control))


def _calm(world: World) -> World:
    return world._replace(nodes=tuple(change(change(node, waits=()), polls=()) for node in world.nodes))


def _wanted(world: World, rules: Rules) -> Iterator[Proposal]:
    """As upkeep would: leave a writer that is closed, settle, take out who cannot confirm, bring back, count."""
    posture, plan = world.control.posture, world.control.plan
    number = SITES.index(posture.writer)
    writer = world.nodes[number]
    leave = Failover(site=posture.writer, weights=None, trigger=Trigger.AUTOMATIC, because="")
    fit = {site for site in NUMBERS if site != number and _fit(world, number, site)}
    if writer.role != WRITER or writer.epoch != posture.reign or not writer.pinned:
        yield leave
        return
    if plan is not None:
        yield from (leave,) if plan.kind in {PlanKind.FAILOVER, PlanKind.SWITCHOVER} and plan.phase is Phase.CUT else ()
        return
    members = {SITES.index(site) for site in posture.must_cut} - {number}
    if not posture.settled and members & fit:
        yield SettleUp(because="")
    for site in sorted(set(NUMBERS) - members - {number}):
        yield Grow(site=SITES[site], because="") if site in fit else Return(site=SITES[site], because="")
    yield from (Shrink(site=SITES[site], because="") for site in sorted(members - fit))


def _fit(world: World, writer: int, site: int) -> bool:
    """Does it follow, and does the writer feed it?"""
    node, reign = world.nodes[site], world.control.posture.reign
    stream = stream_of(node, writer, reign)
    streams = stream is not None and stream.worker == ENABLED and stream.copied >= 0
    return (
        (node.role, node.epoch) == (FOLLOWER, reign)
        and node.pinned
        and streams
        and confirmed(world.nodes[writer], site, reign) is not None
    )
