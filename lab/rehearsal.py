"""One fault from beginning to end on a running lab: calm, fault, recovery, healing, reconciliation."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.model import Posture
from controller.ports import Control
from lab.aftermath import Aftermath
from lab.consumption import cores, read_consumption
from lab.errors import LabError
from lab.faults import Active, Fault, title_of
from lab.fleet import PAYMENTS, VAULT
from lab.half_moved import ServiceMove
from lab.laboratory import Laboratory, Say
from lab.links import ONE_WAY
from lab.observed import read_rates, read_ways
from lab.offering import RATE, Offering, offer
from lab.reconcile_answers import Answers, answers
from lab.reconcile_recovery import attempts_at, recovery
from lab.reconcile_vault_told import first_told
from lab.record import Line
from lab.report import Rehearsal
from lab.retrospect import look_back
from lab.site_settings import ADDRESSES, NAMES
from lab.timeline import DETECT, Span, bins, failover_plan, fenced_at, floors, moments, spans
from lab.vault_offering import Cardholding, entrust
from lab.vendors import AUTHORITIES, VENDORS

RETURNING = frozenset({Fault.FREEZE, Fault.PARTITION})
"""Faults after which the old writer goes on as if it still were one, until it is fenced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a rehearsal goes."""

    fault: Fault = Fault.CRASH
    run: str = "demo"
    rate: float = RATE
    """Payments offered a second."""
    names: Sequence[str] = ()
    """DNS names that payers use; empty: as the fault needs, see `paid_through`."""
    calm: timedelta = timedelta(seconds=4)
    patience: timedelta = timedelta(seconds=30)
    """For the first acknowledgement in a later epoch."""
    hold: timedelta = timedelta(seconds=4)
    """From there until the site is healed."""
    whole: timedelta = timedelta(seconds=90)
    """For the healed site to be a follower whose confirmations count. Nothing is promised here: what it took is in the report. On a machine
    of half the speed two services' copies and the healed processes' starts took more than 45 s."""
    after: timedelta = timedelta(seconds=2)
    """Load goes on for this long after that."""
    ignoring_ttl: float = 1 / 11
    """Share of the clients that keep their first address for ever (Bhowmick et al., PAM 2023: 8.7 % of resolvers stretch TTLs)."""
    beside: Sequence[tuple[Fault, str]] = ()
    """Faults of authorities, with their places: they begin right before the fault of the site, and end when its healing begins."""
    leader_on_site: bool = True
    """Have etcd's leader sit on the victim: the harder case."""

    @property
    def paid_through(self) -> Sequence[str]:
        """DNS names that payers use. After a fault whose victim returns as a writer of the past, half of the payers keep the long TTL's
        address and are there when it wakes: were everybody gone by then, a barrier that confirms for a dead reign would look kept."""
        fast, *_ = NAMES
        return self.names or (tuple(NAMES) if self.fault in RETURNING else (fast,))

    @property
    def meets_old_writer(self) -> bool:
        """Must payers hold the old address when the site is healed?"""
        return self.fault in RETURNING and self.hold.total_seconds() * 2 < max(NAMES[name] for name in self.paid_through)


@dataclass(slots=True, kw_only=True)
class _Notes:
    """What the course saw on its way."""

    writer: str
    epoch: int
    vault: Posture | None
    """None: the lab has no vault."""
    active: Active
    leader: str | None
    cpu: dict[str, float] = field(default_factory=dict)
    healing_at: float | None = None
    healed_at: float | None = None
    whole_at: float | None = None
    troubles: list[str] = field(default_factory=list)


