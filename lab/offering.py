"""Load against a running lab: the open-loop generator as a process of the lab, and what it recorded."""

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lab.authorities import await_ready
from lab.cabling import CLIENTS
from lab.collector_process import RATIO
from lab.door_settings import issuer_url
from lab.errors import LabError
from lab.fleet import SCREENING, VAULT
from lab.founding import SUSPECTS
from lab.laboratory import Laboratory
from lab.lines import DamagedError
from lab.papers import MERCHANTS, OFFICER, REVIEWER
from lab.processes import Supervised, launch_module
from lab.record import Line, read_record
from lab.site_settings import NAMES

RATE = 25.0
"""Payments offered a second. Two cores carry more in calm; at 100, and on a slower machine at 50, the repetitions of a failover left
nobody time to answer one."""

OFFERED = re.compile(rb'\{"kind":"offered","key":"([^"\\]+)"')
"""How a line begins that says that a payment was wanted."""

LONGEST_PAUSE = timedelta(seconds=2)
"""Between two attempts of one payment. With half a second, payers that were kept waiting for ten seconds by a busy machine came back
a thousand times a second, and so kept it busy: a service that could have recovered did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offering:
    """One run of load."""

    process: Supervised
    record: Path
    stats: Path

    def progress(self) -> Mapping[str, Any]:
        """The generator's own counts, at most a second old; empty before the first."""
        with suppress(OSError, ValueError):
            answer: dict[str, Any] = json.loads(self.stats.read_text())
            return answer
        return {}

    def lines(self) -> tuple[Line, ...]:
        """The record as far as it is written. Raises LabError when it cannot be relied on."""
        try:
            return tuple(read_record(self.record))
        except DamagedError as error:
            raise LabError(f"the clients' record is damaged: {error}") from error

    def others(self) -> frozenset[str]:
        """Keys that other runs offered on the same ledgers. Raises LabError when one of their records cannot be read."""
        found: set[str] = set()
        try:
            for record in self.record.parent.glob("*.jsonl"):
                if record != self.record:
                    with record.open("rb") as file:
                        found |= {match[1].decode() for line in file if (match := OFFERED.match(line))}
        except OSError as error:
            raise LabError(f"the record of another run cannot be read: {error}") from error
        return frozenset(found)

    async def wait_for_epoch(self, above: int, deadline: timedelta) -> bool:
        """Was a payment acknowledged in an epoch above this one, within the deadline?"""
        until = time.monotonic() + deadline.total_seconds()
        while time.monotonic() < until:
            last = self.progress().get("last_acknowledged")
            if last is not None and last["epoch"] > above:
                return True
            await asyncio.sleep(0.1)
        return False

    async def finish(self, deadline: timedelta) -> str:
        """End the offers and wait until every payment is settled or given up; answers what was wrong with how it ended, empty when
        nothing was. The record stands either way: a run that overwhelmed its generator is one whose payments must be counted."""
        try:
            await self.process.stop(deadline)
        except LabError as error:
            return f"the load generator cannot be ended: {error}"
        status = self.process.exit_status
        return "" if status == 0 else f"the load generator ended with {status}: {self.process.tail(3)}"


def entrance(lab: Laboratory, clients: Sequence[str]) -> Mapping[str, object]:
    """How these clients come in: `lab.load_settings.EntranceSettings`."""
    return {
        "doors": str(lab.papers.doors),
        "issuer": str(lab.papers.issuer.authority),
        "token_url": f"{issuer_url(lab.cabling, CLIENTS)}/token",
        "clients": [{"name": client, "certificate": str(lab.papers.client(client))} for client in clients],
    }


def _beside(lab: Laboratory, purse: Path) -> Mapping[str, object]:
    """What payers do beside paying: settings of `lab.load`. `purse`: where cardholders of the same run keep their record."""
    found: dict[str, object] = {"staff": entrance(lab, (REVIEWER, OFFICER))}
    if SCREENING in lab.services:
        found["suspects"] = list(map(str, SUSPECTS))
    if VAULT in lab.services:
        found["purse"] = str(purse)
    return found


async def offer(
    lab: Laboratory,
    run: str,
    *,
    rate: float = RATE,
    names: Sequence[str] = tuple(NAMES),
    ignoring_ttl: float = 0,
    settle: timedelta = timedelta(seconds=90),
    seed: int = 1,
    beside: bool = False,
) -> Offering:
    """Start offering; returns when the first offers are made. `run` is part of every key: unique per ledger. `ignoring_ttl`: share of
    the clients that do. `beside`: some payments come from tokens of the cardholders of the same run, whose subjects are forgotten when
    the vault forgot them, and some must be held and are approved, as far as the lab runs those services."""
    place = lab.workspace.directory("load")
    record, stats, settings = (place / f"{run}.{ending}" for ending in ("jsonl", "stats.json", "settings.json"))
    wanted = {
        "run": run,
        "record": str(record),
        "stats": str(stats),
        "nameservers": {place: authority.dns_port for place, authority in lab.authorities.items()},
        "names": list(names),
        "routes": {address: dict(route) for address, route in lab.routes().items()},
        "entrance": entrance(lab, MERCHANTS),
        "accounts": list(lab.accounts),
        "rate": rate,
        "settle": settle.total_seconds(),
        "longest_pause": LONGEST_PAUSE.total_seconds(),
        "ignoring_ttl": ignoring_ttl,
        "traced": RATIO,
        "seed": seed,
        **(_beside(lab, place / f"{run}.vault.jsonl") if beside else {}),
    }
    settings.write_text(json.dumps(wanted))
    process = launch_module(lab.workspace, f"load-{run}", "lab.load", "--settings", settings)
    await await_ready(process)
    return Offering(process=process, record=record, stats=stats)
