"""What became of everything that cardholders were told, read when a run is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import psycopg

from controller.core import naming
from lab.cabling import SITES
from lab.errors import LabError
from lab.fleet import VAULT
from lab.laboratory import Laboratory
from lab.reconcile_vault import VaultReconciliation, count_harms, reconcile_vault
from lab.reconcile_vault_rows import Harm, VaultRows, WrapId
from lab.reconcile_vault_sql import read_vault
from lab.vault_aftermath import VaultAftermath
from lab.vault_load_record import Line
from lab.vault_offering import Cardholding
from lab.vault_opening import Held, lab_wrappers, open_wraps, read_wraps
from workload.vault.wrapping import Wrapper

LOOK = 0.2
ANYWHERE = (Harm.UNERASED, Harm.ORPHANED)
"""What is wrong also at a site that does not count yet."""
READ = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How vaults are read, and waited for."""

    read: Callable[[], Awaitable[Mapping[str, VaultRows | str]]]
    """What every site's holds, or why it cannot be read."""
    missing: Callable[[str], Awaitable[str]]
    """What keeps a site from being the writer or a follower that counts; empty when nothing does."""
    open: Callable[[Collection[WrapId]], Awaitable[Mapping[WrapId, str]]]
    """What comes of opening every wrap but these; empty when it opens."""
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def look_back_vault(lab: Laboratory, holding: Cardholding | None, agree: timedelta) -> tuple[VaultAftermath | None, str]:
    """Read every vault once the errands are over; or why nothing can be proven of them, which must not hide what became of payments.

    `agree`: how long the vaults are given to become equal and every data key to be wrapped by every cloud: repairs go on by themselves.
    """
    if holding is None:
        return None, ""
    witness = lab.witnesses[VAULT]
    try:
        wrappers = _wrappers(lab)
        reading = Reading(
            read=lambda: _read_vaults(lab), missing=witness.missing, open=lambda opened: _open_vaults(lab, wrappers, opened)
        )
        reconciliation, unread = await reconciled_vault(holding.lines(), reading, agree)
    except LabError as error:
        return None, f"nothing is proven of the vault: {error}"
    control = await witness.control()
    aftermath = VaultAftermath(
        reconciliation=reconciliation,
        writer_after=str(control.posture.writer) if control else None,
        epoch_after=int(control.posture.reign) if control else None,
        troubles=unread,
    )
    return aftermath, ""


async def reconciled_vault(
    lines: Sequence[Line], reading: Reading, deadline: timedelta
) -> tuple[VaultReconciliation, tuple[str, ...]]:
    """The record against every vault that can be read, and why others cannot. Vaults are read again until they are equal and every data
    key was opened by every cloud, or the deadline is over; then the last reading stands. Raises LabError when none can be read."""
    until = reading.monotonic() + deadline.total_seconds()
    opened: dict[WrapId, str] = {}
    while True:
        read = await reading.read()
        vaults = {site: vault for site, vault in read.items() if isinstance(vault, VaultRows)}
        unread = tuple(vault for vault in read.values() if isinstance(vault, str))
        if not vaults:
            raise LabError("; ".join(unread))
        opened |= await reading.open({wrap for wrap, why in opened.items() if not why})
        found = reconcile_vault(lines, vaults, SITES, opened)
        if found.ledgers_equal and found.is_wrapped and not unread:
            return found, ()
        if reading.monotonic() > until:
            return await _among_the_whole(lines, vaults, reading, found, opened), unread
        await reading.sleep(LOOK)


async def _among_the_whole(
    lines: Sequence[Line],
    vaults: Mapping[str, VaultRows],
    reading: Reading,
    found: VaultReconciliation,
    opened: Mapping[WrapId, str],
) -> VaultReconciliation:
    """The same looked for only where it must be: on the writer and on followers that count. A site that has not returned yet breaks
    another promise, and what it lacks is not lost. Digests are those of all, and so is what a site has beyond them: a wrap that survives
    an erasure there is the one that a thief looks for."""
    owing = {site: vault for site, vault in vaults.items() if not await reading.missing(site)}
    if not owing:
        return found
    told = reconcile_vault(lines, owing, SITES, opened)
    kept = [finding for finding in found.findings if finding.harm in ANYWHERE and finding.site not in owing]
    findings = (*told.findings, *kept)
    return replace(told, digests=found.digests, findings=findings, harms=count_harms(findings))


async def _read_vaults(lab: Laboratory) -> Mapping[str, VaultRows | str]:
    """Every site's, past services and links, or why it cannot be read."""

    async def read(site: str) -> VaultRows | str:
        try:
            return await read_vault(_dsn(lab, site), READ)
        except (psycopg.Error, TimeoutError) as error:
            return f"the vault of {site} cannot be read: {error!r}"

    found = await asyncio.gather(*map(read, lab.sites))
    return dict(zip(lab.sites, found, strict=True))


async def _open_vaults(lab: Laboratory, wrappers: Collection[Wrapper], opened: Collection[WrapId]) -> Mapping[WrapId, str]:
    """Every wrap of every site that can be read; that others cannot is told where rows are read."""

    async def read(site: str) -> tuple[Held, ...]:
        try:
            return await read_wraps(_dsn(lab, site), READ)
        except (psycopg.Error, TimeoutError):
            return ()

    found = await asyncio.gather(*map(read, lab.sites))
    return await open_wraps((held for wraps in found for held in wraps if held.id not in opened), wrappers)


def _wrappers(lab: Laboratory) -> tuple[Wrapper, ...]:
    (authority_file,) = (one.papers.authority for one in lab.authorities.values() if one.papers)
    return lab_wrappers(lab.cabling, authority_file)


def _dsn(lab: Laboratory, site: str) -> str:
    return lab.sites[site].server.dsn(naming.database(VAULT), naming.control_role(VAULT), lab.passwords[VAULT].control)
