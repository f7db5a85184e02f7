"""One running lab on which a series of failovers is carried out, and the records of all of them against its ledgers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from controller.core.model import Health
from controller.ports import Control
from lab.bench_comparison import LEVEL, Comparison
from lab.bench_evidence import keep_evidence
from lab.bench_ground_vault import compare_vault_records, vault_record_of
from lab.cabling import SITES
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import Laboratory, laboratory
from lab.reconcile import Reconciliation, reconcile
from lab.reconcile_rows import Ledger
from lab.reconcile_sql import read_ledger
from lab.reconcile_vault import VaultReconciliation
from lab.record import Line, read_record
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal
from lab.site_settings import NAMES, SERVICE

POLICY = ("automatic_failovers = 1000",)
"""Lines of the policy that a bench runs with: a velocity guard at its default would stop the second run, as it should."""

FAST, SLOW = NAMES
PATIENT_EVERY = 4
"""Every so many runs half of the payers use the name with the long TTL, and healing waits until they must have looked again."""

PATIENT_HOLD = timedelta(seconds=31)
"""After the first acknowledgement: longer than the long TTL."""

READY = timedelta(seconds=60)


class Ground(Protocol):
    """What a series of failovers needs of a lab."""

    async def fail_over(self, number: int) -> Rehearsal:
        """One run. Raises LabError, TrimaranError or OSError when it cannot be carried to its end."""

    async def compare(self) -> Reconciliation | None:
        """The records of all runs so far together; None when no ledger can be held against them now."""

    async def compare_vault(self) -> VaultReconciliation | None:
        """The same of cardholders, against the vaults."""

    async def keep(self, number: int, broken: Sequence[str]) -> None:
        """Keep evidence of a run that broke a promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labs:
    """Opens one lab after the other, for one fault."""

    fault: Fault
    seed: int
    out: Path

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ground]:
        """A lab for the length of the block. Raises LabError when it does not start."""
        async with laboratory(f"bench-{self.fault}", policy=POLICY) as lab:
            yield LabGround(lab=lab, plan=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabGround:
    """The real one."""

    lab: Laboratory
    plan: Labs
    records: list[Path] = field(default_factory=list)

    async def fail_over(self, number: int) -> Rehearsal:
        """One failover of whoever writes, the same for the same seed, fault and number."""
        course = course_of(self.plan.fault, number, self.plan.seed)
        self.records.append(record_of(self.lab, course.run))
        await await_calm(self.lab)
        if not course.leader_on_site:
            await _leader_away(self.lab)
        seen = await rehearse(self.lab, course)
        # The journal of a lab that serves many runs tells all of them; this run's begins shortly before its fault.
        return replace(seen, moments=[moment for moment in seen.moments if moment.t > -5])

    async def compare(self) -> Reconciliation | None:
        """See `compare_records`."""
        return await compare_records(self.lab, self.records)

    async def compare_vault(self) -> VaultReconciliation | None:
        """See `compare_vault_records`."""
        return await compare_vault_records(self.lab, map(vault_record_of, self.records))

    async def keep(self, number: int, broken: Sequence[str]) -> None:
        """Beside the figures."""
        name = f"{self.plan.fault}-{number}"
        await keep_evidence(self.lab, self.plan.out / f"failed-{name}", name, broken)


def course_of(fault: Fault, number: int, seed: int) -> Course:
    """How this run goes: at a random phase of everything that recurs, etcd's leader on the victim in every second one."""
    patient = number % PATIENT_EVERY == 0
    course = Course(
        fault=fault,
        run=f"{fault}-{number}",
        names=(FAST, SLOW) if patient else (),
        calm=timedelta(seconds=2 + random.Random(f"{seed}/{fault}/{number}").random()),
        leader_on_site=number % 2 == 1,
    )
    return replace(course, hold=PATIENT_HOLD) if patient else course


def record_of(lab: Laboratory, run: str) -> Path:
    """Where the clients' record of a run lies, as `offer` names it."""
    return lab.workspace.directory("load") / f"{run}.jsonl"


def _of_those_that_count(lines: Sequence[Line], ledgers: Mapping[str, Ledger]) -> Reconciliation:
    """Of a site that has not returned nothing can be known, and that is said."""
    return reconcile(lines, ledgers, unasked={site: "it does not count yet" for site in SITES if site not in ledgers})


PAYMENTS: Comparison[Line, Ledger, Reconciliation] = Comparison(
    service=SERVICE,
    read_record=read_record,
    read_rows=read_ledger,
    reconcile=_of_those_that_count,
    is_wrong=lambda found: bool(found.findings),
)


async def compare_records(lab: Laboratory, records: Iterable[Path], deadline: timedelta = LEVEL) -> Reconciliation | None:
    """The clients' records of several runs together against every ledger that must hold their payments: see `Comparison`."""
    return await PAYMENTS.carry_out(lab, records, deadline)


async def await_calm(lab: Laboratory, deadline: timedelta = READY) -> None:
    """Return once the service is whole, every site has traffic and everybody sees everything healthy. Raises LabError."""
    await lab.wait_until_whole(deadline)
    until = time.monotonic() + deadline.total_seconds()
    while said := await _unrest(lab):
        if time.monotonic() > until:
            raise LabError(f"after {deadline.total_seconds():.0f} s {said}")
        await asyncio.sleep(0.1)


async def _unrest(lab: Laboratory) -> str:
    for service, witness in lab.witnesses.items():
        if said := _unrest_of(await witness.control()):
            return f"{service}: {said}"
    return ""


def _unrest_of(control: Control | None) -> str:
    """Of one service: a vault that is still being brought back is no calm either."""
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
