"""The cardholders' records of every run on one lab against its vaults."""

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import psycopg

from controller.core import naming
from lab.bench_evidence import TROUBLE
from lab.cabling import SITES
from lab.fleet import VAULT
from lab.laboratory import Laboratory
from lab.lines import DamagedError
from lab.reconcile_vault import VaultReconciliation, reconcile_vault
from lab.reconcile_vault_rows import VaultRows
from lab.reconcile_vault_sql import read_vault
from lab.vault_load_record import Line, read_vault_record

LEVEL = timedelta(seconds=15)
"""For what one follower alone acknowledged to reach the other one."""
READ = timedelta(seconds=20)


def vault_record_of(record: Path) -> Path:
    """Where the cardholders of a run keep theirs, beside the payers' record."""
    return record.with_name(f"{record.stem}.vault.jsonl")


async def compare_vault_records(
    lab: Laboratory, records: Iterable[Path], deadline: timedelta = LEVEL
) -> VaultReconciliation | None:
    """Records of several runs together against every vault that must hold their tokens: the writer's, and those of followers that count.
    None when there is no such writer, or something cannot be read, by the deadline. Records are read first, as `compare_records` does;
    whether wraps open is not tried again here."""
    until = time.monotonic() + deadline.total_seconds()
    found: VaultReconciliation | None = None
    try:
        lines = await asyncio.to_thread(_read, [path for path in records if path.exists()])
        while found is None or found.findings:
            if vaults := await _owing(lab):
                found = await asyncio.to_thread(reconcile_vault, lines, vaults, SITES)
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
    except (DamagedError, psycopg.Error, *TROUBLE):
        return None
    return found


def _read(records: Iterable[Path]) -> list[Line]:
    return [line for path in records for line in read_vault_record(path)]


async def _owing(lab: Laboratory) -> dict[str, VaultRows]:
    """Vaults of the writer and of followers that count; empty without a writer."""
    witness = lab.witnesses[VAULT]
    control = await witness.control()
    if control is None or await witness.missing(control.posture.writer):
        return {}
    sites = [site for site in SITES if not await witness.missing(site)]
    role, password = naming.control_role(VAULT), lab.passwords[VAULT].control
    dsns = [lab.sites[site].server.dsn(naming.database(VAULT), role, password) for site in sites]
    vaults = await asyncio.gather(*(read_vault(dsn, READ) for dsn in dsns))
    return dict(zip(sites, vaults, strict=True))
