"""The deciding function: from what is known to what should be done, and why, or why not.

Rules for changing this file: no judgement of its own about safety (guards), health (health) or repairs (upkeep); only the order
in which needs are answered, and the memory that this takes. Same inputs, same answer; ties go by the names of sites.

The order: an operator's pause · a writer that is lost · an operator's other wishes · a plan whose owner is gone · traffic · repairs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.core.circumstances import Circumstances, circumstances
from controller.core.comparison import traffic_reasons
from controller.core.guards import no_orphan_drain, review, surviving_capacity
from controller.core.limits import AutomaticFailover, remembered
from controller.core.model import Health, Part, Reason, Snapshot, Trigger, Verdict
from controller.core.plans import GIVES_WAY, PlanKind
from controller.core.policy import Moment, Policy
from controller.core.proposals import Asked, DrainOnly, Failover, GiveUp, Proposal, Running, TakeOver, sentence
from controller.core.reign_guards import unpinned
from controller.core.requests import PAUSE, read_request
from controller.core.stalls import endured, pointless, stalled
from controller.core.steering import returning, wanted_weights, weights_without
from controller.core.upkeep import patience, repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a controller remembers between ticks; an empty one is a safe start, a seeded history a better one."""

    failovers: tuple[AutomaticFailover, ...] = ()
    since: Mapping[str, timedelta] = field(default_factory=dict)
    """Conditions that hold, with the monotonic time since when they have."""
    met: Mapping[str, timedelta] = field(default_factory=dict)
    """Requests that wait, by id, with the monotonic time since when this controller has listened to everybody with them in mind."""
    looked: timedelta | None = None
    """Monotonic time of the last decision."""
    said: tuple[str, ...] = ()
    """Why nothing was done the last time nothing was done, so that only news is journaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, with everything that explains it."""

    state: State
    proposal: Proposal | None
    """None: nothing, for the reasons given."""
    withheld: Proposal | None = None
    """What would have been done, had no guard refused."""
    reasons: tuple[Reason, ...]
    request: str | None = None
    """The operator's request this answers, by a proposal or by a refusal."""
    news: bool = False
    """It differs from the last decision in more than numbers, so it belongs into the journal."""


def decide(
    state: State,
    snapshot: Snapshot,
    running: Running | None,
    requests: Sequence[Asked],
    policy: Policy,
    now: Moment,
) -> Decision:
    """The one thing to do at this tick, if any. Pure; claiming it may fail, because etcd decides who was first."""
    history = remembered(state.failovers, running.plan if running else None)
    seen = circumstances(snapshot, policy, history, running, now)
    held = _held(state.since, seen)
    state = replace(state, failovers=history, since=held, met=_met(state, requests, policy, now), looked=now.monotonic)
    evidence = _evidence(seen)
    if snapshot.majority and (asked := _next(requests, seen, held)) and (answer := _answer(state, asked, seen, evidence)):
        return _noted(state, answer)
    refusals: list[tuple[Proposal, tuple[Reason, ...]]] = []
    for proposal in _needs(seen, held):
        reviewed = review(proposal, seen)
        if not reviewed.refusals:
            reasons = (*evidence, *reviewed.reasons, *(reason for _, why in refusals for reason in why))
            withheld = refusals[0][0] if refusals else None
            return _noted(state, Decision(state=state, proposal=proposal, withheld=withheld, reasons=reasons))
        refusals.append((proposal, reviewed.refusals))
    why = tuple(reason for _, refused in refusals for reason in refused)
    withheld = refusals[0][0] if refusals else None
    reasons = (*evidence, *why, *_waiting(seen, held))
    return _noted(state, Decision(state=state, proposal=None, withheld=withheld, reasons=reasons))


def _next(requests: Sequence[Asked], seen: Circumstances, held: Mapping[str, timedelta]) -> Asked | None:
    """The request to answer now: a pause before everything, whatever else only when no failover is due.

    Twenty requests wait, one is answered per tick, and the writer dies: answered first, they would cost two seconds in which nobody
    can pay. A pause among them would come too late.
    """
    if not requests:
        return None
    asked = min(requests, key=lambda asked: (asked.verb != PAUSE, asked.at, asked.id))
    if asked.verb != PAUSE and (failover := _failover(seen, held)) and not review(failover, seen).refusals:
        return None
    return asked


