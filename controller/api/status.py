"""What one controller knows about one service, as a document: posture, plan, health with evidence, positions, blocked moves.

Rules for changing this file: pure, and every fact with its age at the moment of the answer. Durations are seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.api import traffic
from controller.api.moves import moves
from controller.api.readiness import documents, warnings
from controller.core.circumstances import Circumstances, circumstances
from controller.core.comparison import words
from controller.core.explain import explain_decision
from controller.core.fleet import Fleet
from controller.core.fleet import told as said_of
from controller.core.followers import confirms, lag_bytes
from controller.core.health import Agreement
from controller.core.model import Aged, NodeFacts, Part, Pause, Posture, Site
from controller.core.phases import sentence
from controller.core.plans import Plan
from controller.core.policy import Moment, Policy
from controller.core.schema_guard import difference
from controller.loop import View
from controller.observe import running
from controller.provider_watch import ProviderWatch

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything a status is written from."""

    controller: str
    view: View
    facts: Mapping[Site, Aged[NodeFacts]]
    """What this vantage reads from the databases, without the way through etcd: it goes on while etcd is out of reach."""
    policy: Policy
    now: Moment
    since: datetime | None
    """When the writer was elected."""
    verified: Mapping[str, object] | None
    """What the check at the end of the last move found."""
    journal_end: int
    zone: Document | None = None
    """What the last look at all authorities found; None before the first."""
    providers: ProviderWatch | None = None
    fleet: Fleet | None = None
    """None: the service goes with no other."""

    @property
    def tick_age(self) -> timedelta:
        """Since the last tick that etcd's majority answered."""
        return self.now.monotonic - self.view.at

    @property
    def stale(self) -> bool:
        """Is the posture too old to be believed?"""
        return self.tick_age > self.policy.freshness

    def seen(self) -> Circumstances:
        """The last tick's knowledge as it is now: everything has aged since, and without etcd nothing is allowed."""
        snapshot = self.view.snapshot
        aged = {site: Aged(value=heard.value, age=heard.age + self.tick_age) for site, heard in snapshot.observations.items()}
        snapshot = replace(snapshot, observations=aged, facts=self.facts, majority=not self.stale)
        history = self.view.decision.state.failovers
        return circumstances(snapshot, self.policy, history, running(self.view.control), self.now)


def status(told: Told) -> Document:
    """The whole document."""
    seen = told.seen()
    posture, told_of = seen.posture, words(seen.snapshot.observations, seen.policy.freshness)
    return {
        "service": posture.service,
        "controller": told.controller,
        "at": told.now.wall.isoformat(timespec="milliseconds"),
        "tick_age_s": seconds(told.tick_age),
        "majority": not told.stale,
        "stale": told.stale,
        "posture": _posture(posture, told.since),
        "plan": _plan(told.view.control.plan, told),
        "verified": told.verified,
        "sites": {
            site: {**_site(site, seen), "traffic": traffic.document(told_of.get(site)), "provider": _provider(site, told)}
            for site in sorted(posture.weights)
        },
        "vantages": {
            site: {"age_s": seconds(heard.age), "suspects_itself": heard.value.suspects_itself}
            for site, heard in sorted(seen.snapshot.observations.items())
        },
        "controllers": sorted(told.view.control.sessions),
        "requests": [asked.id for asked in told.view.control.requests],
        "fleet": _fleet(told.fleet) if told.fleet else None,
        "zone": told.zone,
        "moves": moves(seen),
        "warnings": [*traffic.warnings(told_of), *(warnings(told.providers) if told.providers else [])],
        "decision": explain_decision(told.view.decision),
        "journal_end": told.journal_end,
    }


def seconds(duration: timedelta | None) -> float | None:
    """A duration as a number; None stays None."""
    return None if duration is None else round(duration.total_seconds(), 3)


def _posture(posture: Posture, since: datetime | None) -> Document:
    return {
        "writer": posture.writer,
        "since": since.isoformat(timespec="milliseconds") if since else None,
        "claimed_epoch": posture.epoch,
        "reign": posture.reign,
        "settled": posture.settled,
        "must_cut": sorted(posture.must_cut),
        "weights": dict(sorted(posture.weights.items())),
        "mode": posture.mode,
        "pause": _pause(posture.pause),
    }


def _pause(pause: Pause | None) -> Document | None:
    if pause is None:
        return None
    until = pause.until.isoformat() if pause.until else None
    return {"by": pause.by, "reason": pause.reason, "since": pause.since.isoformat(), "until": until}


def _plan(plan: Plan | None, told: Told) -> Document | None:
    """The plan under way; None when the last one is done."""
    under_way = running(told.view.control)
    if plan is None or under_way is None:
        return None
    return {
        "id": plan.id,
        "kind": plan.kind,
        "epoch": plan.epoch,
        "subject": plan.subject,
        "phase": plan.phase,
        "doing": sentence(plan),
        "because": plan.reason,
        "by": plan.by,
        "trigger": plan.trigger,
        "started": plan.started.isoformat(timespec="milliseconds"),
        "winner": plan.winner,
        "schema": difference(plan),
        "unanswered": sorted(plan.unanswered),
        "left_behind": sorted(plan.left_behind),
        "owner": under_way.owner,
        "owner_alive": under_way.owner_alive,
    }


def _fleet(fleet: Fleet) -> Document:
    """Where the others write; `said` is empty when all are together."""
    others = [
        {"service": one.service, "writer": one.writer, "reign": one.reign, "plan": one.plan, "age_s": seconds(one.age)}
        for one in fleet.others
    ]
    return {"together": fleet.together, "said": said_of(fleet), "others": others}


def _site(site: Site, seen: Circumstances) -> Document:
    posture = seen.posture
    return {
        "wanted": "writer" if site == posture.writer else "follower",
        "weight": posture.weights[site],
        "confirms": confirms(site, seen),
        "health": {part: _health(seen.agreements[site, part]) for part in Part},
        "node": _node(site, seen),
    }


def _provider(site: Site, told: Told) -> Document:
    """What the site's provider says about server and instances, by subject; empty where nobody asks it."""
    return documents(told.providers, site) if told.providers else {}


def _health(agreement: Agreement) -> Document:
    voices = [
        {
            "vantage": voice.vantage,
            "health": voice.health,
            "age_s": seconds(voice.age),
            "counted": voice.counted,
            "detail": voice.detail,
        }
        for voice in agreement.voices
    ]
    return {"health": agreement.health, "age_s": seconds(agreement.reason.age), "voices": voices}


def _node(site: Site, seen: Circumstances) -> Document | None:
    """What the node said, however old; None: it never answered this vantage."""
    aged = seen.snapshot.facts.get(site)
    if aged is None:
        return None
    facts = aged.value
    return {
        "age_s": seconds(aged.age),
        "role": facts.role,
        "epoch": facts.epoch,
        "pinned": facts.pinned,
        "schema": facts.schema,
        "flushed": facts.flushed,
        "ack_slots": list(facts.ack_slots),
        "streams": [
            {"name": one.name, "running": one.running, "seeded": one.seeded, "position": one.position}
            for one in facts.subscriptions
        ],
        "retained_bytes": max((slot.retained_bytes for slot in facts.slots), default=0),
        "lag_bytes": lag_bytes(site, seen),
    }
