"""Cardholders against a running lab: their generator as a process of the lab, and what it recorded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from lab.authorities import await_ready
from lab.errors import LabError
from lab.fleet import VAULT
from lab.laboratory import Laboratory
from lab.lines import DamagedError
from lab.offering import LONGEST_PAUSE, Offering, entrance
from lab.papers import WALLETS
from lab.processes import launch_module
from lab.site_settings import HOSTS
from lab.vault_load_record import Line, read_vault_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Cardholding:
    """One run of cardholders."""

    offering: Offering
    """Its process, how far it is, and how it ended."""

    def lines(self) -> tuple[Line, ...]:
        """The record as far as it is written. Raises LabError when it cannot be relied on."""
        try:
            return tuple(read_vault_record(self.offering.record))
        except DamagedError as error:
            raise LabError(f"the cardholders' record is damaged: {error}") from error


async def entrust(
    lab: Laboratory,
    run: str,
    *,
    names: Sequence[str] = tuple(HOSTS[VAULT]),
    ignoring_ttl: float = 0,
    settle: timedelta = timedelta(seconds=90),
    seed: int = 1,
) -> Cardholding:
    """Start having numbers kept, shown and forgotten; returns when the first errands are under way. `run` is part of every id: unique
    per vault. `ignoring_ttl`: share of the clients that do."""
    place = lab.workspace.directory("load")
    record, stats, settings = (place / f"{run}.vault.{ending}" for ending in ("jsonl", "stats.json", "settings.json"))
    wanted = {
        "run": run,
        "record": str(record),
        "stats": str(stats),
        "nameservers": {place: authority.dns_port for place, authority in lab.authorities.items()},
        "names": list(names),
        "routes": {address: dict(route) for address, route in lab.routes().items()},
        "entrance": entrance(lab, WALLETS),
        "settle": settle.total_seconds(),
        "longest_pause": LONGEST_PAUSE.total_seconds(),
        "ignoring_ttl": ignoring_ttl,
        "seed": seed,
    }
    settings.write_text(json.dumps(wanted))
    process = launch_module(lab.workspace, f"cardholders-{run}", "lab.vault_load", "--settings", settings)
    await await_ready(process)
    return Cardholding(offering=Offering(process=process, record=record, stats=stats))
