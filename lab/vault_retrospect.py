"""What became of everything that cardholders were told, read when a run is over."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg

from controller.core import naming
from lab.cabling import SITES
from lab.errors import LabError
from lab.fleet import VAULT
from lab.laboratory import Laboratory
from lab.reconcile_vault import VaultReconciliation, reconcile_vault
from lab.reconcile_vault_rows import VaultRows
from lab.reconcile_vault_sql import read_vault
from lab.vault_aftermath import VaultAftermath
from lab.vault_load_record import Line
from lab.vault_offering import Cardholding

LOOK = 0.2
READ = timedelta(seconds=10)


async def look_back_vault(lab: Laboratory, holding: Cardholding | None, agree: timedelta) -> tuple[VaultAftermath | None, str]:
    """Read every vault once the errands are over; or why nothing can be proven of them, which must not hide what became of payments.

    `agree`: how long the vaults are given to become equal and every data key to be wrapped by every cloud: repairs go on by themselves.
    """
    if holding is None:
        return None, ""
    try:
        reconciliation, unread = await _reconciled(lab, holding, agree)
    except LabError as error:
        return None, f"nothing is proven of the vault: {error}"
    control = await lab.witnesses[VAULT].control()
    return VaultAftermath(
        reconciliation=reconciliation,
        writer_after=str(control.posture.writer) if control else None,
        epoch_after=int(control.posture.reign) if control else None,
        troubles=unread,
    ), ""


async def _reconciled(lab: Laboratory, holding: Cardholding, deadline: timedelta) -> tuple[VaultReconciliation, tuple[str, ...]]:
    until = time.monotonic() + deadline.total_seconds()
    lines = holding.lines()
    while True:
        read = await _read_vaults(lab)
        vaults = {site: vault for site, vault in read.items() if isinstance(vault, VaultRows)}
        unread = tuple(vault for vault in read.values() if isinstance(vault, str))
        if not vaults:
            raise LabError("; ".join(unread))
        found = reconcile_vault(lines, vaults, SITES)
        if found.ledgers_equal and found.is_wrapped and not unread:
            return found, ()
        if time.monotonic() > until:
            return await _among_the_whole(lab, lines, vaults, found), unread
        await asyncio.sleep(LOOK)


async def _among_the_whole(
    lab: Laboratory, lines: Sequence[Line], vaults: Mapping[str, VaultRows], found: VaultReconciliation
) -> VaultReconciliation:
    """The same looked for only where it must be: on the writer and on followers that count. A site that has not returned yet breaks
    another promise, and what it lacks is not lost. Digests are those of all."""
    owing = {site: vault for site, vault in vaults.items() if not await lab.witnesses[VAULT].missing(site)}
    return replace(reconcile_vault(lines, owing, SITES), digests=found.digests) if owing else found


async def _read_vaults(lab: Laboratory) -> dict[str, VaultRows | str]:
    """Every site's, past services and links, or why it cannot be read."""

    async def read(site: str) -> VaultRows | str:
        server, password = lab.sites[site].server, lab.passwords[VAULT].control
        try:
            return await read_vault(server.dsn(naming.database(VAULT), naming.control_role(VAULT), password), READ)
        except (psycopg.Error, TimeoutError) as error:
            return f"the vault of {site} cannot be read: {error!r}"

    found = await asyncio.gather(*map(read, lab.sites))
    return dict(zip(lab.sites, found, strict=True))
