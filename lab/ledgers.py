"""Every site's ledger: asked of the databases past services and links, and kept in files so that a run can be judged again later."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from controller.core import naming
from lab.laboratory import Laboratory
from lab.lines import DamagedError
from lab.reconcile_rows import (
    AccountRow,
    EntryRow,
    ErasureRow,
    HeldRow,
    Ledger,
    MarkerRow,
    NodeRow,
    PaymentRow,
    SourceRow,
)
from lab.reconcile_sql import read_ledger
from lab.site_settings import SERVICE

READ = timedelta(seconds=10)
ROWS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "payments": PaymentRow,
        "entries": EntryRow,
        "accounts": AccountRow,
        "held": HeldRow,
        "sources": SourceRow,
        "erasures": ErasureRow,
        "markers": MarkerRow,
    }
)
"""What a ledger has many of, by the name under which it stands in the file."""


async def read_ledgers(lab: Laboratory) -> tuple[dict[str, Ledger], dict[str, str]]:
    """By site: what can be read, and of the others why not."""

    async def read(site: str) -> Ledger | str:
        dsn = lab.sites[site].server.dsn(naming.database(SERVICE), naming.control_role(SERVICE), lab.passwords[SERVICE].control)
        try:
            return await read_ledger(dsn, READ)
        except (psycopg.Error, TimeoutError) as error:
            return f"its ledger cannot be read: {error!r}"

    read_all = dict(zip(lab.sites, await asyncio.gather(*map(read, lab.sites)), strict=True))
    ledgers = {site: found for site, found in read_all.items() if isinstance(found, Ledger)}
    return ledgers, {site: found for site, found in read_all.items() if isinstance(found, str)}


def write_ledger(ledger: Ledger) -> str:
    """One site's ledger as JSON: every row and column that was read."""
    return json.dumps({**asdict(ledger), "tables": dict(ledger.tables)}, separators=(",", ":"))


def ledger_in(path: Path) -> Ledger:
    """What was written there. Raises OSError, DamagedError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {name: tuple(_row(kind, one) for one in content.pop(name)) for name, kind in ROWS.items()}
        node = content.pop("node")
        return Ledger(**rows, tables=content.pop("tables"), node=node and NodeRow(**node))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path.name} is no ledger: {error!r}") from error


def _row(kind: type[Any], content: Mapping[str, Any]) -> Any:
    """JSON has lists where rows have tuples."""
    known = {field.name for field in fields(kind)}
    if content.keys() != known:
        raise ValueError(f"{kind.__name__} has {sorted(known)}, not {sorted(content)}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()})
