"""Failovers one after the other on running labs: each at a random phase, every second one with etcd's leader on the victim."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.core.model import Health
from controller.errors import TrimaranError
from lab.bench_evidence import keep_evidence
from lab.bench_figures import failover_figures
from lab.cabling import SITES
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import Laboratory, Say, laboratory
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal, broken_promises
from lab.site_settings import NAMES

POLICY = ("automatic_failovers = 1000",)
"""Lines of the policy that a bench runs with: a velocity guard at its default would stop the second run, as it should."""

FAST, SLOW = NAMES
PATIENT_EVERY = 4
"""Every so many runs half of the payers use the name with the long TTL, and healing waits until they must have looked again."""

PATIENT_HOLD = timedelta(seconds=31)
"""After the first acknowledgement: longer than the long TTL."""

READY = timedelta(seconds=60)


@dataclass(slots=True, kw_only=True)
class Series:
    """Every failover of one fault."""

    fault: Fault
    runs: int
    out: Path
    say: Say
    seed: int = 1
    seen: list[Rehearsal] = field(default_factory=list)
    aborted: int = 0
    failed: list[int] = field(default_factory=list)

    async def carry_out(self) -> dict[str, Any]:
        """All runs; a lab that a run left in pieces is replaced by a new one. Answers the figures."""
        chance = random.Random(f"{self.seed}/{self.fault}")
        number = 0
        while number < self.runs:
            async with laboratory(f"bench-{self.fault}", policy=POLICY) as lab:
                while number < self.runs:
                    number += 1
                    if not await self._one(lab, number, chance):
                        break
        return failover_figures(self.seen, self.aborted)

    async def _one(self, lab: Laboratory, number: int, chance: random.Random) -> bool:
        """One run; False when this lab cannot serve another."""
        began, run = time.monotonic(), f"{self.fault}-{number}"
        try:
            seen = await fail_over(lab, self.fault, number, chance)
        except (LabError, TrimaranError) as error:
            self.aborted += 1
            await self._fail(lab, number, (f"{type(error).__name__}: {error}",))
            self.say(f"{self.fault} {number}/{self.runs}: aborted: {error}")
            return False
        self.seen.append(seen)
        broken = broken_promises(seen)
        if broken:
            await self._fail(lab, number, broken)
        self.say(progress(seen, f"{run}/{self.runs}", time.monotonic() - began, broken))
        return seen.whole_at is not None

    async def _fail(self, lab: Laboratory, number: int, broken: Sequence[str]) -> None:
        self.failed.append(number)
        await keep_evidence(lab, self.out / f"failed-{self.fault}-{number}", f"{self.fault}-{number}", broken)


async def fail_over(lab: Laboratory, fault: Fault, number: int, chance: random.Random) -> Rehearsal:
    """One failover of whoever writes. Raises LabError when the lab is not whole before it or cannot carry it out."""
    await await_calm(lab)
    on_victim = number % 2 == 1
    if not on_victim:
        await _leader_away(lab)
    patient = number % PATIENT_EVERY == 0
    course = Course(
        fault=fault,
        run=f"{fault}-{number}",
        names=(FAST, SLOW) if patient else (FAST,),
        calm=timedelta(seconds=2 + chance.random()),
        leader_on_site=on_victim,
    )
    seen = await rehearse(lab, replace(course, hold=PATIENT_HOLD) if patient else course)
    # The journal of a lab that serves many runs tells all of them; this run's begins shortly before its fault.
    return replace(seen, moments=[moment for moment in seen.moments if moment.t > -5])


async def await_calm(lab: Laboratory, deadline: timedelta = READY) -> None:
    """Return once the service is whole, every site has traffic and everybody sees everything healthy. Raises LabError."""
    await lab.wait_until_whole(deadline)
    until = time.monotonic() + deadline.total_seconds()
    while said := await _unrest(lab):
        if time.monotonic() > until:
            raise LabError(f"after {deadline.total_seconds():.0f} s {said}")
        await asyncio.sleep(0.1)


async def _unrest(lab: Laboratory) -> str:
    control = await lab.witness.control()
    if control is None:
        return "etcd does not answer"
    if drained := [site for site, share in control.posture.weights.items() if share <= 0]:
        return f"{', '.join(drained)} has no traffic yet"
    for vantage in SITES:
        said = next((seen for name, seen in control.observations.items() if name == vantage), None)
        if said is None:
            return f"the controller of {vantage} publishes nothing"
        for site, parts in said.opinions.items():
            for part, opinion in parts.items():
                if opinion.health is not Health.HEALTHY:
                    return f"{vantage} says that {site}'s {part} is {opinion.health}: {opinion.detail}"
    return ""


async def _leader_away(lab: Laboratory) -> None:
    """Have etcd's leader sit on a site that is not about to be lost."""
    control = await lab.witness.control()
    if control is not None and await lab.etcd.leader() == control.posture.writer:
        await lab.etcd.move_leader(next(site for site in SITES if site != control.posture.writer))


def progress(seen: Rehearsal, name: str, took: float, broken: Sequence[str]) -> str:
    """One line about one run."""
    first = seen.recovery.first_acknowledged
    said = "never" if first is None else f"{first:.2f} s"
    p95 = ", ".join(
        f"{group.p95:.1f}" if group.p95 is not None else "none" for group in seen.recovery.by_name.values() if group.affected
    )
    return (
        f"{name}: {seen.writer_before} -> {seen.writer_after}, first ack {said}, clients p95 {p95 or 'unaffected'} s, "
        f"lost {seen.reconciliation.lost}, duplicated {seen.reconciliation.duplicated}, "
        f"etcd leader {'on the victim' if seen.etcd_leader_on_site else 'elsewhere'}, whole "
        f"{'never' if seen.whole_at is None else f'{seen.whole_at:.1f} s'}, took {took:.0f} s"
        + (f" BROKEN: {'; '.join(broken)}" if broken else "")
    )
