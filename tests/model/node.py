"""One database as an immutable value: `controller/providers/memory/server.py` without bytes, clocks and names.

A position is a number of published transactions. Log between two of them is no place of its own: whoever holds everything before it
may or may not have confirmed it, and confirming it sooner only lets more happen. `published` and `flushed` say it in the product's
positions, in which a server's end is always behind its last published transaction.

Nodes are interned, so that equal ones are the same object: worlds are hashed by identity, and what was computed once for a node is
known for every world it appears in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

from controller.core.model import Lsn, Site

SITES = (Site("aws"), Site("azure"), Site("gcp"))
NUMBERS = range(len(SITES))
WRITER, FOLLOWER, FENCED = "writer", "follower", "fenced"
ENABLED, STOPPING, STOPPED = 2, 1, 0
"""A stream's worker: starts whenever it likes; runs on although it is disabled; is gone."""
COPY = (-1, 0)
"""Came with an initial copy: no stream's position maps to it."""


class Item(NamedTuple):
    """What one transaction wrote. `key` 0: the marker of an epoch. -1: a join marker. -2: nothing that is published. Else a payment;
    `timeline` tells executions of one key apart."""

    key: int
    site: int
    epoch: int
    timeline: int


OWN_LOG = Item(-2, 0, 0, 0)
"""Log of the server's own on a new timeline, where a published transaction was on the old one. Followers confirm it and apply nothing."""


class Entry(NamedTuple):
    """One published transaction, and where it ended in the log it came from."""

    item: Item
    via: tuple[int, int] | None
    """Publisher and epoch of the stream it came through; None: it began here."""
    origin: int


class Stream(NamedTuple):
    """One subscription."""

    publisher: int
    epoch: int
    worker: int
    position: int
    copied: int
    """What the publisher had up to here came with the copy. -1: nothing was copied yet."""


class Slot(NamedTuple):
    """Sends everything behind `confirmed`."""

    follower: int
    epoch: int
    confirmed: int


class Waiting(NamedTuple):
    """A payment that waits at the barrier."""

    item: Item
    end: int
    epoch: int
    timeline: int


class Poll(NamedTuple):
    """A look at the barrier that has seen the row as it was, and will see the slots as they are when it arrives."""

    epoch: int
    ack: int
    timeline: int
    known: tuple[Waiting, ...]
    """Who waited when it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=False)
class Node:
    """What one server has on disk, and who waits beside it. Made by `founded` and `change` only."""

    role: str
    epoch: int
    ack: int = 0
    """Bit set of the followers whose slots of this epoch count."""
    token: int = 0
    seeded: int = -1
    timeline: int = 0
    pin: int = 0
    log: tuple[Entry, ...] = ()
    slots: tuple[Slot, ...] = ()
    streams: tuple[Stream, ...] = ()
    admitted: int = 0
    """A payment that passed the guard and has not committed; 0: none."""
    waits: tuple[Waiting, ...] = ()
    polls: tuple[Poll, ...] = ()

    @property
    def pinned(self) -> bool:
        """On the timeline that its row names."""
        return self.timeline == self.pin


_FIELDS = tuple(one.name for one in fields(Node))
_seen: dict[tuple[object, ...], Node] = {}


def intern(**values: object) -> Node:
    """The one node that has these fields."""
    node = Node(**values)  # type: ignore[arg-type]
    return _seen.setdefault(tuple(getattr(node, name) for name in _FIELDS), node)


def change(node: Node, **values: object) -> Node:
    """The same node but for these fields. A row that changes leaves behind a poll that was sent just before."""
    known = {name: values.get(name, getattr(node, name)) for name in _FIELDS}
    row = (known["role"], known["epoch"], known["ack"], known["pin"])
    if node.role == WRITER and row != (node.role, node.epoch, node.ack, node.pin):
        sent = Poll(node.epoch, node.ack, node.pin, node.waits)
        known["polls"] = tuple(sorted({*known["polls"], sent}))  # type: ignore[misc]
    return _seen.get(tuple(known.values())) or intern(**known)


def published(count: int) -> Lsn:
    """End of so many published transactions."""
    return Lsn(2 * count)


def flushed(node: Node) -> Lsn:
    """The server's end: always behind its last published transaction, because every step leaves log of its own."""
    return Lsn(2 * len(node.log) + 1)


def members(mask: int) -> list[int]:
    """Sites of a bit set."""
    return [site for site in NUMBERS if mask >> site & 1]


def mask(sites: Iterable[Site]) -> int:
    """Bit set of sites."""
    return sum(1 << SITES.index(site) for site in sites)


def confirmed(node: Node, follower: int, epoch: int) -> int | None:
    """How far a follower's slot has come; None without a slot."""
    return next((slot.confirmed for slot in node.slots if slot[:2] == (follower, epoch)), None)


def with_slot(node: Node, follower: int, epoch: int, count: int) -> tuple[Slot, ...]:
    """The node's slots with this one standing there."""
    kept = [slot for slot in node.slots if slot[:2] != (follower, epoch)]
    return tuple(sorted([*kept, Slot(follower, epoch, count)]))


def stream_of(node: Node, publisher: int, epoch: int) -> Stream | None:
    """The subscription to this publisher in this epoch."""
    return next((one for one in node.streams if one[:2] == (publisher, epoch)), None)


def items(node: Node) -> list[Item]:
    """What is in the ledger, and the markers, in order."""
    return [entry.item for entry in node.log if entry.item != OWN_LOG]


def keys(node: Node) -> frozenset[int]:
    """Payments in the ledger."""
    return frozenset(entry.item.key for entry in node.log if entry.item.key > 0)


def marked(node: Node, epoch: int) -> int | None:
    """Where the marker of an epoch stands; None: it is not here."""
    return next((end for end, entry in enumerate(node.log, 1) if entry.item.key == 0 and entry.item.epoch == epoch), None)
