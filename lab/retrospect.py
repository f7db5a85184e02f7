"""What became of everything, read when a run is over: ledgers, journal, posture, etcd's members, processes. What cannot be read
is told and does not hide the rest: a run whose healing failed is the one whose payments must be counted."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import aiohttp

from controller.core import naming
from controller.core.model import JournalEntry
from controller.core.model import Site as SiteName
from controller.core.policy import Policy
from controller.errors import TrimaranError
from controller.ports import Control
from controller.settings import password_variable, read_settings
from lab.aftermath import Aftermath, unlooked
from lab.agreement import Shares, disagreements, shares
from lab.authorities import url
from lab.breaches import Records, breaches
from lab.clouds.control import CloudControl
from lab.errors import LabError
from lab.fleet import SCREENING, VAULT, WEBHOOKS
from lab.laboratory import Laboratory
from lab.ledgers import read_ledgers
from lab.offering import Offering
from lab.reconcile import Reconciliation, reconcile
from lab.reconcile_rows import Fault, Ledger
from lab.retrospect_webhooks import LabGround, reconciled_webhooks
from lab.site_settings import SERVICE, WRITER
from lab.supervision import inexcusable, told
from lab.vault_load_record import ErasureWanted
from lab.vault_offering import Cardholding
from lab.vault_retrospect import look_back_vault
from lab.witness import Witness

QUIET = timedelta(seconds=15)
"""For etcd to answer and for a plan that is under way, a traffic share being given back for one, to end."""

SETTLED = timedelta(seconds=105)
"""For the load to settle what is left, longer than it takes by its own settings: one that is killed says nothing of what is left."""

LOOK = 0.2

ANYWHERE = (Fault.UNBALANCED, Fault.OVERDRAWN, Fault.RIVALS)
"""What is wrong at whichever site it is seen."""


async def look_back(
    lab: Laboratory,
    load: Offering,
    *,
    since: float,
    settle: timedelta = SETTLED,
    agree: timedelta = QUIET,
    holding: Cardholding | None = None,
    without: Collection[str] = (),
) -> tuple[Aftermath, tuple[JournalEntry, ...]]:
    """End the load, then read everything; answers also the journal. `since`: monotonic seconds from which an exit counts.

    `agree`: how long the ledgers are given to become equal. `holding`: cardholders that are to be ended too. `without`: services that
    are not looked at although they run; of any other it is a trouble when nobody did. Raises LabError when no ledger can be read, or the
    clients' record cannot: nothing would be proven either way.
    """
    loads = [load] if holding is None else [load, holding.offering]
    troubles = [*await asyncio.gather(*(one.finish(settle) for one in loads))]
    reconciliation = await _reconciled(lab, load, agree, leaving(holding))
    vault, unread_vault = await look_back_vault(lab, holding, agree)
    webhooks, untold = await reconciled_webhooks(LabGround(lab)) if WEBHOOKS in lab.services else (None, ())
    control, journal, said = await _records(lab.witness)
    broken, unsaid = await _breaches(lab)
    disagreeing, uncompared = await _compared(lab)
    exits = [one for one in lab.supervisor.exits if one.at >= since]
    used = ((VAULT, holding), (WEBHOOKS, WEBHOOKS in lab.services), (SCREENING, reconciliation.planted))
    unproven, forgotten = unlooked(lab.services, {name for name, was in used if was}, without)
    troubles += [*untold, unread_vault, *forgotten, *said, *unsaid, *await _apart(lab), uncompared, *_dead(lab)]
    aftermath = Aftermath(
        reconciliation=reconciliation,
        webhooks=webhooks,
        vault=vault,
        unproven=unproven,
        writer_after=str(control.posture.writer) if control else None,
        epoch_after=int(control.posture.reign) if control else None,
        etcd_disagreeing=disagreeing,
        exits=[told(one, since) for one in exits],
        fallen=[told(one, since) for one in exits if inexcusable(one, lab.etcd.binary)],
        breaches=broken,
        troubles=tuple(filter(None, troubles)),
    )
    return aftermath, journal


def _dead(lab: Laboratory) -> tuple[str, ...]:
    """Whatever no longer runs, and whether anybody still watches."""
    dead = [label for label, process in lab.processes().items() if not process.alive]
    return lab.supervisor.failure, f"{', '.join(dead)} no longer run" if dead else ""


async def _reconciled(lab: Laboratory, load: Offering, deadline: timedelta, leaving: Mapping[str, float]) -> Reconciliation:
    """The record against every ledger that can be read; it says itself which cannot, and why. Controllers go on paying canaries, so
    ledgers are read again until they are equal, or the deadline is over; then the last reading stands, equal or not."""
    until = time.monotonic() + deadline.total_seconds()
    lines, others = load.lines(), load.others()

    def judged(ledgers: Mapping[str, Ledger], unasked: Mapping[str, str]) -> Reconciliation:
        return reconcile(lines, ledgers, leaving, others, drained=True, unasked=unasked)

    while True:
        ledgers, unread = await read_ledgers(lab)
        if not ledgers:
            raise LabError("; ".join(f"{site}: {why}" for site, why in unread.items()))

        found = judged(ledgers, unread)
        if found.ledgers_equal and not unread:
            return found
        if time.monotonic() > until:
            return await _among_the_whole(lab, judged, ledgers, found)
        await asyncio.sleep(LOOK)


async def _among_the_whole(
    lab: Laboratory,
    judged: Callable[[Mapping[str, Ledger], Mapping[str, str]], Reconciliation],
    ledgers: Mapping[str, Ledger],
    found: Reconciliation,
) -> Reconciliation:
    """The same with payments looked for only where they must be: on the writer and on followers that count. A site that has not
    returned yet breaks another promise, and what it lacks is not lost. Digests, and what must hold anywhere, are those of all."""
    absent = {site: said for site in ledgers if (said := await lab.witness.missing(site))}
    owing = {site: ledger for site, ledger in ledgers.items() if site not in absent}
    if not owing:
        return found
    told = judged(owing, absent)
    anywhere = [finding for finding in found.findings if finding.fault in ANYWHERE and finding not in told.findings]
    return replace(told, digests=found.digests, findings=(*told.findings, *anywhere), unknown=(*found.unknown, *told.unknown))


def leaving(holding: Cardholding | None) -> Mapping[str, float]:
    """By subject, when cardholders first asked the vault to erase it. Raises LabError when their record cannot be relied on."""
    found: dict[str, float] = {}
    for line in holding.lines() if holding else ():
        if isinstance(line, ErasureWanted):
            found.setdefault(line.subject, line.t)
    return found


async def _records(witness: Witness) -> tuple[Control | None, tuple[JournalEntry, ...], tuple[str, ...]]:
    """Control state, once no plan is under way, and the journal up to there; and what could not be read."""
    until = time.monotonic() + QUIET.total_seconds()
    while True:
        control = await witness.control()
        try:
            journal = await witness.journal()
        except TrimaranError as error:
            journal, said = (), f"the journal of {witness.service} cannot be read: {error}"
        else:
            said = "" if journal else f"the journal of {witness.service} is empty"
        unchanged = control is not None and (now := await witness.control()) is not None and now.revisions == control.revisions
        if (unchanged and control is not None and control.plan is None and not said) or time.monotonic() > until:
            silent = "" if control else "etcd does not answer when the run is over"
            return control, journal, tuple(filter(None, (silent, said)))
        await asyncio.sleep(LOOK)


async def _breaches(lab: Laboratory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Promises that any service's control plane broke, and what could not be read of the services beside payments."""
    found: list[str] = []
    unread: list[str] = []
    for service, witness in lab.witnesses.items():
        control, journal, said = await _records(witness)
        unread += said if service != SERVICE else ()
        if control and journal:
            found += [f"{service}: {one}" for one in await _broken_by(lab, witness, control, journal)]
    return tuple(found), tuple(unread)


