"""What happens on one database, or between two: the transactions of `controller/providers/memory/server.py`, named as there.

Every function answers a new node, or None where the server refuses. All are pure, and remember what they were asked.
"""

from functools import cache

from controller.core.model import Epoch, Position
from tests.model.node import (
    COPY,
    ENABLED,
    FENCED,
    FOLLOWER,
    OWN_LOG,
    SITES,
    STOPPED,
    STOPPING,
    WRITER,
    Entry,
    Item,
    Node,
    Poll,
    Stream,
    Waiting,
    change,
    confirmed,
    flushed,
    items,
    keys,
    marked,
    members,
    published,
    stream_of,
    with_slot,
)
from tests.model.safeguards import Rules

# ---------------------------------------------------------------------------------------------------- what a client does


@cache
def admits(node: Node, rules: Rules) -> bool:
    """The guard of every ledger write."""
    return node.role == WRITER and (node.pinned or not rules.pin_guard)


@cache
def commit(node: Node, site: int, key: int) -> Node:
    """A payment is in the log, and waits."""
    item = Item(key, site, node.epoch, node.timeline)
    waits = (*node.waits, Waiting(item, len(node.log) + 1, node.epoch, node.timeline))
    return change(node, log=(*node.log, Entry(item, None, 0)), admitted=0, waits=tuple(sorted(waits)))


@cache
def found(node: Node, item: Item) -> Node:
    """A client comes with the key again, the payment is there, and waits once more: for the end of the log as it is now."""
    return change(node, waits=tuple(sorted((*node.waits, Waiting(item, len(node.log), node.epoch, node.timeline)))))


@cache
def reached(node: Node, rules: Rules, poll: Poll | None) -> tuple[Waiting, ...]:
    """Who is acknowledged by one look at the barrier: a fresh one (None), or one that was sent before the row was changed."""
    if poll is None:
        if node.role != WRITER:
            return ()
        poll = Poll(node.epoch, node.ack, node.pin, node.waits)
    if rules.pin_barrier and poll.timeline != node.timeline:
        return ()
    counted = [confirmed(node, follower, poll.epoch) for follower in members(poll.ack)]
    best = max((count for count in counted if count is not None and count <= len(node.log)), default=-1)
    asked = poll.known if rules.poll_rule else node.waits
    return tuple(
        one
        for one in asked
        if one in node.waits
        and one.end <= best
        and one.epoch == poll.epoch
        and (one.timeline == node.timeline or not rules.pin_barrier)
    )


@cache
def fail_over_in_cloud(node: Node, rules: Rules, lose_last: bool, overgrown: bool) -> Node:
    """What a managed service does by itself: a new timeline, perhaps without the last transaction. Sessions end. Overgrown: by now log of
    its own stands where that transaction was, so positions alone do not show that it is missing."""
    log, streams = node.log, node.streams
    if lose_last:
        lost, log = log[-1], log[:-1]
        earlier = max((entry.origin for entry in log if entry.via == lost.via), default=0)
        streams = tuple(one._replace(position=earlier) if one[:2] == lost.via else one for one in streams)
        log = (*log, Entry(OWN_LOG, None, 0)) if overgrown else log
    token = node.token
    if not rules.synchronous:
        streams, token = tuple(one._replace(worker=ENABLED) for one in streams), 0
    return change(node, timeline=node.timeline + 1, log=log, streams=streams, token=token, admitted=0, polls=())


# ---------------------------------------------------------------------------------------------------- steps of controllers


def _obeys(node: Node, rules: Rules, token: int, *, pinned: bool = True) -> bool:
    if rules.token and node.token > token:
        return False
    return not pinned or node.pinned or not rules.pin_steps


def _promise(node: Node, rules: Rules, token: int) -> int:
    return token if rules.token else node.token


@cache
def fence(node: Node, rules: Rules, token: int, before: int) -> Node | None:
    """Close a writer of an earlier reign."""
    if not _obeys(node, rules, token, pinned=False):
        return None
    promised = _promise(node, rules, token)
    if node.role != WRITER or (node.epoch >= before and rules.fence_earlier):
        return change(node, token=promised)
    return change(node, token=promised, role=FENCED, admitted=0 if rules.drain else node.admitted)


