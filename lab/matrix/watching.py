"""What the control plane of a running lab says while it is hurt: the journal as it is written, and why nothing is done."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import aiohttp

from controller.core.model import JournalEntry
from controller.errors import TrimaranError
from lab.errors import LabError
from lab.laboratory import Laboratory
from lab.matrix.sequences import Mark
from lab.offering import Offering
from lab.site_settings import SERVICE

LOOK = 0.005
PATIENCE = aiohttp.ClientTimeout(total=3)


async def last_written(lab: Laboratory) -> int:
    """Sequence of the journal's last entry."""
    return max((entry.sequence for entry in await lab.witness.journal()), default=0)


async def await_mark(lab: Laboratory, after: int, kind: str, mark: Mark, deadline: timedelta) -> Sequence[JournalEntry]:
    """Return as soon as a plan of this kind that was claimed above a sequence has this entry, with what it has so far.

    Raises LabError when it has not by the deadline.
    """
    until = time.monotonic() + deadline.total_seconds()
    entries: list[JournalEntry] = []
    while time.monotonic() < until:
        try:
            entries += await lab.witness.journal(entries[-1].sequence if entries else after)
        except TrimaranError:
            await asyncio.sleep(LOOK)
            continue
        if plan := reached(entries, kind, mark):
            return plan
        await asyncio.sleep(LOOK)
    found = ", ".join(entry.kind for entry in entries) or "nothing"
    raise LabError(f"no {kind} came to {mark} within {deadline.total_seconds():g} s; journaled was {found}")


def reached(entries: Sequence[JournalEntry], kind: str, mark: Mark) -> Sequence[JournalEntry]:
    """Entries of the first plan of this kind in which the mark's entry is; empty when there is none."""
    for claim in entries:
        if claim.kind == "claim" and claim.body.get("plan_kind") == kind:
            plan = [entry for entry in entries if entry.body.get("plan") == claim.body["plan"]]
            if sum(entry.kind == mark.kind for entry in plan) >= mark.count:
                return plan
    return ()


async def refusals(lab: Laboratory) -> tuple[str, ...]:
    """Guards that would refuse a failover now, as the controllers that can be asked say."""
    found: set[str] = set()
    async with aiohttp.ClientSession(timeout=PATIENCE) as http:
        for site, url in lab.controllers().items():
            if lab.faults.occupies(site):
                continue
            try:
                async with http.get(f"{url}/v1/services/{SERVICE}/status") as answer:
                    told = await answer.json()
            except (aiohttp.ClientError, TimeoutError, ValueError):
                continue
            found |= {str(one["guard"]) for one in told.get("moves", {}).get("automatic_failover", ())}
    return tuple(sorted(found))


async def await_acknowledged(load: Offering, since: float, deadline: timedelta) -> None:
    """Return once a payment was acknowledged after this moment (monotonic seconds). Raises LabError."""
    until = time.monotonic() + deadline.total_seconds()
    while time.monotonic() < until:
        last = load.progress().get("last_acknowledged")
        if last is not None and last["t"] > since:
            return
        await asyncio.sleep(0.1)
    raise LabError(f"no payment was acknowledged within {deadline.total_seconds():g} s")


async def await_ended(lab: Laboratory, deadline: timedelta) -> bool:
    """Is no plan under way any more, within the deadline?"""
    until = time.monotonic() + deadline.total_seconds()
    while time.monotonic() < until:
        control = await lab.witness.control()
        if control is not None and control.plan is None:
            return True
        await asyncio.sleep(0.05)
    return False