async def _broken_by(lab: Laboratory, witness: Witness, control: Control, journal: Sequence[JournalEntry]) -> tuple[str, ...]:
    posture, policy = control.posture, _policy(lab, witness.service)
    writer = (await witness.facts()).get(posture.writer)
    streams = {site: naming.stream(witness.service, posture.reign, posture.writer, SiteName(site)) for site in lab.sites}
    # Of a writer that cannot be read nobody knows who counts: an empty set in its place would break no promise.
    counting = {SiteName(site) for site, stream in streams.items() if writer and stream in writer.ack_slots}
    records = Records(
        posture=posture,
        observations=control.observations,
        journal=journal,
        ack_set=frozenset(counting) if writer else None,
        failovers_allowed=policy.automatic_failovers,
        window=policy.velocity_window,
    )
    return breaches(records)


def _policy(lab: Laboratory, service: str) -> Policy:
    """What the controllers were told, from their own settings file."""
    secrets = {password_variable(one, role): "-" for one in lab.witnesses for role in ("control", "stream")}
    return read_settings(lab.sites[WRITER].settings / "controller.toml", secrets).services[service].policy


async def _compared(lab: Laboratory) -> tuple[list[str], str]:
    """etcd's members that disagree, and why they could not be compared."""
    try:
        return sorted((await lab.etcd.compare()).disagreeing), ""
    except LabError as error:
        return [], str(error)


async def _apart(lab: Laboratory) -> tuple[str, ...]:
    """What the authorities answer differently although none of them suffers from a fault, once steering has had its time; and which of
    them cannot be asked. An authority that is left behind has to be reconciled by itself: drift that stays is a promise broken."""
    until = time.monotonic() + QUIET.total_seconds()
    while True:
        said = await _answered_differently(lab)
        if not said or time.monotonic() > until:
            return said
        await asyncio.sleep(LOOK)


async def _answered_differently(lab: Laboratory) -> tuple[str, ...]:
    found: dict[str, Shares] = {}
    async with aiohttp.ClientSession() as http:
        for place, authority in lab.authorities.items():
            if lab.faults.occupies(place):
                continue
            try:
                news = await CloudControl(http, url(authority.control_port)).zone(authority.zone_id)
            except (aiohttp.ClientError, TimeoutError) as error:
                return (f"the zone of {place} cannot be read: {error!r}",)
            found[place] = shares(news.records if news else ())
    return disagreements(found)