@cache
def stop_streams(node: Node, rules: Rules, token: int, before: int) -> Node | None:
    """First half of a cut: workers that run go on running."""
    if not rules.fence_writer and node.role == WRITER:
        return node
    closed = fence(node, rules, token, before)
    if closed is None:
        return None
    streams = tuple(one._replace(worker=min(one.worker, STOPPING)) if one.epoch < before else one for one in closed.streams)
    return change(closed, streams=streams)


@cache
def end_workers(node: Node) -> Node:
    """Second half of a cut."""
    streams = tuple(one._replace(worker=STOPPED) if one.worker == STOPPING else one for one in node.streams)
    return change(node, streams=streams)


@cache
def position_of(node: Node, rules: Rules, site: int, writer: int, reign: int) -> Position | None:
    """The one position out of everything the node reports; None: it proves nothing."""
    if rules.pin_cut and not node.pinned:
        return None
    if site == writer:
        if node.role == WRITER and rules.fence_writer:
            return None
        return Position(site=SITES[site], publisher=SITES[site], epoch=Epoch(reign), lsn=flushed(node))
    streams = {(one.epoch, one.publisher): one.position for one in node.streams if one.epoch <= reign}
    key = (reign, writer) if (reign, writer) in streams else max(streams, default=(reign, writer))
    return Position(
        site=SITES[site],
        publisher=SITES[key[1]],
        epoch=Epoch(key[0]),
        lsn=published(streams.get(key, 0)),
        marked=marked(node, reign) is not None,
    )


@cache
def follow(node: Node, rules: Rules, token: int, epoch: int, publisher: int, seed: bool) -> Node | None:
    """Forget every other publisher and follow this one."""
    if not _obeys(node, rules, token) or node.role == WRITER:
        return None
    kept = tuple(one for one in node.streams if one[:2] == (publisher, epoch) or not rules.drop_streams)
    if stream_of(node, publisher, epoch) is None:
        kept = (*kept, Stream(publisher, epoch, ENABLED, 0, -1 if seed else 0))
    promised = _promise(node, rules, token)
    seeded = token if seed else node.seeded
    return change(node, role=FOLLOWER, epoch=epoch, ack=0, token=promised, seeded=seeded, streams=tuple(sorted(kept)))


@cache
def open_writer(node: Node, rules: Rules, site: int, token: int, epoch: int, ack: int) -> Node | None:
    """Become the writer of the epoch, with its marker as the first transaction; opened before, nothing changes. Clients whose payments
    are here come at once and wait: whoever comes later waits for no less."""
    if not _obeys(node, rules, token):
        return None
    promised = _promise(node, rules, token)
    if node.role == WRITER and node.epoch == epoch:
        return change(node, token=promised)
    if node.epoch >= epoch:
        return None
    marker = Entry(Item(0, site, epoch, 0), None, 0)
    log = (*node.log, marker) if rules.markers else node.log
    streams = () if rules.drop_streams else node.streams
    opened = change(node, role=WRITER, epoch=epoch, ack=ack, token=promised, log=log, streams=streams)
    waits = [Waiting(entry.item, len(log), epoch, node.timeline) for entry in node.log if entry.item.key > 0]
    return change(opened, waits=tuple(sorted({*opened.waits, *waits})))


@cache
def as_writer(node: Node, rules: Rules, token: int, reign: int) -> Node | None:
    """A promise that only the writer of this reign makes."""
    if not _obeys(node, rules, token) or node.role != WRITER or node.epoch != reign:
        return None
    return change(node, token=_promise(node, rules, token))


@cache
def mark_join(node: Node, rules: Rules, token: int, reign: int, newcomer: int) -> Node | None:
    """Commit a join marker."""
    told = as_writer(node, rules, token, reign)
    if told is None or not rules.markers:
        return told
    return change(told, log=(*told.log, Entry(Item(-1, newcomer, reign, 0), None, 0)))


@cache
def set_ack_slots(node: Node, rules: Rules, token: int, reign: int, ack: int) -> Node | None:
    """Count exactly these followers' slots."""
    told = as_writer(node, rules, token, reign)
    return told and change(told, ack=ack)


