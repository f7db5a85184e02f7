"""Records of several runs on one lab together, against every database of a service that must hold what they call acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

import psycopg

from controller.core import naming
from lab.bench_evidence import TROUBLE
from lab.cabling import SITES
from lab.laboratory import Laboratory
from lab.lines import DamagedError

L = TypeVar("L")
R = TypeVar("R")
F = TypeVar("F")

LEVEL = timedelta(seconds=15)
"""For what one follower alone acknowledged to reach the other one."""
READ = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Generic[L, R, F]):
    """Of one service."""

    service: str
    read_record: Callable[[Path], Iterator[L]]
    read_rows: Callable[[str, timedelta], Awaitable[R]]
    """What one site's database holds, by its address. Raises psycopg.Error, TimeoutError."""
    reconcile: Callable[[Sequence[L], Mapping[str, R]], F]
    is_wrong: Callable[[F], bool]
    """Is something found that may be right once one follower has what the other one has?"""

    async def carry_out(self, lab: Laboratory, records: Iterable[Path], deadline: timedelta = LEVEL) -> F | None:
        """What is found at the writer and at followers that count. None when there is no such writer, or something cannot be read, by the
        deadline.

        A load may still be offering: the records are read first, so that whatever they call acknowledged must be in the databases
        already, and what seems to be lost is looked for again until the deadline, because one follower may lag behind the other.
        """
        until = time.monotonic() + deadline.total_seconds()
        found: F | None = None
        try:
            lines = await asyncio.to_thread(self._read, [path for path in records if path.exists()])
            while found is None or self.is_wrong(found):
                if rows := await self._owing(lab):
                    found = await asyncio.to_thread(self.reconcile, lines, rows)
                if time.monotonic() > until:
                    break
                await asyncio.sleep(0.2)
        except (DamagedError, psycopg.Error, *TROUBLE):
            return None
        return found

    def _read(self, records: Iterable[Path]) -> list[L]:
        return [line for path in records for line in self.read_record(path)]

    async def _owing(self, lab: Laboratory) -> dict[str, R]:
        """Empty without a writer."""
        witness = lab.witnesses[self.service]
        control = await witness.control()
        if control is None or await witness.missing(control.posture.writer):
            return {}
        sites = [site for site in SITES if not await witness.missing(site)]
        database, role = naming.database(self.service), naming.control_role(self.service)
        password = lab.passwords[self.service].control
        dsns = [lab.sites[site].server.dsn(database, role, password) for site in sites]
        return dict(zip(sites, await asyncio.gather(*(self.read_rows(dsn, READ) for dsn in dsns)), strict=True))
