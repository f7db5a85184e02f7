"""What is to be done, and what holds it back: pure, from what the nodes say.

The versions in use come from the nodes too. Every process of a service keeps warm sessions to every site under a name that ends in
`schema=N`, the version its code was written for; so a node knows which code is in use without anybody keeping a list of it. A session
of the service without that word is of a version nobody knows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workload.schema.baseline import version
from workload.schema.errors import Refused
from workload.schema.migration import Kind, Migration, read_migrations
from workload.schema.node import NodeState
from workload.schema.step import Expected

NEEDS = re.compile(r"(?:^|\s)schema=(\d{1,9})$")

States = Mapping[str, NodeState]


def told_as(service: str, version: int) -> str:
    """Name under which a process of this code logs in to its databases."""
    return f"{service}-service schema={version}"


def process_name(package: str, service: str) -> str:
    """The same for a process of this checkout. Raises Unfit when its migrations cannot be read."""
    return told_as(service, version(read_migrations(package, service)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Which versions of the service were seen, over a while and on every node."""

    versions: frozenset[int]
    unknown: frozenset[str]
    """Names of sessions that tell no version."""


def uses_of(states: Sequence[NodeState]) -> Uses:
    """Versions in use, as all these looks saw them."""
    names = {name for state in states for name in state.processes}
    found = {name: NEEDS.search(name) for name in names}
    return Uses(
        versions=frozenset(int(match[1]) for match in found.values() if match),
        unknown=frozenset(name for name, match in found.items() if match is None),
    )


def writer_of(states: States) -> NodeState:
    """The writer of the highest reign. Raises Refused when none of the nodes is one, or two are."""
    writers = sorted((state for state in states.values() if state.role == "writer"), key=lambda one: one.epoch)
    if not writers or (len(writers) > 1 and writers[-1].epoch == writers[-2].epoch):
        raise Refused(
            guard="writer",
            value=f"writing: {', '.join(one.site for one in writers) or 'nobody'}",
            limit="one writer",
            way_out="Let the failover that is under way end; see `trimaran status`.",
        )
    return writers[-1]


def pending(migrations: Sequence[Migration], states: States) -> tuple[Migration, ...]:
    """Migrations that some node has not finished, in order."""
    return tuple(one for one in migrations if any(state.done(one.number) < len(one.statements) for state in states.values()))


def order_of(one: Migration, states: States) -> tuple[str, ...]:
    """Sites in the order in which each statement reaches them.

    Expand: followers first. A writer that has a column which a follower lacks sends it, and the follower stops. Contract: the writer
    first, for the same reason.
    """
    writer = writer_of(states).site
    followers = tuple(sorted(site for site in states if site != writer))
    return (*followers, writer) if one.kind is Kind.EXPAND else (writer, *followers)


def reign_of(states: States) -> States:
    """The nodes of the present reign: its writer, and who follows it or waits to be seeded from it. Everybody else, dead, fenced or of
    another epoch, holds nothing back that its writer sends, and comes into the reign only by a new copy or by its controllers."""
    writer = writer_of(states)
    return {
        site: state
        for site, state in sorted(states.items())
        if state.pinned
        and state.epoch == writer.epoch
        and (site == writer.site or (state.role == "follower" and not _half_attached(state, writer)))
    }


def objections(migrations: Sequence[Migration], states: States, sites: frozenset[str]) -> Iterator[Refused]:
    """What holds a new statement back: everything that nodes contradict, and every node that is no part of the reign."""
    yield from contradictions(migrations, states)
    yield from absences(states, sites)


def contradictions(migrations: Sequence[Migration], states: States) -> Iterator[Refused]:
    """What holds back even a step that was begun: nobody knows who writes, or a node has done what this checkout does not know."""
    writer = writer_of(states)
    if not writer.pinned:
        yield _astray(f"{writer.site} is not on its pinned timeline")
    for state in _by_site(states):
        if state.epoch > writer.epoch:
            yield _astray(f"{state.site} knows epoch {state.epoch}, and {writer.site} writes epoch {writer.epoch}")
        yield from _of_records(migrations, state)


def absences(states: States, sites: frozenset[str]) -> Iterator[Refused]:
    """Nodes that would miss what the others get: they did not answer, or are no part of the reign."""
    if missing := sites - frozenset(states):
        yield Refused(
            guard="every-node",
            value=f"{', '.join(sorted(missing))} did not answer",
            limit="every node, or it stops at the first row of the new form",
            way_out="What was begun, `apply` completes without it. Bring it back for the rest, and try again.",
        )
    writer, reign = writer_of(states), reign_of(states)
    for state in _by_site(states):
        if state.site in reign:
            continue
        if not state.pinned:
            yield _astray(f"{state.site} is not on its pinned timeline")
        elif state.epoch != writer.epoch or state.role != "follower":
            yield _astray(f"{state.site} is {state.role} of epoch {state.epoch}, and {writer.site} writes epoch {writer.epoch}")
        else:
            yield _astray(f"{state.site} does not stream from {writer.site}")


