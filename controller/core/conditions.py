"""What stands that a person has to know of, and that no entry of the journal says by itself. Pure.

Decisions and plans are journaled as they are made; that a site has been failing for three seconds, that a phase gets nowhere, that a
controller is silent, is nobody's decision. One controller at a time journals when such a condition begins and ends; what people are told
is made of the journal alone.

Rules for changing this file: a condition is named by what it is about and by nothing that changes while it stands; it begins and ends only
after it has held, or not held, for its time, so that a blink wakes nobody.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from controller.core import advice
from controller.core.circumstances import Circumstances, names
from controller.core.decide import Decision
from controller.core.messages import Severity
from controller.core.model import Health, Part, Reason, Site, Verdict
from controller.core.phases import sentence as doing
from controller.core.plans import Phase
from controller.core.proposals import DrainOnly, Failover, Shrink, plan_kind, subject_of
from controller.core.proposals import sentence as proposed
from controller.core.reign_guards import uncuttable


class Kind(StrEnum):
    """What can stand."""

    FAILING = "failing"
    """A part of a site, by agreement."""
    HELD = "held"
    """Something ought to be done, and a guard refuses it."""
    STUCK = "stuck"
    """A plan stands in one phase."""
    UNACKNOWLEDGED = "unacknowledged"
    """No ack member confirms: payments are made and not acknowledged."""
    SINGLE_COPY = "single-copy"
    """The reign is not settled: of earlier payments the writer's own disk is the only proof."""
    LAST_MEMBER = "last-member"
    """One more loss, and nothing is acknowledged."""
    PAUSE_ENDING = "pause-ending"
    CONTROLLER_SILENT = "controller-silent"
    ETCD_SILENT = "etcd-silent"
    RETENTION = "retention"
    """A slot holds back a writer's log, or has lost it."""
    CHANNEL_DEAF = "channel-deaf"
    """A receiver takes nothing of what it is told; the others hear of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One that holds at this moment."""

    kind: Kind
    about: str
    """What it is about, the same as long as it stands."""
    site: Site | None
    severity: Severity
    said: str
    command: str
    begins_after: timedelta
    """It is journaled once it has held for so long."""

    @property
    def key(self) -> str:
        """Its name."""
        return f"{self.kind}:{self.about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one controller knows at one moment."""

    seen: Circumstances
    decision: Decision
    """Its last one."""
    living: frozenset[str]
    """Controllers that etcd knows to live."""
    silent_members: Mapping[str, str]
    """Members of etcd that do not answer it, and what came instead."""
    standing: frozenset[str] = frozenset()
    """Keys of the conditions that stand, by the journal."""
    tries: Mapping[str, int] = field(default_factory=dict)
    """Channels that have not taken what is next, and how often it was tried."""
    retained_limit: int = 1 << 30
    """Bytes of log that a slot may hold back."""


ENDS_AFTER = timedelta(seconds=5)
"""For so long a condition must not have held before its end is journaled."""

PAUSE_WARNING = timedelta(minutes=10)
"""Before the end of a pause it is said."""

DEAF_AFTER = 6
"""Tries, by all controllers together, after which a receiver is no longer just slow."""

AT_ONCE, SOON, SHORT, LONG = (timedelta(seconds=seconds) for seconds in (0, 1, 3, 15))

WAITS = frozenset({"dwell", "writer-lost"})
"""What is told as a reason to wait and is no guard's refusal."""

STANDS: Mapping[Phase, timedelta] = {
    Phase.RESEED: timedelta(minutes=30),
    Phase.CONFIRM: timedelta(minutes=10),
    Phase.COMPLETE: timedelta(hours=1),
    Phase.ASK: timedelta(minutes=2),
}
"""How long a phase may take by right; any other `LONG`."""