async def rehearse(lab: Laboratory, course: Course, say: Say = lambda _: None, lab_started: float = 0.0) -> Rehearsal:
    """Carry the course out. What the product does not achieve, and what the lab cannot do or read after the fault, is in the answer.

    Raises LabError when the lab is not calm before the fault, or nothing can be reconciled after it.
    """
    load = await offer(
        lab, course.run, rate=course.rate, names=course.paid_through, ignoring_ttl=course.ignoring_ttl, beside=True
    )
    holding = await entrust(lab, course.run, ignoring_ttl=course.ignoring_ttl) if VAULT in lab.services else None
    notes = await _suffer(lab, course, load, holding, say)
    await _heal(lab, course, notes, say)
    await asyncio.sleep(course.after.total_seconds())
    say("the load ends; payments under way are settled; then the clients' record is compared with every ledger")
    return await _conclude(lab, course, notes, load, holding, lab_started)


async def _suffer(lab: Laboratory, course: Course, load: Offering, holding: Cardholding | None, say: Say) -> _Notes:
    before, vault = await _control(lab, PAYMENTS), await _control(lab, VAULT) if holding else None
    writer, epoch = str(before.posture.writer), int(before.posture.reign)
    if course.leader_on_site:
        await lab.etcd.move_leader(writer)
    say(f"calm: {course.rate:g} payments a second, {writer} writes in epoch {epoch}")
    everyone = {**lab.processes(), "load": load.process, **({"cardholders": holding.offering.process} if holding else {})}
    consumed = read_consumption(everyone)
    await asyncio.sleep(course.calm.total_seconds())
    used = cores(consumed, read_consumption(everyone))
    leader = await lab.etcd.leader()
    require_calm(before, await _control(lab, PAYMENTS))
    if vault:
        require_calm(vault, await _control(lab, VAULT))
    for beside, place in course.beside:
        say(f"{beside} of {title_of(place)}")
        await lab.faults.inject(beside, place)
    say(f"{course.fault} of {writer}")
    active = await lab.faults.inject(course.fault, writer)
    notes = _Notes(
        writer=writer, epoch=epoch, vault=vault.posture if vault else None, active=active, leader=leader, cpu=dict(used)
    )
    say("waiting for the first payment and the first token acknowledged in a later epoch")
    awaited = [_await_epoch(load, epoch, course.patience, "payments are acknowledged again", say)]
    if holding and vault and vault.posture.writer == writer:
        reign = int(vault.posture.reign)
        awaited.append(_await_epoch(holding.offering, reign, course.patience, "tokens are acknowledged again", say))
    if any(await asyncio.gather(*awaited)):
        await asyncio.sleep(course.hold.total_seconds())
    return notes


async def _await_epoch(load: Offering, above: int, patience: timedelta, then: str, say: Say) -> bool:
    if moved := await load.wait_for_epoch(above, patience):
        say(then)
    return moved


async def _control(lab: Laboratory, service: str) -> Control:
    control = await lab.witnesses[service].control()
    if control is None:
        raise LabError("etcd does not answer before the fault")
    return control


def require_calm(before: Control, now: Control) -> None:
    """Raises LabError when anything moved in calm.

    A spurious failover between the first reading and the fault: payments of the new epoch are acknowledged already, the fault hits a
    follower, and the run would report the fastest failover of all.
    """
    kept, found = (before.posture.writer, before.posture.reign), (now.posture.writer, now.posture.reign)
    if kept != found or now.posture.epoch != now.posture.reign:
        raise LabError(
            f"calm was no calm: {kept[0]} wrote {before.posture.service} in epoch {kept[1]}, now {found[0]} does in epoch {found[1]}"
            f" and epoch {now.posture.epoch} is claimed"
        )
    if now.plan is not None:
        raise LabError(f"calm was no calm: plan {now.plan.kind} is in phase {now.plan.phase}")


async def _heal(lab: Laboratory, course: Course, notes: _Notes, say: Say) -> None:
    say(f"healing {notes.writer}")
    notes.healing_at = time.monotonic() - notes.active.at
    try:
        for _, place in course.beside:
            await lab.faults.heal(place)
        await lab.faults.heal(notes.writer)
    except (LabError, OSError) as error:
        notes.troubles.append(f"{notes.writer} could not be healed: {error}")
        return
    notes.healed_at = time.monotonic() - notes.active.at
    with suppress(LabError):
        await lab.wait_until_whole(course.whole, say=say)
        notes.whole_at = time.monotonic() - notes.active.at