def unseeded(one: Migration, states: States) -> Iterator[Refused]:
    """Followers that a removal must wait for: a copy and a stream are still to come, and may bring what is to be removed.

    An addition need not wait for them. Nor could it: a table came to the others while azure was away; azure cannot even begin to follow
    until it has that table too.
    """
    if one.kind is Kind.CONTRACT:
        writer = writer_of(states)
        for state in _by_site(states):
            if state.site != writer.site and stream_of(state, writer) is None:
                yield _astray(f"{state.site} waits to be seeded from {writer.site}")


def begun(one: Migration, reign: States) -> int:
    """Statements of an addition that some node of the reign has done, if any other has not; else none is left to be completed."""
    done = {state.done(one.number) for state in reign.values()}
    return max(done) if one.kind is Kind.EXPAND and len(done) > 1 else 0


def steps(migrations: Sequence[Migration], states: States, sites: frozenset[str]) -> Iterator[tuple[Migration, int, str]]:
    """Migration, statement and site of everything that `apply` would carry out now, in order: all that is pending, or, while a node is
    away, what was begun."""
    reign, is_whole = reign_of(states), not any(absences(states, sites))
    for one in migrations:
        for index in range(len(one.statements) if is_whole else begun(one, reign)):
            yield from ((one, index, site) for site in order_of(one, reign) if reign[site].done(one.number) <= index)


def expected(state: NodeState) -> Expected:
    """What the node must still be when a step is done on it."""
    return Expected(role=state.role, epoch=state.epoch)


def stream_of(follower: NodeState, writer: NodeState) -> str | None:
    """Name of the follower's stream from the writer, which is its slot's name there too; None: there is none. It need not run just now: a
    stream that stops at a column it lacks is mended by the very step that brings the column."""
    return next(
        (one.name for one in follower.streams if one.publisher == writer.site and one.epoch == writer.epoch and one.enabled), None
    )


def held_back(one: Migration, uses: Uses) -> Refused | None:
    """Why a contract step must not run yet: some process still needs what it removes, or may."""
    if one.kind is Kind.EXPAND or one.after is None:
        return None
    limit = f"every process written for schema {one.after} or later"
    if uses.unknown:
        value = f"sessions of unknown version: {', '.join(sorted(uses.unknown)[:3])}"
    elif not uses.versions:
        value = "no process of the service was seen"
    elif min(uses.versions) < one.after:
        value = f"schema {min(uses.versions)} is in use"
    else:
        return None
    return Refused(guard="versions-in-use", value=value, limit=limit, way_out="Deploy the newer version everywhere first.")


def differences(states: States) -> Mapping[str, tuple[str, ...]]:
    """By site, what it has otherwise than the writer: `- ` lines that it lacks, `+ ` lines that only it has."""
    writer = writer_of(states)
    return {
        site: (
            *(f"- {line}" for line in sorted(writer.lines - state.lines)),
            *(f"+ {line}" for line in sorted(state.lines - writer.lines)),
        )
        for site, state in sorted(states.items())
        if state.lines != writer.lines
    }


def _half_attached(follower: NodeState, writer: NodeState) -> bool:
    """Is there a stream of this reign that is not the one from its writer, alive? Without any, the node waits to be seeded."""
    return stream_of(follower, writer) is None and any(one.epoch == writer.epoch for one in follower.streams)


def _by_site(states: States) -> Sequence[NodeState]:
    return [state for _, state in sorted(states.items())]


def _astray(value: str) -> Refused:
    return Refused(
        guard="one-reign",
        value=value,
        limit="a writer and followers that stream from it",
        way_out="Let the controllers finish (`trimaran status`); what was begun, `apply` completes on the others meanwhile.",
    )


def _of_records(migrations: Sequence[Migration], state: NodeState) -> Iterator[Refused]:
    known = {one.number: one for one in migrations}
    for number, record in sorted(state.records.items()):
        one = known.get(number)
        if one is None or one.digest != record.digest:
            what = f"another {one.file}" if one else f"migration {number:04} ({record.name}), which is not in this checkout"
            yield Refused(
                guard="same-files",
                value=f"{state.site} has done {what}",
                limit="the files that were applied, unchanged",
                way_out="Use the checkout that applied it; a change belongs into a new file.",
            )
