"""What may never be, each in prose beside the predicate; the product's own claims (`controller/core/invariants.py`) where there is one.

Rules for changing this file: a promise reads one world and knows nothing of how it came about. What only a step can show, an election
or an opening, is judged where that step is (`calls`, `control`) and handed along in `World.breaches`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from controller.core.invariants import Acknowledged, Breach, Entered, must_cut_is_superset, no_loss, one_acknowledger
from controller.core.model import Epoch
from tests.model.node import ENABLED, FENCED, NUMBERS, OWN_LOG, SITES, WRITER, Item, Node, items, keys
from tests.model.safeguards import Rules
from tests.model.world import World, counted, in_office

Acked = tuple[tuple[Item, int, int], ...]


@cache
def _record(acked: Acked) -> tuple[Acknowledged, ...]:
    return tuple(
        Acknowledged(key=str(item.key), payment=str(item[1:]), body="", epoch=Epoch(epoch), writer=SITES[site])
        for item, site, epoch in acked
    )


@cache
def _missing(acked: Acked, node: Node, site: int) -> tuple[Breach, ...]:
    ledger = [Entered(key=str(e.item.key), payment=str(e.item[1:]), body="") for e in node.log if e.item.key > 0]
    return no_loss(_record(acked), {SITES[site]: ledger})


def nothing_is_lost(world: World, rules: Rules) -> Iterator[Breach]:
    """`no-loss`. What was acknowledged in an earlier epoch, or here in this one, is exactly once, as it was acknowledged, on every node
    that would take a payment."""
    for site, node in enumerate(world.nodes):
        if in_office(node, rules):
            due = tuple(one for one in world.acked if one[2] < node.epoch or (one[2], one[1]) == (node.epoch, site))
            yield from _missing(due, node, site)


def one_site_acknowledges(world: World, rules: Rules) -> Iterator[Breach]:
    """`one-acknowledger`. In one epoch one site acknowledges, and one key is one payment for its client."""
    yield from one_acknowledger(_record(world.acked))
    for key in {item.key for item, _, _ in world.acked}:
        if len({item for item, _, _ in world.acked if item.key == key}) > 1:
            yield Breach(promise="no-loss", evidence=f"payment {key} was acknowledged twice, for two different executions")


def one_writer_per_epoch(world: World, rules: Rules) -> Iterator[Breach]:
    """`one-acknowledger`. No two nodes are open in one epoch, and no open node still follows somebody in a later one.

    Two may be open in two epochs: the old writer lives on behind its partition, or the call that opens an elected winner arrives when the
    next one is open already. Nobody can tell these apart, and neither can acknowledge: all who counted for it were cut.
    """
    opened = [(node.epoch, SITES[site]) for site, node in enumerate(world.nodes) if in_office(node, rules)]
    for epoch in {epoch for epoch, _ in opened}:
        if len([one for one in opened if one[0] == epoch]) > 1:
            yield Breach(promise="one-acknowledger", evidence=f"two nodes are open in epoch {epoch}")
    for site, node in enumerate(world.nodes):
        if node.role == WRITER and any(one.epoch > node.epoch and one.worker == ENABLED for one in node.streams):
            yield Breach(
                promise="one-acknowledger", evidence=f"{SITES[site]} is open in epoch {node.epoch} and follows a later one"
            )


def whoever_counts_is_cut(world: World, rules: Rules) -> Iterator[Breach]:
    """`must-cut`, which `no-loss` rests on. Whose confirmation counts in the reigning writer's row is in the must-cut set in etcd."""
    posture = world.control.posture
    writer = world.nodes[SITES.index(posture.writer)]
    if writer.role == WRITER and writer.epoch == posture.reign:
        for uncut in must_cut_is_superset(posture, counted(writer)):
            yield replace(uncut, promise="must-cut")


@cache
def _holds(follower: Node, writer: Node, confirmed: int) -> bool:
    sent = [entry.item for entry in writer.log[:confirmed] if entry.item != OWN_LOG]
    return set(sent) <= set(items(follower))