def conditions(sight: Sight) -> tuple[Condition, ...]:
    """Everything that holds now. Nothing without etcd's majority: then nobody could journal it, and what was read is of the past."""
    if not sight.seen.snapshot.majority:
        return ()
    found = (_failing, _held, _stuck, _acknowledging, _pause_ending, _controllers, _members, _retention, _deaf)
    return tuple(one for ask in found for one in ask(sight))


def _failing(sight: Sight) -> Iterator[Condition]:
    """By agreement of the vantages, in the words of the agreement. What stands goes on while nothing is known: unknown is not healthy.

    azure's cloud is dead, and gcp's controller is restarted: one vantage is no agreement for a while. People would be told that it is over.
    """
    service, writer = sight.seen.posture.service, sight.seen.posture.writer
    for (site, part), agreement in sorted(sight.seen.agreements.items()):
        goes_on = agreement.health is Health.UNKNOWN and f"{Kind.FAILING}:{site}/{part}" in sight.standing
        if agreement.health is Health.FAILING or goes_on:
            of_writer = part is Part.DATABASE and site == writer
            severity = Severity.CRITICAL if of_writer else Severity.ERROR if part is Part.EDGE else Severity.WARNING
            yield Condition(
                kind=Kind.FAILING,
                about=f"{site}/{part}",
                site=site,
                severity=severity,
                said=f"{site}'s {part} is failing: {agreement.reason.limit}",
                command=advice.look(service),
                begins_after=SHORT,
            )


def _held(sight: Sight) -> Iterator[Condition]:
    """Which guard refuses, what it saw and needs, and the way out. What waits for its dwell is not held.

    The first guard is part of the name: somebody lifts the pause, as was advised, and then the velocity guard refuses; people would go on
    believing that they had done what was to be done.
    """
    withheld, seen = sight.decision.withheld, sight.seen
    refusals = [one for one in sight.decision.reasons if one.verdict is Verdict.REFUSED and one.guard not in WAITS]
    if not isinstance(withheld, Failover | DrainOnly | Shrink) or not refusals:
        return
    site, leaves = subject_of(withheld), isinstance(withheld, Failover)
    uncut = ",".join(sorted(uncuttable(site, seen) - {seen.posture.writer})) if leaves and site is not None else ""
    yield Condition(
        kind=Kind.HELD,
        about=f"{plan_kind(withheld)}{f' {site}' if site else ''} by {refusals[0].guard}",
        site=site,
        severity=Severity.CRITICAL if leaves else Severity.WARNING,
        said=f"would {proposed(withheld)}, and may not. {' '.join(map(_refusal, refusals))}",
        command=advice.out_of_hold(seen.posture.service, site, refusals[0], uncut),
        begins_after=SOON if leaves else LONG,
    )


def _refusal(reason: Reason) -> str:
    return f"{reason.guard} holds: {reason.value}; needs {reason.limit}. {reason.way_out}".rstrip()


def _stuck(sight: Sight) -> Iterator[Condition]:
    """A phase that has lasted longer than it may by right."""
    running, service = sight.seen.running, sight.seen.posture.service
    if running is None:
        return
    plan, stands = running.plan, STANDS.get(running.plan.phase, LONG)
    yield Condition(
        kind=Kind.STUCK,
        about=f"{plan.id}/{plan.phase}",
        site=plan.subject,
        severity=Severity.ERROR if plan.phase not in STANDS else Severity.WARNING,
        said=f"the {plan.kind} stands in phase {plan.phase} for more than {stands.total_seconds():g} s, {doing(plan)}; "
        f"{running.owner or 'nobody'} carries it out",
        command=advice.ask_why(service),
        begins_after=stands,
    )


