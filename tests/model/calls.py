"""Steps of plans carried out: each becomes the calls of the database port that the product makes for it, one at a time.

The owner keeps nothing in mind: how far a step has come is read from the nodes, as a controller that takes over would read it. A call
whose answer is lost is one that was left in flight and arrived.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, assert_never

from controller.core.invariants import Breach
from controller.core.model import Epoch, Position
from controller.core.steps import (
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Confirmed,
    Cut,
    Done,
    ExportTail,
    Fence,
    Fenced,
    Ledgers,
    LeftBehind,
    MarkJoin,
    Open,
    Reached,
    Reseed,
    Result,
    SetAckSet,
    Settle,
    Steer,
    Step,
    Verified,
    Verify,
    describe,
)
from tests.model import server
from tests.model.control import Control, advanced
from tests.model.node import ENABLED, SITES, WRITER, Node, confirmed, flushed, marked, mask, members, stream_of
from tests.model.safeguards import Rules

Label = tuple[str, ...]
Nodes = tuple[Node, ...]

CALLS: dict[type[Step], tuple[str, ...]] = {
    Cut: ("cut",),
    CatchUp: (),
    Attach: ("place_slot", "follow"),
    Open: ("open",),
    Settle: (),
    Verify: (),
    MarkJoin: ("mark_join",),
    AwaitConfirmed: (),
    SetAckSet: ("set_ack_set",),
    Fence: ("fence",),
    ExportTail: ("export_tail",),
    Reseed: ("clear", "offer_seed", "seed"),
}
"""Steps of the product and the calls that change a database for them, in order; the others only read."""

NOT_MODELLED = {
    Steer: "weights move no data",
    BeginPromotion: "a provider's replica is no node of the service before a person makes it one",
    AwaitPromotion: "as above",
}
"""Steps of the product that no plan of the model has, and why."""

_VERIFIED = Verified(paid=frozenset(), unpaid={}, ledgers=Ledgers.NOT_COMPARED)
_SILENT = LeftBehind(because="it stays silent")
_UNPROVEN = LeftBehind(because="its place cannot be proven")


class Call(NamedTuple):
    """One call on one database, named as in the port, with the token it presents and the step it is part of."""

    method: str
    site: int
    token: int
    step: Step

    def __str__(self) -> str:
        about = ", ".join(
            f"{name} {_plain(getattr(self.step, name))}"
            for name in ("sibling", "epoch", "reign", "ack_set", "newcomer")
            if hasattr(self.step, name)
        )
        return f"{self.method} on {SITES[self.site]} ({about}; token {self.token})"


class Effect(NamedTuple):
    """What a call did, and the result of its step, once it has one."""

    nodes: Nodes
    result: Result | None


class Moved(NamedTuple):
    """What one move of the owner made of nodes and etcd."""

    nodes: Nodes
    control: Control
    breaches: tuple[Breach, ...] = ()


def _plain(value: object) -> str:
    return "+".join(sorted(value)) or "nobody" if isinstance(value, frozenset) else str(value)


# ---------------------------------------------------------------------------------------------------- what comes next


def moves(nodes: Nodes, control: Control, token: int, rules: Rules, *, left_behind: bool) -> Iterator[tuple[Label, Moved]]:
    """Every way in which the owner of the plan may go on."""
    for step in control.steps:
        coming = following(step, nodes, token, rules)
        if isinstance(coming, Call):
            done = perform(nodes, coming, rules)
            if done is not None:
                yield ("{}", str(coming)), _recorded(control, step, done, rules)
        elif coming is not None:
            yield ("{}", describe(step, coming)), _recorded(control, step, Effect(nodes, coming), rules)
        if left_behind and isinstance(step, Attach) and coming != Done():
            yield ("{} stays silent and is left behind", step.sibling), _recorded(control, step, Effect(nodes, _SILENT), rules)


def _recorded(control: Control, step: Step, done: Effect, rules: Rules) -> Moved:
    if done.result is None:
        return Moved(done.nodes, control)
    after, breaches = advanced(control, step, done.result, rules)
    return Moved(done.nodes, after, breaches)


def calls(nodes: Nodes, control: Control, token: int, rules: Rules) -> tuple[Call, ...]:
    """What the owner may have sent and nobody has answered."""
    coming = (following(step, nodes, token, rules) for step in control.steps)
    return tuple(call for call in coming if isinstance(call, Call))


def following(step: Step, nodes: Nodes, token: int, rules: Rules) -> Call | Result | None:
    """The next call of a step, or what reading alone answers; None: nothing can be done now."""

    def call(method: str, site: str) -> Call:
        return Call(method, SITES.index(site), token, step)  # type: ignore[arg-type]

    match step:
        case Cut(site=site):
            return call("cut", site)
        case CatchUp() | AwaitConfirmed() | Settle():
            return _confirmations(step, nodes, rules)
        case Attach():
            return _attaching(step, nodes, token)
        case Open(winner=winner):
            return call("open", winner)
        case Verify():
            return _VERIFIED
        case MarkJoin(writer=writer):
            return call("mark_join", writer)
        case SetAckSet(writer=writer):
            return call("set_ack_set", writer)
        case Fence(site=site):
            return call("fence", site)
        case ExportTail(site=site):
            return call("export_tail", site)
        case Reseed():
            return _reseeding(step, nodes, token)
        case Steer() | BeginPromotion() | AwaitPromotion():
            raise AssertionError(NOT_MODELLED[type(step)])
        case _:
            assert_never(step)


def _confirmations(step: CatchUp | AwaitConfirmed | Settle, nodes: Nodes, rules: Rules) -> Confirmed | None:
    """Who has confirmed when the wait ends; a deadline may end it at any time. On a foreign timeline nobody has.

    Settle asks for the end of the log as it was at an earlier moment, at the earliest behind the marker: so the marker is enough.
    """
    number = SITES.index(step.writer)
    writer, reign = nodes[number], step.reign
    if rules.pin_waits and not writer.pinned:
        return None
    if isinstance(step, Settle):
        asked = members(writer.ack) if writer.epoch == reign else []
        wanted = marked(writer, reign) or (len(writer.log) if writer.role == WRITER else 1 << 30)
        return _who(writer, asked, reign, 2 * wanted)
    return _who(writer, members(mask(step.followers)), reign, step.lsn)


def _who(writer: Node, asked: list[int], reign: int, lsn: int) -> Confirmed:
    counts = {site: confirmed(writer, site, reign) for site in asked}
    return Confirmed(
        followers=frozenset(SITES[site] for site, count in counts.items() if count is not None and 2 * count + 1 >= lsn)
    )


def _attaching(step: Attach, nodes: Nodes, token: int) -> Call | Result:
    winner, sibling = SITES.index(step.winner), SITES.index(step.sibling)
    stream = stream_of(nodes[sibling], winner, step.epoch)
    if stream is not None and stream.worker == ENABLED:
        return Done()
    if confirmed(nodes[winner], sibling, step.epoch) is None:
        return Call("place_slot", winner, token, step)
    return Call("follow", sibling, token, step)


def _reseeding(step: Reseed, nodes: Nodes, token: int) -> Call | Result | None:
    site, writer = SITES.index(step.site), SITES.index(step.writer)
    node = nodes[site]
    stream = stream_of(node, writer, step.reign)
    if node.seeded <= step.seeded_before or stream is None or stream.worker != ENABLED:
        if node.log or node.streams or not node.pinned or node.epoch != step.reign:
            return Call("clear", site, token, step)
        if confirmed(nodes[writer], site, step.reign) is None:
            return Call("offer_seed", writer, token, step)
        return Call("seed", site, token, step)
    return Done() if stream.copied >= 0 else None


# ---------------------------------------------------------------------------------------------------- what a call does


def perform(nodes: Nodes, call: Call, rules: Rules) -> Effect | None:
    """Run a call, whoever still waits for it; None: the node refuses it."""
    node, token, site = nodes[call.site], call.token, call.site
    after: Node | None
    match call.method, call.step:
        case "cut", Cut() as step:
            return _cut(nodes, step, site, token, rules)
        case "place_slot", Attach() as step:
            return _placed(nodes, step, site, token, rules)
        case "follow", Attach(winner=winner, epoch=epoch):
            after = server.follow(node, rules, token, epoch, SITES.index(winner), False)
            return after and Effect(_with(nodes, site, after), Done())
        case "open", Open(epoch=epoch, ack_set=ack_set):
            after = server.open_writer(node, rules, site, token, epoch, mask(ack_set))
            return after and Effect(_with(nodes, site, after), _reached(after, site, epoch))
        case "mark_join", MarkJoin(reign=reign, newcomer=newcomer):
            after = server.mark_join(node, rules, token, reign, SITES.index(newcomer))
            return after and Effect(_with(nodes, site, after), _reached(after, site, reign))
        case "set_ack_set", SetAckSet(reign=reign, ack_set=ack_set):
            after = server.set_ack_slots(node, rules, token, reign, mask(ack_set))
            return after and Effect(_with(nodes, site, after), _reached(after, site, reign))
        case "fence", Fence(reign=reign):
            after = server.fence(node, rules, token, reign)
            return after and Effect(_with(nodes, site, after), Fenced(seeded=after.seeded))
        case "export_tail", ExportTail():
            after = server.promise(node, rules, token, False)
            return after and Effect(_with(nodes, site, after), Done())
        case _, Reseed() as step:
            return _reseeded(nodes, call, step, rules)
        case _:
            raise AssertionError(call)


def _with(nodes: Nodes, site: int, node: Node) -> Nodes:
    return (*nodes[:site], node, *nodes[site + 1 :])


@cache
def _reached(node: Node, site: int, epoch: Epoch) -> Reached:
    return Reached(position=Position(site=SITES[site], publisher=SITES[site], epoch=epoch, lsn=flushed(node)))


def _cut(nodes: Nodes, step: Cut, site: int, token: int, rules: Rules) -> Effect | None:
    """Both halves and the reading at once. Between the halves the worker may go on; what it applies then it could have applied before.
    The first half alone is a call that was left in flight."""
    stopped = server.stop_streams(nodes[site], rules, token, step.epoch)
    if stopped is None:
        return None
    node = server.end_workers(stopped) if rules.wait_cut else stopped
    position = server.position_of(node, rules, site, SITES.index(step.writer), step.reign)
    return Effect(_with(nodes, site, node), None if position is None else Reached(position=position))


def _placed(nodes: Nodes, step: Attach, site: int, token: int, rules: Rules) -> Effect | None:
    """The promise before and after, and the slot between them."""
    promised = server.promise(nodes[site], rules, token, True)
    if promised is None:
        return None
    placed = server.place_slot(promised, rules, site, SITES.index(step.sibling), step.epoch, step.position, step.level)
    if placed is None:
        return Effect(_with(nodes, site, promised), _UNPROVEN)
    return Effect(_with(nodes, site, placed), None)


def _reseeded(nodes: Nodes, call: Call, step: Reseed, rules: Rules) -> Effect | None:
    node, follower, writer = nodes[call.site], SITES.index(step.site), SITES.index(step.writer)
    match call.method:
        case "clear":
            after = server.clear(node, rules, call.token, step.reign)
        case "offer_seed":
            told = server.as_writer(node, rules, call.token, step.reign)
            after = told and server.have_slot(told, follower, step.reign)
        case _:
            after = server.follow(node, rules, call.token, step.reign, writer, True)
    return after and Effect(_with(nodes, call.site, after), None)