def _answer(state: State, asked: Asked, seen: Circumstances, evidence: tuple[Reason, ...]) -> Decision | None:
    """None: not yet. A refusal waits, for as long as a word stays fresh, while something was not heard.

    This controller was itself held up for a second, or has just begun. At its first look it meets an operator's switchover, and
    observations that it has not seen change for too long, or never: nobody is known to be well, and the switchover would be refused in
    the name of a fleet in which nothing is wrong. A few looks later the same words are fresh.
    """
    wish = read_request(asked, seen)
    if isinstance(wish, Reason):
        return Decision(state=state, proposal=None, reasons=(*evidence, wish), request=asked.id)
    reviewed = review(wish.proposal, seen, wish.overrides)
    granted = not reviewed.refusals
    if not granted and _unheard(seen) and seen.now.monotonic - state.met[asked.id] < seen.policy.freshness:
        return None
    return Decision(
        state=state,
        proposal=wish.proposal if granted else None,
        withheld=None if granted else wish.proposal,
        reasons=(*evidence, *reviewed.reasons),
        request=asked.id,
    )


def _met(state: State, requests: Sequence[Asked], policy: Policy, now: Moment) -> Mapping[str, timedelta]:
    """Since when each request has been listened for. Anew for who was held up since its last look: that time was no listening."""
    held_up = state.looked is None or now.monotonic - state.looked > policy.freshness / 2
    before = {} if held_up else state.met
    return {asked.id: before.get(asked.id, now.monotonic) for asked in requests}


def _unheard(seen: Circumstances) -> bool:
    """Is there a site whose vantage has said nothing that counts for its age, or whose node has not?"""
    observations, freshness = seen.snapshot.observations, seen.policy.freshness
    heard = {site for site, aged in observations.items() if aged.age <= freshness}
    return any(site not in heard or seen.facts(site) is None for site in seen.posture.weights)


def _needs(seen: Circumstances, held: Mapping[str, timedelta]) -> tuple[Proposal, ...]:
    """Everything that ought to be done, most urgent first; the guards say which of it may be."""
    needs: list[Proposal] = []
    if failover := _failover(seen, held):
        needs.append(failover)
    if seen.running is not None:
        needs.extend(_carried(seen.running, seen, held))
    restore = frozenset(site for site in returning(seen) if _ripe(f"restore {site}", seen, held))
    weights = wanted_weights(seen, restore)
    if weights != seen.posture.weights:
        because = f"healthy again: {', '.join(sorted(restore))}" if restore else "an edge is failing"
        needs.append(DrainOnly(weights=weights, trigger=Trigger.AUTOMATIC, because=because))
    needs.extend(repair for repair in repairs(seen) if _ripe(sentence(repair), seen, held))
    return tuple(needs)


def _carried(running: Running, seen: Circumstances, held: Mapping[str, timedelta]) -> Iterator[Proposal]:
    """What ought to be done about a plan under way: carry it on when its owner cannot, end it when its subject is failing."""
    plan = running.plan
    if not running.owner_alive:
        yield TakeOver(plan=plan, because=f"{running.owner or 'its owner'} is gone")
    elif (stall := stalled(seen)) and _held_for(stall, seen, held) >= endured(seen) * seen.policy.dwell:
        yield TakeOver(plan=plan, because=f"{running.owner} gets nowhere: {stall}")
    if because := pointless(plan, seen):
        yield GiveUp(plan=plan, because=because)