def _acknowledging(sight: Sight) -> Iterator[Condition]:
    """Who is left to confirm a payment. Said of the reign there is; while a failover is being decided it is the old one's."""
    posture, seen = sight.seen.posture, sight.seen
    members = posture.must_cut - {posture.writer}
    well = frozenset(site for site in members if seen.database(site) is not Health.FAILING)
    if not well:
        yield Condition(
            kind=Kind.UNACKNOWLEDGED,
            about=posture.service,
            site=None,
            severity=Severity.CRITICAL,
            said=f"payments are not acknowledged: the ack set is {names(members)}, and nobody in it confirms",
            command=advice.look(posture.service),
            begins_after=SHORT,
        )
    elif not posture.settled:
        yield Condition(
            kind=Kind.SINGLE_COPY,
            about=posture.writer,
            site=posture.writer,
            severity=Severity.ERROR,
            said=f"no follower has confirmed the marker of epoch {posture.reign}: of earlier payments {posture.writer}'s own disk is the "
            "only proof",
            command=advice.look(posture.service),
            begins_after=LONG,
        )
    if len(well) == 1 and len(posture.weights) > 2:
        yield Condition(
            kind=Kind.LAST_MEMBER,
            about=posture.service,
            site=None,
            severity=Severity.WARNING,
            said=f"{names(well)} alone confirms payments; without it nothing would be acknowledged",
            command=advice.look(posture.service),
            begins_after=LONG,
        )


def _pause_ending(sight: Sight) -> Iterator[Condition]:
    pause, now = sight.seen.posture.pause, sight.seen.now.wall
    if pause is None or pause.until is None or not timedelta() < pause.until - now <= PAUSE_WARNING:
        return
    yield Condition(
        kind=Kind.PAUSE_ENDING,
        about=pause.until.isoformat(),
        site=None,
        severity=Severity.INFO,
        said=f"the pause of {pause.by} ends at {pause.until.isoformat()}; automation acts again then",
        command=advice.pause_on(sight.seen.posture.service),
        begins_after=AT_ONCE,
    )


def _controllers(sight: Sight) -> Iterator[Condition]:
    """A site without a session: it decides nothing, and its vantage is missing."""
    for site in sorted(site for site in sight.seen.posture.weights if site not in sight.living):
        yield Condition(
            kind=Kind.CONTROLLER_SILENT,
            about=site,
            site=site,
            severity=Severity.WARNING,
            said=f"{site}'s controller is silent: etcd knows no session of it",
            command=advice.look(sight.seen.posture.service),
            begins_after=SHORT,
        )


def _members(sight: Sight) -> Iterator[Condition]:
    for member, why in sorted(sight.silent_members.items()):
        yield Condition(
            kind=Kind.ETCD_SILENT,
            about=member,
            site=None,
            severity=Severity.WARNING,
            said=f"etcd's member at {member} does not answer {sight.seen.snapshot.vantage}: {why}",
            command=advice.examine(),
            begins_after=LONG,
        )


def _retention(sight: Sight) -> Iterator[Condition]:
    """A disk that fills: a slot that nobody reads holds the log back, until there is no room and no writer."""
    for site in sorted(sight.seen.snapshot.facts):
        facts = sight.seen.facts(site)
        for slot in facts.slots if facts else ():
            if slot.lost or slot.retained_bytes > sight.retained_limit:
                held = "has lost what it was to keep" if slot.lost else f"holds back {slot.retained_bytes >> 20} MiB of log"
                yield Condition(
                    kind=Kind.RETENTION,
                    about=f"{site}/{slot.name}",
                    site=site,
                    severity=Severity.ERROR if slot.lost else Severity.WARNING,
                    said=f"at {site} slot {slot.name} {held}",
                    command=advice.examine(),
                    begins_after=LONG,
                )


def _deaf(sight: Sight) -> Iterator[Condition]:
    """At night nobody notices that nobody is paged; whoever reads another channel does."""
    for channel, tries in sorted(sight.tries.items()):
        if tries >= DEAF_AFTER:
            yield Condition(
                kind=Kind.CHANNEL_DEAF,
                about=channel,
                site=None,
                severity=Severity.WARNING,
                said=f"channel {channel} takes nothing: {tries} tries by now, and messages wait",
                command=advice.ask_why(sight.seen.posture.service),
                begins_after=SHORT,
            )
