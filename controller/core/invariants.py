"""The promises of the design as claims that can be executed over plain values; tests, the simulation and the lab all use these.

Rules for changing this file: a claim reads records, never the code it judges; it names the evidence for each breach, so that a
person can look it up. No claim may pass on an empty ledger by accident: what was acknowledged must be found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from controller.core.model import Epoch, Health, Posture, Site, Trigger
from controller.core.plans import Plan, PlanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One broken promise with its evidence."""

    promise: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """One acknowledgement as the client wrote it down."""

    key: str
    """Idempotency key."""
    payment: str
    """Payment id the client was told."""
    body: str
    """Digest of what was paid, by whom, to whom."""
    epoch: Epoch
    writer: Site
    """Site whose database acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """One payment as a ledger has it."""

    key: str
    payment: str
    body: str


def no_loss(acknowledged: Iterable[Acknowledged], ledgers: Mapping[Site, Sequence[Entered]]) -> tuple[Breach, ...]:
    """A payment acknowledged to a client exists exactly once, unchanged, on every ledger given (every later writer)."""
    promised = list(acknowledged)
    if not ledgers:
        return (Breach(promise="no-loss", evidence="no ledger to look in"),) if promised else ()
    return tuple(breach for site in sorted(ledgers) for breach in _missing(site, ledgers[site], promised))


def _missing(site: Site, ledger: Sequence[Entered], promised: Sequence[Acknowledged]) -> Iterable[Breach]:
    by_key: dict[str, list[Entered]] = {}
    for entered in ledger:
        by_key.setdefault(entered.key, []).append(entered)
    for key, entries in by_key.items():
        if len(entries) > 1:
            yield Breach(promise="no-loss", evidence=f"key {key} is {len(entries)} payments on {site}")
    for told in promised:
        match by_key.get(told.key, []):
            case []:
                yield Breach(promise="no-loss", evidence=f"payment {told.payment} (key {told.key}) is not on {site}")
            case [entered, *_] if (entered.payment, entered.body) != (told.payment, told.body):
                yield Breach(promise="no-loss", evidence=f"payment {told.payment} (key {told.key}) is another one on {site}")
            case _:
                pass


def one_acknowledger(acknowledged: Iterable[Acknowledged]) -> tuple[Breach, ...]:
    """In one epoch at most one site acknowledges."""
    writers: dict[Epoch, set[Site]] = {}
    for told in acknowledged:
        writers.setdefault(told.epoch, set()).add(told.writer)
    return tuple(
        Breach(promise="one-acknowledger", evidence=f"epoch {epoch} was acknowledged by {', '.join(sorted(writers[epoch]))}")
        for epoch in sorted(writers)
        if len(writers[epoch]) > 1
    )


def epochs_only_grow(postures: Sequence[Posture]) -> tuple[Breach, ...]:
    """Along the postures of one service, in order, neither epoch nor reign falls, and one reign has one writer."""
    breaches = []
    for before, after in pairwise(postures):
        if after.epoch < before.epoch or after.reign < before.reign:
            evidence = f"epoch {before.epoch}, reign {before.reign} became epoch {after.epoch}, reign {after.reign}"
            breaches.append(Breach(promise="one-acknowledger", evidence=evidence))
        if after.reign == before.reign and after.writer != before.writer:
            evidence = f"reign {after.reign} went from {before.writer} to {after.writer}"
            breaches.append(Breach(promise="one-acknowledger", evidence=evidence))
    breaches.extend(
        Breach(promise="one-acknowledger", evidence=f"reign {posture.reign} is above the highest claim {posture.epoch}")
        for posture in postures
        if posture.reign > posture.epoch
    )
    return tuple(breaches)


def must_cut_is_superset(posture: Posture, ack_set: frozenset[Site]) -> tuple[Breach, ...]:
    """Everyone whose confirmation counts in the writer's row must be cut: a member missing here may alone hold a payment."""
    missing = ack_set - posture.must_cut
    if not missing:
        return ()
    return (Breach(promise="no-loss", evidence=f"{', '.join(sorted(missing))} may acknowledge but would not be cut"),)