def whoever_counts_holds_what_it_confirmed(world: World, rules: Rules) -> Iterator[Breach]:
    """`must-cut`, which `no-loss` rests on. A member that counts in the reigning writer's row has all that its slot there says it has.
    Nodes on a foreign timeline are known to be suspect, and prove nothing."""
    posture = world.control.posture
    number = SITES.index(posture.writer)
    writer = world.nodes[number]
    if writer.role != WRITER or writer.epoch != posture.reign or not writer.pinned:
        return
    for site, at in ((slot.follower, slot.confirmed) for slot in writer.slots if slot.epoch == writer.epoch):
        member = world.nodes[site]
        if writer.ack >> site & 1 and member.pinned and at <= len(writer.log) and not _holds(member, writer, at):
            yield Breach(promise="must-cut", evidence=f"{SITES[site]} counts, and lacks what it confirmed")


@cache
def _diverges(follower: Node, writer: Node) -> bool:
    held = items(follower)
    return held != items(writer)[: len(held)]


def followers_hold_a_prefix(world: World, rules: Rules) -> Iterator[Breach]:
    """`no-loss`. A follower of an open writer holds what the writer holds, in its order, up to somewhere: a slot that was placed too late
    skips payments, and looks healthy until somebody compares the ledgers. Nodes on a foreign timeline are known to be suspect."""
    for site, node in enumerate(world.nodes):
        for stream in node.streams:
            writer = world.nodes[stream.publisher]
            open_now = (writer.role, writer.epoch) == (WRITER, stream.epoch) and writer.pinned
            if stream.worker == ENABLED and stream.copied >= 0 and open_now and node.pinned and _diverges(node, writer):
                yield Breach(
                    promise="no-loss", evidence=f"{SITES[site]} follows {SITES[stream.publisher]} and has not the same payments"
                )


def nobody_is_sent_what_it_has(world: World, rules: Rules) -> Iterator[Breach]:
    """`always-finishes`. A follower that is sent a payment it holds fails there, is started again, and fails, for ever."""
    for site, node in enumerate(world.nodes):
        for stream in node.streams:
            publisher = world.nodes[stream.publisher]
            at = next((slot.confirmed for slot in publisher.slots if slot[:2] == (site, stream.epoch)), None)
            if stream.worker != ENABLED or at is None or not (node.pinned and publisher.pinned) or stream.copied < 0:
                continue
            behind = max(stream.position, at)
            if behind < stream.copied <= len(publisher.log):
                continue
            if behind < len(publisher.log) and publisher.log[behind].item.key in keys(node):
                yield Breach(promise="always-finishes", evidence=f"{SITES[site]} is sent a payment again that it holds")


def only_a_later_claim_closes_the_writer(world: World, rules: Rules) -> Iterator[Breach]:
    """`always-finishes`. Nobody closes the writer that was elected last before somebody claims a later epoch: a cut that the network
    held up would otherwise end the very reign it helped to begin."""
    posture = world.control.posture
    writer = world.nodes[SITES.index(posture.writer)]
    if (writer.role, writer.epoch, posture.epoch) == (FENCED, posture.reign, posture.reign):
        yield Breach(promise="always-finishes", evidence=f"{posture.writer} was closed in its own reign")


PROMISES: tuple[Callable[[World, Rules], Iterator[Breach]], ...] = (
    nothing_is_lost,
    one_site_acknowledges,
    one_writer_per_epoch,
    whoever_counts_is_cut,
    whoever_counts_holds_what_it_confirmed,
    followers_hold_a_prefix,
    nobody_is_sent_what_it_has,
    only_a_later_claim_closes_the_writer,
)


def breach(world: World, rules: Rules, promise: str = "") -> Breach | None:
    """The first promise that this world breaks, or whether it breaks the one that is named."""
    found = (*world.breaches, *(one for claim in PROMISES for one in claim(world, rules)))
    return next((one for one in found if promise in {"", one.promise}), None)


def acknowledges(world: World, rules: Rules) -> bool:
    """Can the reigning writer acknowledge a payment, given time: is it open, with a member that streams from it?

    The plan is done, the writer in etcd is open in its reign, and some follower that counts has a stream that gets somewhere.
    """
    posture = world.control.posture
    number = SITES.index(posture.writer)
    writer = world.nodes[number]
    if world.control.plan is not None or writer.role != WRITER or writer.epoch != posture.reign or not writer.pinned:
        return False
    for site in NUMBERS:
        node = world.nodes[site]
        streams = [one for one in node.streams if one[:2] == (number, writer.epoch) and one.worker == ENABLED]
        slot = any(one[:2] == (site, writer.epoch) for one in writer.slots)
        if writer.ack >> site & 1 and streams and slot and SITES[site] in posture.must_cut and not _diverges(node, writer):
            return True
    return False