def _failover(seen: Circumstances, held: Mapping[str, timedelta]) -> Failover | None:
    """Leave the writer when its database is failing by agreement, or when the node itself says, for the dwell, that it is no
    longer on its pinned timeline; not again while a plan is leaving it already."""
    writer, plan = seen.posture.writer, seen.running.plan if seen.running else None
    if plan is not None and plan.kind is PlanKind.FAILOVER and plan.subject == writer:
        return None
    if seen.database(writer) is Health.FAILING:
        because = f"{writer}'s database is failing"
    elif _held_for(f"unpinned {writer}", seen, held) >= seen.policy.dwell:
        because = f"{writer} is not on its pinned timeline"
    else:
        return None
    proposal = Failover(site=writer, weights=weights_without(writer, seen), trigger=Trigger.AUTOMATIC, because=because)
    # Traffic must not hold the writer back: A's database is lost, and B and C alone cannot carry all traffic. Refusing the
    # whole failover for that would leave nobody who can pay; so traffic stays, and A's edge hands its requests to B's writer.
    traffic = (no_orphan_drain(proposal, seen), surviving_capacity(proposal, seen))
    held_back = any(reason.verdict is Verdict.REFUSED for reason in traffic)
    return replace(proposal, weights=None) if held_back or proposal.weights == seen.posture.weights else proposal


def _conditions(seen: Circumstances) -> frozenset[str]:
    """Conditions whose dwell counts now. Repairs and returning traffic only while no plan runs that they wait for, so that beside one
    nothing ripens but a drain: what was true before a plan, and was seen a moment before its end, is no reason to begin again what it
    has just finished."""
    writer = seen.posture.writer
    found = {f"unpinned {writer}"} if unpinned(writer, seen) else set()
    if stall := stalled(seen):
        found.add(stall)
    if seen.running is None or seen.running.plan.kind in GIVES_WAY:
        found |= {sentence(repair) for repair in repairs(seen)} | {f"restore {site}" for site in returning(seen)}
    return frozenset(found)


def _held(since: Mapping[str, timedelta], seen: Circumstances) -> Mapping[str, timedelta]:
    return {name: since.get(name, seen.now.monotonic) for name in sorted(_conditions(seen))}


def _held_for(condition: str, seen: Circumstances, held: Mapping[str, timedelta]) -> timedelta:
    start = held.get(condition)
    return seen.now.monotonic - start if start is not None else timedelta(0)


def _ripe(condition: str, seen: Circumstances, held: Mapping[str, timedelta]) -> bool:
    return condition in held and _held_for(condition, seen, held) >= patience(seen)


def _evidence(seen: Circumstances) -> tuple[Reason, ...]:
    """What the vantages agree on about the writer, and about every part that is not healthy; and whose traffic failed meanwhile."""
    writer = (seen.posture.writer, Part.DATABASE)
    agreed = (
        agreement.reason
        for key, agreement in sorted(seen.agreements.items())
        if key == writer or agreement.health is not Health.HEALTHY
    )
    return (*agreed, *traffic_reasons(seen.snapshot.observations, seen.policy.freshness))


def _waiting(seen: Circumstances, held: Mapping[str, timedelta]) -> tuple[Reason, ...]:
    """Why nothing more is done: what has not held long enough, and what a failover would take."""
    writer, policy = seen.posture.writer, seen.policy
    lost = Reason(
        guard="writer-lost",
        verdict=Verdict.REFUSED,
        value=f"{writer}'s database is {seen.database(writer)}",
        limit=f"failing for {policy.vantages} fresh vantages, one of them outside {writer}",
        way_out=f"failover --from {writer}, when you know better.",
    )
    needed = patience(seen).total_seconds()
    dwelling = tuple(
        Reason(
            guard="dwell",
            verdict=Verdict.REFUSED,
            value=f"{name}: for {_held_for(name, seen, held).total_seconds():.1f} s",
            limit=f"{needed:.1f} s",
            way_out="Nothing to do; it follows by itself.",
        )
        for name in held
        if not _ripe(name, seen, held) and name != stalled(seen)
    )
    return dwelling if seen.database(writer) is Health.FAILING else (lost, *dwelling)


def _noted(state: State, decision: Decision) -> Decision:
    """Everything that is done or answered is news; holding still is news when it is for other reasons than the last time."""
    refusals = sorted({reason.guard for reason in decision.reasons if reason.verdict is Verdict.REFUSED} - {"dwell"})
    holding = (sentence(decision.withheld) if decision.withheld else "", *refusals)
    if decision.proposal is not None or decision.request is not None:
        return replace(decision, state=state, news=True)
    return replace(decision, state=replace(state, said=holding), news=holding != state.said)