def no_orphan_drain(weights: Mapping[Site, float], edges: Mapping[Site, Health]) -> tuple[Breach, ...]:
    """Somebody has traffic; and as long as any site can serve, somebody who is not failing has."""
    serving = {site for site, weight in weights.items() if weight > 0}
    if not serving:
        return (Breach(promise="no-orphan-drain", evidence="no site has traffic"),)
    able = {site for site in weights if edges.get(site, Health.UNKNOWN) is not Health.FAILING}
    if able and not serving & able:
        evidence = f"traffic goes to {', '.join(sorted(serving))}, while {', '.join(sorted(able))} can serve"
        return (Breach(promise="no-orphan-drain", evidence=evidence),)
    return ()


def no_surprise_return(plans: Iterable[Plan], limit: int, window: timedelta) -> tuple[Breach, ...]:
    """Nobody but operators switches over, and automatic failovers keep to the velocity limit.

    A failover that replaced an unfinished one is the same move, so leave replaced plans out.
    """
    given = list(plans)
    breaches = [
        Breach(promise="no-surprise-return", evidence=f"switchover {plan.id} was asked for by nobody")
        for plan in given
        if plan.kind is PlanKind.SWITCHOVER and plan.trigger is not Trigger.OPERATOR
    ]
    starts: list[datetime] = sorted(
        plan.started for plan in given if plan.kind is PlanKind.FAILOVER and plan.trigger is Trigger.AUTOMATIC
    )
    for index, first in enumerate(starts):
        together = sum(1 for start in starts[index:] if start - first < window)
        if together > limit:
            evidence = f"{together} automatic failovers within {window} from {first.isoformat()}, limit {limit}"
            return (*breaches, Breach(promise="no-surprise-return", evidence=evidence))
    return tuple(breaches)


def always_finishes(begun: Iterable[str], ended: Iterable[str], replaced: Iterable[str]) -> tuple[Breach, ...]:
    """Every plan (by id) that began was completed, or replaced by a new claim."""
    open_plans = set(begun) - set(ended) - set(replaced)
    return tuple(
        Breach(promise="always-finishes", evidence=f"plan {plan} neither ended nor was replaced") for plan in sorted(open_plans)
    )


def quorum_or_hold(plan: Plan, accusers: Mapping[Site, timedelta], *, vantages: int, oldest: timedelta) -> tuple[Breach, ...]:
    """An automatic failover rests on enough vantages that had accused the very writer, one of them outside its cloud, none longer ago than
    `oldest` when the claim was written. `accusers`: how long ago each had said so, in true time, and not by anybody's own account."""
    fresh = {site for site, age in accusers.items() if age <= oldest}
    if len(fresh) >= vantages and fresh - {plan.subject}:
        return ()
    said = ", ".join(f"{site} {accusers[site].total_seconds():.2f} s before" for site in sorted(accusers)) or "nobody"
    return (Breach(promise="quorum-or-hold", evidence=f"{plan.id} leaves {plan.subject} on the word of {said}"),)


def static_stability(plan: Plan, asked: Iterable[Site]) -> tuple[Breach, ...]:
    """No step of a failover asks a provider about the site it leaves, nor about any that is to get no traffic."""
    left = {site for site, share in (plan.weights or {}).items() if share == 0}
    return tuple(
        Breach(promise="static-stability", evidence=f"{plan.id} asked the provider of {site}")
        for site in sorted(set(asked) & left)
    )


def same_everywhere(writer: Site, ledgers: Mapping[Site, Sequence[Entered]]) -> tuple[Breach, ...]:
    """At rest every member has exactly the writer's payments, also those that nobody was told of: any of them may be the next writer, and
    money that is on one ledger alone is made or lost when it is."""
    there = set(ledgers[writer])
    return tuple(
        Breach(
            promise="no-loss",
            evidence=f"{site} lacks {_some(there - set(ledger))} of {writer}'s payments and has {_some(set(ledger) - there)} of its own",
        )
        for site, ledger in sorted(ledgers.items())
        if set(ledger) != there
    )


def _some(entered: set[Entered]) -> str:
    keys = sorted(one.key for one in entered)
    return f"{len(keys)} ({', '.join(keys[:3])})" if keys else "none"