def _answers(lines: Sequence[Line], notes: _Notes, phases: Sequence[Span], until: float) -> Mapping[str, Answers]:
    """What every authority told clients from the claim of the failover on, which drains the site; nothing without a claim."""
    claimed = next((span.end for span in phases if span.name == DETECT), None)
    if claimed is None:
        return {}
    stale, begin = {ADDRESSES[notes.writer]}, notes.active.at + claimed
    found = answers(lines, authorities=AUTHORITIES, stale=stale, begin=begin, end=until)
    return {VENDORS[place].title: one for place, one in found.items()}


def _vault_move(notes: _Notes, found: Aftermath, holding: Cardholding | None) -> ServiceMove | None:
    """What cardholders saw of the vault's move; None without any."""
    before, after = notes.vault, found.vault
    if before is None or holding is None:
        return None
    return ServiceMove(
        service=VAULT,
        writer_before=str(before.writer),
        writer_after=after.writer_after if after else None,
        epoch_before=int(before.reign),
        epoch_after=after.epoch_after if after else None,
        first_acknowledged=first_told(holding.lines(), fault_at=notes.active.at, epoch_before=int(before.reign))
        if after
        else None,
    )


async def _conclude(
    lab: Laboratory, course: Course, notes: _Notes, load: Offering, holding: Cardholding | None, lab_started: float
) -> Rehearsal:
    fault = notes.active
    found, entries = await look_back(lab, load, since=fault.at - course.calm.total_seconds(), holding=holding)
    lines = load.lines()
    until = fault.at + (notes.healing_at or 0)
    fenced = fenced_at(entries, notes.writer, fault.wall)
    plan = failover_plan(entries, notes.epoch)
    phases = spans(plan, fault.wall)
    return Rehearsal(
        fault=course.fault,
        site=notes.writer,
        writer_before=notes.writer,
        writer_after=found.writer_after,
        epoch_before=notes.epoch,
        epoch_after=found.epoch_after,
        reconciliation=found.reconciliation,
        vault=found.vault,
        unproven=found.unproven,
        vault_move=_vault_move(notes, found, holding),
        webhooks=found.webhooks,
        first_webhook=found.webhooks.first_after(fault.at, notes.epoch) if found.webhooks else None,
        ways=read_ways(lab, lines, fault, until),
        rates=await read_rates(lab),
        recovery=recovery(lines, fault_at=fault.at, epoch_before=notes.epoch, until=until, site=notes.writer),
        met_old_writer=attempts_at(lines, notes.writer, begin=until, end=math.inf if fenced is None else fault.at + fenced),
        must_meet_old_writer=course.meets_old_writer,
        beside=[f"{fault} of {title_of(place)}" for fault, place in course.beside],
        answers=_answers(lines, notes, phases, until),
        spans=phases,
        floors=floors(plan, fault.wall),
        moments=moments(entries, fault.wall),
        bins=bins(lines, fault.at),
        healing_at=notes.healing_at,
        healed_at=notes.healed_at,
        whole_at=notes.whole_at,
        etcd_disagreeing=found.etcd_disagreeing,
        etcd_leader_on_site=notes.leader == notes.writer,
        parts=lab.parts(),
        round_trip_ms=2000 * ONE_WAY.total_seconds(),
        offered_per_second=course.rate,
        load_late_s=float(load.progress().get("latest_offer_s", 0.0)),
        lab_started_s=lab_started,
        exits=found.exits,
        fallen=found.fallen,
        breaches=found.breaches,
        troubles=(*notes.troubles, *found.troubles),
        cpu_seconds=notes.cpu,
    )
