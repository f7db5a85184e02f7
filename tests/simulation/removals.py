"""How each safeguard is taken away: what stands in its place. Each entry is owner, name, and what is there instead."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from controller import execute, loop, observe
from controller.actions import Actions
from controller.coordination.change import Change as Written
from controller.coordination.commit import Commit
from controller.coordination.records import Head, Tip
from controller.coordination.store import Store
from controller.coordination.transaction import Txn
from controller.core import candidates, claims, decide, guards, health, naming, phases, upkeep
from controller.core.candidates import Candidate
from controller.core.circumstances import Circumstances
from controller.core.claims import Claim
from controller.core.model import Aged, Epoch, Health, Lsn, Observation, Position, Posture, Role, Site, Token, Trigger
from controller.core.phases import Change
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.proposals import Proposal, Return, Shrink, Switchover, sentence
from controller.core.steps import Attach, Open, Result, SetAckSet, Steered, Step, Unanswered
from controller.errors import Conflict, StaleToken
from controller.ports import Control, Draft
from controller.providers.memory import positions
from controller.providers.memory.server import FIRST, Marker, MemoryServer
from controller.providers.memory.world import MemoryWorld, Poll, Waiting
from tests.simulation.databases import FarWorld, Row
from tests.simulation.payers import Till, Waiter

# ---------------------------------------------------------------------------------------------------- the data path

BARRIER = ((FarWorld, "answer", lambda self, poll: poll.known),)


def _all_who_wait(self: Till, at: Site, known: tuple[Waiter, ...]) -> tuple[Waiting, ...]:
    return tuple(waiter.waiting for waiter in self.waiters[at])


WAITERS_KNOWN = ((Till, "counted", _all_who_wait),)


def _answer_on_any_timeline(self: MemoryWorld, poll: Poll) -> tuple[Waiting, ...]:
    server = self.servers[poll.at]
    if poll.role is not Role.WRITER:
        return ()
    counted = [server.slots[name].confirmed for name in poll.ack_slots if name in server.slots]
    confirmed = max(counted, default=Lsn(-1))
    return tuple(one for one in poll.known if one.end <= confirmed and one.epoch == poll.epoch)


def _admit_on_any_timeline(self: MemoryServer) -> None:
    if self.role is not Role.WRITER:
        raise Conflict(f"{self.site} is {self.role} in epoch {self.epoch}, not the writer")


PIN_IN_BARRIER = ((FarWorld, "answer", _answer_on_any_timeline),)
PIN_IN_GUARD = ((MemoryServer, "admit", _admit_on_any_timeline),)
PIN_IN_BOTH = (*PIN_IN_BARRIER, *PIN_IN_GUARD)

DRAINED = ((Row, "change", lambda self, finish, work: finish(work)),)

# ---------------------------------------------------------------------------------------------------- steps on nodes

WAITED_CUT = ((MemoryServer, "end_workers", lambda self: None),)

_check, _keep, _open = MemoryServer.check, MemoryServer.keep, MemoryServer.open


def _check_timeline_only(self: MemoryServer, token: Token, *, pinned: bool = True) -> None:
    try:
        _check(self, token, pinned=pinned)
    except StaleToken:
        _check(self, self.token, pinned=pinned)


def _check_token_only(self: MemoryServer, token: Token, *, pinned: bool = True) -> None:
    _check(self, token, pinned=False)


TOKEN_CHECKED = ((MemoryServer, "check", _check_timeline_only),)
TOKEN_KEPT = ((MemoryServer, "keep", lambda self, token: self.commit() and None),)
PIN_IN_STEPS = ((MemoryServer, "check", _check_token_only),)


def _position_on_any_timeline(server: MemoryServer, writer: Site, reign: Epoch) -> Position:
    before, server.pinned_to = server.pinned_to, server.timeline
    try:
        return _position_of(server, writer, reign)
    finally:
        server.pinned_to = before


_position_of = positions.position_of
PIN_IN_ELECTION = ((positions, "position_of", _position_on_any_timeline), *PIN_IN_STEPS)


def _open_without_marker(self: MemoryServer, token: Token, epoch: Epoch, ack_slots: tuple[str, ...]) -> None:
    if not (self.role is Role.WRITER and self.epoch == epoch):
        kept, before = self.commit, len(self.log)
        _open(self, token, epoch, ack_slots)
        assert kept is not None
        marker = self.log.pop()
        assert len(self.log) == before
        self.markers -= {row.epoch for row in marker.rows if isinstance(row, Marker)}
    else:
        _open(self, token, epoch, ack_slots)


EPOCH_MARKER = ((MemoryServer, "open", _open_without_marker),)


def _open_once(self: MemoryServer, token: Token, epoch: Epoch, ack_slots: tuple[str, ...]) -> None:
    self.check(token)
    if self.epoch >= epoch:
        raise Conflict(f"{self.site} already stands in epoch {self.epoch}")
    _open(self, token, epoch, ack_slots)


OPEN_TWICE = ((MemoryServer, "open", _open_once),)


def _clear_again(self: MemoryServer, token: Token, reign: Epoch) -> None:
    self.seeded = min(self.seeded, token - 1)
    _clear(self, token, reign)


_clear = MemoryServer.clear
CLEAR_TWICE = ((MemoryServer, "clear", _clear_again),)


def _follow_besides(self: MemoryServer, token: Token, epoch: Epoch, publisher: Site, *, seed: bool) -> None:
    before = {name: stream for name, stream in self.streams.items() if not seed}
    _follow(self, token, epoch, publisher, seed=seed)
    self.streams = {**before, **self.streams}
    for stream in before.values():
        stream.enabled = True


def _open_besides(self: MemoryServer, token: Token, epoch: Epoch, ack_slots: tuple[str, ...]) -> None:
    before = self.streams
    _open(self, token, epoch, ack_slots)
    self.streams = before
    for stream in before.values():
        stream.enabled = True


_follow = MemoryServer.follow
OLDER_DROPPED = ((MemoryServer, "follow", _follow_besides), (MemoryServer, "open", _open_besides))


def _mapped_nearby(server: MemoryServer, sibling: Site, position: Position) -> tuple[str, Lsn] | str:
    """The first transaction at or behind the position will do."""
    spare = naming.spare_stream(server.service, position.epoch, server.site, sibling)
    stream = server.streams.get(naming.stream(server.service, position.epoch, position.publisher, server.site))
    if stream is None or spare not in server.slots:
        return "no spare slot"
    held = positions.held_by(server, spare, stream.oid)
    end = next((one.end for one in held if one.origin is not None and one.origin >= position.lsn), server.flushed)
    return spare, end


EXACT = ((positions, "mapped_end", _mapped_nearby),)


def _placed_at_the_end(
    world: MemoryWorld, server: MemoryServer, sibling: Site, position: Position, *, level: bool, name: str
) -> None:
    server.have_slot(name)


MAPPED = ((positions, "placed", _placed_at_the_end),)

_stream, _spare = naming.stream, naming.spare_stream


def _stream_of_any_epoch(service: str, epoch: Epoch, publisher: Site, follower: Site) -> str:
    return _stream(service, FIRST, publisher, follower)


def _spare_of_any_epoch(service: str, epoch: Epoch, publisher: Site, follower: Site) -> str:
    return _spare(service, FIRST, publisher, follower)


EPOCH_IN_NAMES = (
    (naming, "stream", _stream_of_any_epoch),
    (naming, "spare_stream", _spare_of_any_epoch),
    (upkeep, "stream", _stream_of_any_epoch),
)

# ---------------------------------------------------------------------------------------------------- plans


def _by_any_member(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    usable = [
        one
        for one in plan.positions
        if one.site in posture.must_cut and (one.publisher, one.epoch) == (posture.writer, posture.reign) and one.lsn > 0
    ]
    best = max((one.lsn for one in usable), default=None)
    return tuple(Candidate(site=one.site, proof="it was cut") for one in usable if one.lsn == best)


ALL_MEMBERS = ((candidates, "_by_every_member", _by_any_member),)

_confirmed, _advance, _elect = phases._confirmed, phases.advance, phases.elect


def _confirmed_without_etcd(plan: Plan, posture: Posture, *, enough: bool) -> Change:
    change = _confirmed(plan, posture, enough=enough)
    return replace(change, posture=posture) if plan.kind is PlanKind.GROW else change


def _advance_with_etcd_last(plan: Plan, posture: Posture, step: Step, result: Result) -> Change:
    change = _advance(plan, posture, step, result)
    if plan.kind is PlanKind.GROW and isinstance(step, SetAckSet) and change.plan.phase is Phase.DONE:
        assert plan.subject is not None
        return replace(change, posture=replace(change.posture, must_cut=change.posture.must_cut | {plan.subject}))
    return change


GROW_ORDER = ((phases, "_confirmed", _confirmed_without_etcd), (execute, "advance", _advance_with_etcd_last))

_claim = claims.claim


def _claim_with_etcd_first(proposal: Proposal, posture: Posture, **given: Any) -> Claim:
    made = _claim(proposal, posture, **given)
    if isinstance(proposal, Shrink):
        return replace(made, posture=replace(posture, must_cut=posture.must_cut - {proposal.site}))
    return made


SHRINK_ORDER = ((loop, "claim", _claim_with_etcd_first),)


def _confirmed_at_once(plan: Plan, posture: Posture, *, enough: bool) -> Change:
    return _confirmed(plan, posture, enough=enough or plan.kind is PlanKind.SHRINK)


SHRINK_WAIT = ((phases, "_confirmed", _confirmed_at_once),)


def _joined_at_once(plan: Plan, posture: Posture, *, enough: bool) -> Change:
    return _confirmed(plan, posture, enough=enough or plan.kind is PlanKind.GROW)


JOIN_MARKER = ((phases, "_confirmed", _joined_at_once),)


def _elect_settled(plan: Plan, posture: Posture) -> Change:
    change = _elect(plan, posture)
    winner = change.plan.winner
    if change.posture == posture or winner is None or change.posture.must_cut == {winner}:
        return change
    return replace(change, posture=replace(change.posture, must_cut=change.posture.must_cut - {winner}))


SETTLED = ((phases, "elect", _elect_settled),)


# ---------------------------------------------------------------------------------------------------- decisions


def _without(guard: str) -> tuple[tuple[Any, str, Any], ...]:
    return ((guards, "GUARDS", tuple(one for one in guards.GUARDS if one.__name__ != guard)),)


VELOCITY, PAUSE, MODE, ORPHAN = _without("velocity"), _without("pause"), _without("mode"), _without("no_orphan_drain")
RECALLED = ((loop, "recalled", lambda entries: ()),)
SELF_SUSPICION = ((observe, "suspects_itself", lambda vantage, opinions, policy: False),)
ANSWERED = ((health, "accuses", lambda said: said.health is Health.FAILING),)
SLEEP = ((observe, "slept", lambda gap, expected, slack: timedelta(0)),)


def _always_fresh(sightings: Mapping[Site, Any], now: timedelta) -> Mapping[Site, Aged[Observation]]:
    return {site: Aged(value=seen.observation, age=timedelta(0)) for site, seen in sightings.items()}


FRESHNESS = ((loop, "fresh", _always_fresh),)


def _unfit_or_outside(now: Circumstances) -> tuple[Proposal, ...]:
    """A node that does not follow is brought back, member or not."""
    posture = now.posture
    found = [
        Return(site=site, because=because)
        for site in sorted(set(posture.weights) - {posture.writer})
        if (because := upkeep._unfit(site, now)) and now.facts(site) is not None
    ]
    return (*found, *_repairs(now))


_repairs = upkeep.repairs
RETURN_OF_MEMBERS = ((decide, "repairs", _unfit_or_outside), *_without("provable_durability"))

_written = Commit.change


def _without_session(self: Commit) -> Written:
    return replace(
        _written(self), unchanged={key: at for key, at in _written(self).unchanged.items() if key not in self.announcement}
    )


_onto = Written.onto


def _onto_the_journal_only(self: Written, tip: Tip, at: datetime) -> tuple[Txn, Head]:
    txn, head = _onto(self, tip, at)
    return replace(txn, unchanged={self.keys.head: tip.revision}), head


SESSION = ((Commit, "change", _without_session),)
COMPARED = (
    (Written, "onto", _onto_the_journal_only),
    (Written, "_holds", lambda self, key, revision, item, applied: True),
    (Commit, "_check_ownership", lambda self: None),
)
TAKEOVER = ((decide, "_carried", lambda running, seen, held: iter(())),)

_commit = Store.commit


async def _commit_in_two(self: Store, known: Control, *, journal: Sequence[Draft] = (), **given: Any) -> Control:
    """What is done first, and why in a write of its own."""
    after = await _commit(self, known, **given)
    return await _commit(self, after, journal=journal) if journal else after


JOURNALED = ((Store, "commit", _commit_in_two),)


def _advance_or_go_back(plan: Plan, posture: Posture, step: Step, result: Result) -> Change:
    """A winner that does not answer is given up for another one, in the same plan."""
    others = sorted(position.site for position in plan.positions if position.site != plan.winner)
    if isinstance(step, Attach | Open) and isinstance(result, Unanswered) and plan.kind is PlanKind.FAILOVER and others:
        return Change(plan=replace(plan, winner=others[0]), posture=replace(posture, writer=others[0]))
    return _advance(plan, posture, step, result)


FORWARD = ((execute, "advance", _advance_or_go_back),)

_needs, _conditions = decide._needs, decide._conditions


def _needs_home(seen: Circumstances, held: Mapping[str, timedelta]) -> tuple[Proposal, ...]:
    """The writer belongs home, wherever that was, as soon as it counts again."""
    home, posture = Site("azure"), seen.posture
    if seen.running is not None or home not in posture.must_cut or not posture.settled:
        return _needs(seen, held)
    return (Switchover(to=home, trigger=Trigger.AUTOMATIC, because="home"), *_needs(seen, held))


def _conditions_beside_plans(seen: Circumstances) -> frozenset[str]:
    """Repairs ripen beside any plan."""
    return _conditions(seen) | {sentence(repair) for repair in upkeep.repairs(seen)}


GOES_HOME = ((decide, "_needs", _needs_home),)
RIPENS = ((decide, "_conditions", _conditions_beside_plans),)
SURPRISE, ONE_PLAN, WRITER = _without("no_surprise_return"), _without("one_plan"), _without("exactly_one_writer")

_steer = Actions._steer


async def _steer_with_floors_everywhere(self: Actions, weights: Mapping[Site, float], token: Token) -> Result:
    told = await _steer(self, weights, token)
    assert isinstance(told, Steered)
    rest = await asyncio.gather(*(self._raise_floor(site) for site in sorted(self.floors) if not weights.get(site)))
    return replace(told, floors=(*told.floors, *rest))


FLOORS = ((Actions, "_steer", _steer_with_floors_everywhere),)
