"""The cardholders' records of every run on one lab against its vaults."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from lab.bench_comparison import LEVEL, Comparison
from lab.cabling import SITES
from lab.fleet import VAULT
from lab.laboratory import Laboratory
from lab.reconcile_vault import VaultReconciliation, reconcile_vault
from lab.reconcile_vault_rows import VaultRows
from lab.reconcile_vault_sql import read_vault
from lab.vault_load_record import Line, read_vault_record


def vault_record_of(record: Path) -> Path:
    """Where the cardholders of a run keep theirs, beside the payers' record."""
    return record.with_name(f"{record.stem}.vault.jsonl")


CARDS: Comparison[Line, VaultRows, VaultReconciliation] = Comparison(
    service=VAULT,
    read_record=read_vault_record,
    read_rows=read_vault,
    reconcile=lambda lines, vaults: reconcile_vault(lines, vaults, SITES),
    is_wrong=lambda found: bool(found.findings),
)


async def compare_vault_records(
    lab: Laboratory, records: Iterable[Path], deadline: timedelta = LEVEL
) -> VaultReconciliation | None:
    """The cardholders' records of several runs together against every vault that must hold their tokens: see `Comparison`. Whether wraps
    open is not tried again here."""
    return await CARDS.carry_out(lab, records, deadline)
