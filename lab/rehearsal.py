"""One fault from beginning to end on a running lab: calm, fault, recovery, healing, reconciliation."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psycopg

from controller.core import naming
from lab.consumption import cores, read_consumption
from lab.errors import LabError
from lab.faults import Active, Fault
from lab.laboratory import Laboratory, Say
from lab.links import ONE_WAY
from lab.offering import Offering, offer
from lab.reconcile import Fault as Kind
from lab.reconcile import Ledger, Reconciliation, reconcile
from lab.reconcile_recovery import recovery
from lab.reconcile_sql import read_ledger
from lab.record import Line
from lab.report import Rehearsal
from lab.site_settings import NAMES, SERVICE
from lab.timeline import bins, failover_plan, moments, spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a rehearsal goes."""

    fault: Fault = Fault.CRASH
    run: str = "demo"
    rate: float = 100
    """Payments offered a second."""
    names: Sequence[str] = (next(iter(NAMES)),)
    """DNS names that payers use; with the slow one, some find the new site only after its TTL."""
    calm: timedelta = timedelta(seconds=4)
    patience: timedelta = timedelta(seconds=30)
    """For the first acknowledgement in a later epoch."""
    hold: timedelta = timedelta(seconds=4)
    """From there until the site is healed."""
    whole: timedelta = timedelta(seconds=45)
    """For the healed site to be a follower whose confirmations count."""
    after: timedelta = timedelta(seconds=2)
    """Load goes on for this long after that."""
    leader_on_site: bool = True
    """Have etcd's leader sit on the victim: the harder case."""


@dataclass(slots=True, kw_only=True)
class _Notes:
    """What the course saw on its way."""

    writer: str
    epoch: int
    active: Active
    leader: str | None
    cpu: dict[str, float] = field(default_factory=dict)
    healing_at: float | None = None
    healed_at: float | None = None
    whole_at: float | None = None


async def rehearse(lab: Laboratory, course: Course, say: Say = lambda _: None, lab_started: float = 0.0) -> Rehearsal:
    """Carry the course out. What the product does not achieve in time is in the answer; LabError is for a lab that fails."""
    load = await offer(lab, course.run, rate=course.rate, names=course.names)
    notes = await _suffer(lab, course, load, say)
    await _heal(lab, course, notes, say)
    await asyncio.sleep(course.after.total_seconds())
    say("the load ends; payments under way are settled")
    await load.finish(timedelta(seconds=30))
    say("comparing the clients' record with every ledger")
    return await _conclude(lab, course, notes, load, lab_started)


async def _suffer(lab: Laboratory, course: Course, load: Offering, say: Say) -> _Notes:
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer before the fault")
    writer, epoch = str(control.posture.writer), int(control.posture.reign)
    if course.leader_on_site:
        await lab.etcd.move_leader(writer)
    say(f"calm: {course.rate:g} payments a second, {writer} writes in epoch {epoch}")
    everyone = {**lab.processes(), "load": load.process}
    before = read_consumption(everyone)
    await asyncio.sleep(course.calm.total_seconds())
    used = cores(before, read_consumption(everyone))
    leader = await lab.etcd.leader()
    say(f"{course.fault} of {writer}")
    active = await lab.faults.inject(course.fault, writer)
    notes = _Notes(writer=writer, epoch=epoch, active=active, leader=leader, cpu=dict(used))
    say("waiting for the first payment acknowledged in a later epoch")
    if await load.wait_for_epoch(epoch, course.patience):
        say("payments are acknowledged again")
        await asyncio.sleep(course.hold.total_seconds())
    return notes


async def _heal(lab: Laboratory, course: Course, notes: _Notes, say: Say) -> None:
    say(f"healing {notes.writer}")
    notes.healing_at = time.monotonic() - notes.active.at
    await lab.faults.heal(notes.writer)
    notes.healed_at = time.monotonic() - notes.active.at
    with suppress(LabError):
        await lab.wait_until_whole(course.whole, say=say)
        notes.whole_at = time.monotonic() - notes.active.at


async def _conclude(lab: Laboratory, course: Course, notes: _Notes, load: Offering, lab_started: float) -> Rehearsal:
    lines, fault = load.lines(), notes.active
    reconciliation = await reconciled(lab, load)
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer after the fault")
    entries = await lab.witness.journal()
    compared = await lab.etcd.compare()
    return Rehearsal(
        fault=course.fault,
        site=notes.writer,
        writer_before=notes.writer,
        writer_after=str(control.posture.writer),
        epoch_before=notes.epoch,
        epoch_after=int(control.posture.reign),
        reconciliation=reconciliation,
        recovery=recovery(lines, fault_at=fault.at, epoch_before=notes.epoch, until=fault.at + (notes.healing_at or 0)),
        spans=spans(failover_plan(entries, notes.epoch), fault.wall),
        moments=moments(entries, fault.wall),
        bins=bins(lines, fault.at),
        healing_at=notes.healing_at,
        healed_at=notes.healed_at,
        whole_at=notes.whole_at,
        etcd_disagreeing=sorted(compared.disagreeing),
        etcd_leader_on_site=notes.leader == notes.writer,
        parts=lab.parts(),
        round_trip_ms=2000 * ONE_WAY.total_seconds(),
        offered_per_second=course.rate,
        load_late_s=float(load.progress().get("latest_offer_s", 0.0)),
        lab_started_s=lab_started,
        exits=[
            f"{one.label} at {one.at - fault.at:.1f} s with {one.status}: {one.last_words}"
            for one in lab.supervisor.exits
            if one.at > fault.at - course.calm.total_seconds()
        ],
        cpu_seconds=notes.cpu,
    )


async def reconciled(lab: Laboratory, load: Offering, deadline: timedelta = timedelta(seconds=15)) -> Reconciliation:
    """The record against every site's ledger. Controllers go on paying canaries, so ledgers are read again until they are equal,
    or the deadline is over; then the last reading stands, equal or not."""
    until = time.monotonic() + deadline.total_seconds()
    lines = load.lines()
    while True:
        ledgers = await _read_ledgers(lab)
        found = reconcile(lines, ledgers)
        if found.ledgers_equal or time.monotonic() > until:
            return found if found.ledgers_equal else await _among_the_whole(lab, lines, ledgers, found)
        await asyncio.sleep(0.2)


async def _among_the_whole(
    lab: Laboratory, lines: Sequence[Line], ledgers: Mapping[str, Ledger], found: Reconciliation
) -> Reconciliation:
    """The same with payments looked for only where they must be: on the writer and on followers that count. A site that has not
    returned yet breaks another promise, and what it lacks is not lost. Digests and balance are those of all."""
    owing = {site: ledger for site, ledger in ledgers.items() if not await lab.witness.missing(site)}
    if not owing:
        return found
    told = reconcile(lines, owing)
    unbalanced = [finding for finding in found.findings if finding.fault is Kind.UNBALANCED and finding.site not in owing]
    return replace(told, digests=found.digests, findings=(*told.findings, *unbalanced))


async def _read_ledgers(lab: Laboratory) -> dict[str, Ledger]:
    """Every site's, past services and links. Raises LabError for a database that cannot be read."""

    async def read(site: str) -> Ledger:
        dsn = lab.sites[site].server.dsn(naming.database(SERVICE), naming.control_role(SERVICE), lab.passwords.control)
        try:
            return await read_ledger(dsn, timedelta(seconds=10))
        except (psycopg.Error, TimeoutError) as error:
            raise LabError(f"the ledger of {site} cannot be read: {error}") from error

    found = await asyncio.gather(*map(read, lab.sites))
    return dict(zip(lab.sites, found, strict=True))
