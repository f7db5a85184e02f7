"""The nodes of one service and what flows between them: each its own server, one writer, everybody else behind it, and a way round."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.core import naming
from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Database, Streams
from controller.core.checkup.finding import Finding, Said, Unasked, bad, good, of, unknown, warning
from controller.core.model import NodeFacts, Role, Site

RETAINED_LIMIT = 1 << 30
"""Bytes of log that a slot may hold back (`caretaker.retained_limit`)."""

CARETAKER = "The controllers' caretaker makes it within seconds; is its site's controller alive (trimaran status)?"

NOBODY = "no writer is known"

_OF_NODE = (Check.NODE, Check.PINS, Check.RETAINED, Check.STREAM, Check.ACK_SLOTS, Check.SPARES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """All nodes of one service, and the writer among them."""

    service: str
    databases: Mapping[Site, Database]

    def known(self) -> Mapping[Site, NodeFacts]:
        """Those that told who they are."""
        return {site: one.node for site, one in self.databases.items() if isinstance(one.node, NodeFacts)}

    def writer(self) -> NodeFacts | None:
        """The writer of the highest epoch; None: no node that answers is one."""
        writers = [one for one in self.known().values() if one.role is Role.WRITER]
        return max(writers, key=lambda one: one.epoch, default=None)

    def followers(self, writer: NodeFacts) -> frozenset[Site]:
        """Everybody else."""
        return frozenset(self.databases) - {writer.site}


def nodes(found: Nodes) -> Iterator[Finding]:
    """Each node, and how it stands to the others."""
    writer = found.writer()
    for site, one in sorted(found.databases.items()):
        subject = subject_of(found.service, site)
        for check, said in _of_node(found, one.node, writer, site, one.streams):
            yield of(subject, check, said)


def subject_of(service: str, site: Site) -> str:
    """What a database is called in findings."""
    return f"{service} at {site}"


def _of_node(
    found: Nodes, asked: NodeFacts | Unasked | None, writer: NodeFacts | None, site: Site, streams: Streams | Unasked
) -> Iterator[tuple[Check, Said]]:
    if isinstance(asked, Unasked):
        for check in _OF_NODE:
            if check is Check.NODE and asked.refused:
                # Another site's node turns away who dialled this one, and that is no silence.
                yield check, bad(asked.because, f"the node of {site}", "Mend the address or the role's rights, as it says.")
            else:
                yield check, unknown(asked.because, f"an answer about {check}", "Ask again when it answers.")
        return
    if asked is None:
        said = bad("nothing is installed", "the node schema and its row", "Run `trimaran bootstrap`, which is safe to repeat.")
        for check in _OF_NODE:
            yield check, said
        return
    yield Check.NODE, _node(asked, site)
    yield Check.PINS, _pins(asked)
    yield Check.RETAINED, _retained(asked)
    yield Check.STREAM, _stream(found, asked, writer, streams)
    yield Check.ACK_SLOTS, _ack_slots(found, asked, writer)
    yield Check.SPARES, _spares(found, asked, writer, streams)


def _node(node: NodeFacts, site: Site) -> Said:
    limit, value = f"the node of {site}, writer or follower", f"{node.site}, {node.role} of epoch {node.epoch}"
    if node.site != site:
        return bad(value, limit, "An address in the settings is wrong: two members on one disk prove nothing.")
    if node.role is Role.FENCED:
        return warning(
            value, limit, "It was the writer; controllers bring it back as a follower. If not, `trimaran explain` says why."
        )
    return good(value, limit)


def _pins(node: NodeFacts) -> Said:
    limit = "the system and timeline that the node was proven on"
    if node.pinned:
        return good("the same", limit)
    way_out = (
        "Its cloud failed over or restored it. It proves nothing until controllers have copied it anew; `trimaran explain` tells."
    )
    return bad("another one", limit, way_out)


def _retained(node: NodeFacts) -> Said:
    limit = f"no slot lost, none that holds back more than {RETAINED_LIMIT >> 20} MiB"
    if lost := sorted(one.name for one in node.slots if one.lost):
        return bad(f"lost: {', '.join(lost)}", limit, "Its log is gone: controllers copy that follower anew. Is the disk full?")
    if long := sorted(one.name for one in node.slots if one.retained_bytes > RETAINED_LIMIT):
        value = ", ".join(f"{one.name} {one.retained_bytes >> 20} MiB" for one in node.slots if one.name in long)
        return warning(value, limit, "Look at the follower that does not take it; the disk fills up meanwhile.")
    return good(f"{len(node.slots)} slots", limit)


def _stream(found: Nodes, node: NodeFacts, writer: NodeFacts | None, streams: Streams | Unasked) -> Said:
    limit = "one subscription to the writer, running, copied, and flushed before it confirms"
    if writer is None:
        return unknown(NOBODY, limit, "Ask again when the writer answers.")
    if node.site == writer.site:
        return good("it is the writer", limit)
    name = naming.stream(found.service, writer.epoch, writer.site, node.site)
    ours = next((one for one in node.subscriptions if one.name == name), None)
    others = sorted(one.name for one in node.subscriptions if one.enabled and one.name != name)
    if ours is None or others:
        value = f"also {', '.join(others)}" if ours is not None else f"no subscription {name}"
        return bad(
            value, limit, "A plan may be under way (trimaran status). If none is, `trimaran explain` says what was left behind."
        )
    if not (ours.enabled and ours.running and ours.seeded):
        state = "disabled" if not ours.enabled else "being copied" if not ours.seeded else "not running"
        return bad(
            f"{name} is {state}",
            limit,
            "Read its server's log: it says why the worker ends. It is begun anew every five seconds.",
        )
    if isinstance(streams, Unasked):
        return unknown(streams.because, limit, "Ask again when it answers.")
    return _tap(name, streams, limit)


def _tap(name: str, streams: Streams, limit: str) -> Said:
    """1. A subscription with synchronous_commit = off confirms what its disk does not hold yet... only 200 ms later; with `local` it
    confirms what its in-cloud standby lacks. 2. The vendor fails it over. 3. A payment that was acknowledged is nowhere."""
    tap = next((one for one in streams.taps if one.name == name), None)
    if tap is None:
        return unknown(f"{name} is not told", limit, "Ask again.")
    wrong = [
        *((f"synchronous_commit = {tap.synchronous_commit}",) if tap.synchronous_commit != "on" else ()),
        *((f"origin = {tap.origin}",) if tap.origin != "any" else ()),
        *(("streaming",) if tap.streaming != "f" else ()),
    ]
    if wrong:
        way_out = (
            f"ALTER SUBSCRIPTION {name} SET (synchronous_commit = 'on', origin = any, streaming = off), as the control role."
        )
        return bad(", ".join(wrong), limit, way_out)
    if tap.errors:
        return warning(
            f"running, {tap.errors} errors so far",
            limit,
            "Read its server's log for them, then reset its statistics.",
        )
    return good("running", limit)


def _ack_slots(found: Nodes, node: NodeFacts, writer: NodeFacts | None) -> Said:
    limit = "on the writer an ack set, and every slot of it there and in use"
    if writer is None:
        return unknown(NOBODY, limit, "Ask again when the writer answers.")
    if node.site != writer.site:
        return good("it is not the writer", limit)
    if not node.ack_slots:
        return bad("empty", limit, "No payment is acknowledged: bring a follower back (trimaran status says what keeps it away).")
    held = {one.name: one for one in node.slots}
    gone = sorted(name for name in node.ack_slots if name not in held or held[name].lost)
    idle = sorted(name for name in node.ack_slots if name in held and not held[name].active)
    if gone or len(idle) == len(node.ack_slots):
        return bad(", ".join(gone or idle), limit, "Nothing confirms through it: look at that follower, and at the way between.")
    if idle:
        return warning(
            f"not in use: {', '.join(idle)}", limit, "One more loss, and no payment is acknowledged: look at that follower."
        )
    if missing := found.followers(node) - {name.rsplit("_", 1)[-1] for name in node.ack_slots}:
        return warning(
            f"without {', '.join(sorted(missing))}", limit, "Controllers let it in again once it is level (trimaran status)."
        )
    return good(f"{len(node.ack_slots)} in use", limit)


def _spares(found: Nodes, node: NodeFacts, writer: NodeFacts | None, streams: Streams | Unasked) -> Said:
    limit = "a spare slot and a spare subscription for every sibling"
    if writer is None:
        return unknown(NOBODY, limit, "Ask again when the writer answers.")
    if isinstance(streams, Unasked):
        return unknown(streams.because, limit, "Ask again when it answers.")
    siblings = found.followers(writer) - {node.site}
    slots = frozenset[str]()
    if node.site != writer.site:
        slots = frozenset(naming.spare_stream(found.service, writer.epoch, node.site, other) for other in siblings)
    taps = frozenset(naming.spare_stream(found.service, writer.epoch, other, node.site) for other in siblings)
    missing = (slots - {one.name for one in node.slots if not one.lost}) | (taps - streams.spares)
    if not missing:
        return good(f"{len(slots)} slots, {len(taps)} subscriptions", limit)
    way_out = f"{CARETAKER} Without it a failover dials, or copies the third node anew."
    return warning(f"missing: {', '.join(sorted(missing))}", limit, way_out)
