"""The promises that the control plane's own records can break: the journal, the posture and the writer's row, put before
`controller.core.invariants`. Pure: everything that was read is passed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from controller.coordination import chain
from controller.core import invariants
from controller.core.invariants import Breach
from controller.core.model import Epoch, Health, JournalEntry, Observation, Part, Posture, Site, Trigger
from controller.core.phases import first_phase
from controller.core.plans import Plan, PlanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the control plane left behind, read while no plan was under way."""

    posture: Posture
    observations: Mapping[Site, Observation]
    journal: Sequence[JournalEntry]
    """From the first entry on."""
    ack_set: frozenset[Site] | None
    """Followers whose confirmation counts in the writer's own row; None: nobody could read it, and nothing about them is proven."""
    failovers_allowed: int
    """Automatic ones within the window: the policy that the controllers ran with."""
    window: timedelta


def breaches(records: Records) -> tuple[str, ...]:
    """Every promise that these records show to be broken, in words; empty when none is."""
    plans, ended, replaced = _plans(records)
    moves = [plan for plan in plans if plan.id not in replaced]
    found: tuple[Breach, ...] = (
        *invariants.epochs_only_grow(_postures(records)),
        *invariants.must_cut_is_superset(records.posture, records.ack_set or frozenset()),
        *invariants.no_orphan_drain(records.posture.weights, _edges(records)),
        *invariants.no_surprise_return(moves, records.failovers_allowed, records.window),
        *invariants.always_finishes((plan.id for plan in plans), ended, replaced),
    )
    link = chain.verify(records.journal)
    torn = () if link is None else (f"the journal's chain breaks at entry {link.sequence}: {link.detail}",)
    unread = (
        () if records.ack_set is not None else (f"who counts for {records.posture.writer} is unknown: its row cannot be read",)
    )
    return (*torn, *unread, *(f"{one.promise}: {one.evidence}" for one in found))


def _postures(records: Records) -> list[Posture]:
    """Epoch, reign and writer as they followed each other: founded, claimed, elected, and what etcd holds in the end."""
    postures: list[Posture] = []
    for entry in records.journal:
        body, known = entry.body, postures[-1] if postures else None
        if entry.kind == "founded":
            first = body["posture"]
            assert isinstance(first, Mapping), "a founding entry holds the posture"
            epoch, reign = Epoch(_whole(first["epoch"])), Epoch(_whole(first["reign"]))
            postures.append(replace(records.posture, writer=Site(str(first["writer"])), epoch=epoch, reign=reign))
        elif known is not None and entry.kind == "claim" and body.get("plan_kind") in (PlanKind.FAILOVER, PlanKind.SWITCHOVER):
            postures.append(replace(known, epoch=Epoch(_whole(body["epoch"]))))
        elif known is not None and entry.kind == "elected":
            postures.append(replace(known, reign=Epoch(_whole(body["epoch"])), writer=Site(str(body["winner"]))))
    return [*postures, records.posture]


def _plans(records: Records) -> tuple[list[Plan], set[str], set[str]]:
    """Every plan as it was claimed, and the ids of those that ended and of those that a later claim replaced."""
    plans: dict[str, Plan] = {}
    ended: set[str] = set()
    replaced: set[str] = set()
    for entry in records.journal:
        name = str(entry.body.get("plan", ""))
        if entry.kind == "claim" and name:
            replaced |= plans.keys() - ended
            plans[name] = _plan(entry, records.posture.service)
        elif entry.kind == "plan.done":
            ended.add(name)
    return list(plans.values()), ended, replaced


def _plan(entry: JournalEntry, service: str) -> Plan:
    body = entry.body
    kind, at = PlanKind(str(body["plan_kind"])), entry.at
    return Plan(
        id=str(body["plan"]),
        service=service,
        kind=kind,
        epoch=Epoch(_whole(body["epoch"])),
        trigger=Trigger(str(body["trigger"])),
        reason=str(body.get("sentence", "")),
        by=str(body.get("by", "")),
        started=at,
        phase=first_phase(kind),
    )


def _edges(records: Records) -> dict[Site, Health]:
    """A site's edge is failing when every vantage that has an opinion says so."""
    said: dict[Site, list[Health]] = {}
    for seen in records.observations.values():
        for site, parts in seen.opinions.items():
            if Part.EDGE in parts:
                said.setdefault(site, []).append(parts[Part.EDGE].health)
    return {site: Health.FAILING for site, words in said.items() if all(word is Health.FAILING for word in words)}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else int(str(value))