@cache
def promise(node: Node, rules: Rules, token: int, pinned: bool) -> Node | None:
    """A transaction that does nothing but present the token."""
    return change(node, token=_promise(node, rules, token)) if _obeys(node, rules, token, pinned=pinned) else None


@cache
def clear(node: Node, rules: Rules, token: int, reign: int) -> Node | None:
    """Hold nothing and prove nothing, once per token. Slots of closed epochs go, and what the service knew of waiting payments."""
    if not _obeys(node, rules, token, pinned=False) or node.role == WRITER:
        return None
    if rules.clear_once and token <= node.seeded:
        return None
    slots = tuple(slot for slot in node.slots if slot.epoch >= reign)
    promised = _promise(node, rules, token)
    return change(
        node, role=FOLLOWER, epoch=reign, ack=0, token=promised, pin=node.timeline, log=(), slots=slots, streams=(), waits=()
    )


@cache
def have_slot(node: Node, follower: int, epoch: int) -> Node:
    """A slot at the end of the log, unless there is one."""
    if confirmed(node, follower, epoch) is not None:
        return node
    return change(node, slots=with_slot(node, follower, epoch, len(node.log)))


# ---------------------------------------------------------------------------------------------------- between two nodes


@cache
def place_slot(node: Node, rules: Rules, site: int, sibling: int, epoch: int, position: Position, level: bool) -> Node | None:
    """Place the sibling's slot exactly behind the last transaction it has; None: that cannot be proven.

    The spare slot holds every transaction that came through the node's stream. The product's may begin later and then prove less:
    a sibling may be left behind at any time.
    """
    if level:
        return have_slot(node, sibling, epoch)
    count, publisher = position.lsn // 2, SITES.index(position.publisher)
    if publisher == site:
        own = confirmed(node, sibling, position.epoch)
        if own is None:
            return None
        end = max(own, min(count, len(node.log)))
        if end < count:
            return None
    else:
        came = {entry.origin: at for at, entry in enumerate(node.log, 1) if entry.via == (publisher, position.epoch)}
        if stream_of(node, publisher, position.epoch) is None:
            return None
        exact = came.get(count)
        if exact is None and rules.exact:
            return None
        earlier = [at for origin, at in came.items() if origin <= count]
        end = exact if exact is not None else max(earlier, default=len(node.log))
    placed = confirmed(node, sibling, epoch)
    if placed is not None:
        return node if placed == end or publisher == site else None
    return change(node, slots=with_slot(node, sibling, epoch, end))


@cache
def apply(site: int, node: Node, which: int, publisher: Node) -> tuple[Node, Node] | None:
    """A follower's worker applies the next transaction of its stream, and confirms it; or copies, where it was told to. None: it has
    nothing to do, or stumbles over a key that is there and is started again for ever."""
    stream = node.streams[which]
    at = confirmed(publisher, site, stream.epoch)
    if stream.worker == STOPPED or at is None:
        return None

    def moved(stream: Stream) -> tuple[Stream, ...]:
        return (*node.streams[:which], stream, *node.streams[which + 1 :])

    if stream.copied < 0:
        copied = tuple(Entry(item, COPY, 0) for item in items(publisher))
        taken = moved(stream._replace(copied=len(publisher.log)))
        return change(node, log=(*node.log, *copied), streams=taken), publisher
    behind = max(stream.position, at)
    if behind < stream.copied <= len(publisher.log):
        # Every one of these is in the copy: they are passed over without a trace, so all at once.
        skipped = with_slot(publisher, site, stream.epoch, stream.copied)
        return change(node, streams=moved(stream._replace(position=stream.copied))), change(publisher, slots=skipped)
    if behind >= len(publisher.log):
        return None
    item = publisher.log[behind].item
    if item == OWN_LOG:
        return node, change(publisher, slots=with_slot(publisher, site, stream.epoch, behind + 1))
    if item.key in keys(node):
        return None
    entry = Entry(item, (stream.publisher, stream.epoch), behind + 1)
    after = change(node, log=(*node.log, entry), streams=moved(stream._replace(position=behind + 1)))
    return after, change(publisher, slots=with_slot(publisher, site, stream.epoch, behind + 1))
