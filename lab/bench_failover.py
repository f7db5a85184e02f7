"""Failovers one after the other on running labs: each at a random phase, every second one with etcd's leader on the victim."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from lab.bench_evidence import TROUBLE
from lab.bench_figures import failover_figures
from lab.bench_ground import Ground
from lab.bench_reckoning import Reckoning, tally
from lab.bench_reckoning_vault import VaultReckoning, vault_tally
from lab.faults import Fault
from lab.laboratory import Say
from lab.report import Rehearsal, broken_promises


@dataclass(slots=True, kw_only=True)
class Series:
    """Every failover of one fault."""

    fault: Fault
    runs: int
    open: Callable[[], AbstractAsyncContextManager[Ground]]
    say: Say
    seen: list[Rehearsal] = field(default_factory=list)
    aborted: int = 0
    failed: list[int] = field(default_factory=list)
    reckonings: list[Reckoning] = field(default_factory=list)
    vaults: list[VaultReckoning] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its key in the document."""
        return str(self.fault)

    async def carry_out(self) -> None:
        """All runs; a lab that a run left in pieces is replaced by a new one. Raises LabError when that one does not start."""
        number = 0
        while number < self.runs:
            async with self.open() as ground:
                reckoning, vault = Reckoning(), VaultReckoning()
                self.reckonings.append(reckoning)
                self.vaults.append(vault)
                while number < self.runs:
                    number += 1
                    if not await self._one(ground, reckoning, vault, number):
                        break

    def figures(self) -> dict[str, Any]:
        """Of the runs so far, however the series ended."""
        together = tally(self.reckonings, aborted=self.aborted, broken=len(self.failed))
        return failover_figures(self.seen, together, vault_tally(self.vaults))

    async def _one(self, ground: Ground, reckoning: Reckoning, vault: VaultReckoning, number: int) -> bool:
        """One run, and the records of all runs on this lab; False when this lab cannot serve another."""
        began, seen = time.monotonic(), None
        broken: tuple[str, ...]
        try:
            seen = await ground.fail_over(number)
        except TROUBLE as error:
            self.aborted += 1
            broken = (f"aborted: {type(error).__name__}: {error}",)
        else:
            self.seen.append(seen)
            broken = broken_promises(seen)
            reckoning.note(seen.reconciliation)
            if seen.vault is not None:
                vault.note(seen.vault.reconciliation)
        broken += reckoning.settle(await ground.compare())
        broken += vault.settle(await ground.compare_vault())
        if broken:
            self.failed.append(number)
            await ground.keep(number, broken)
        told = "" if seen is None else progress(seen)
        self.say(f"{self.fault} {number}/{self.runs}: {told}took {time.monotonic() - began:.0f} s{_shout(broken)}")
        return seen is not None and seen.whole_at is not None


def progress(seen: Rehearsal) -> str:
    """One run in half a line."""
    first = seen.recovery.first_acknowledged
    said = "never" if first is None else f"{first:.2f} s"
    p95 = ", ".join(
        f"{group.p95:.1f}" if group.p95 is not None else "beyond the fault's end"
        for group in seen.recovery.by_name.values()
        if group.affected
    )
    return (
        f"{seen.writer_before} -> {seen.writer_after}, first ack {said}, clients p95 {p95 or 'unaffected'} s, "
        f"lost {seen.reconciliation.lost}, duplicated {seen.reconciliation.duplicated}, "
        f"etcd leader {'on the victim' if seen.etcd_leader_on_site else 'elsewhere'}, whole "
        f"{'never' if seen.whole_at is None else f'{seen.whole_at:.1f} s'}, "
    )


def _shout(broken: Sequence[str]) -> str:
    return f" BROKEN: {'; '.join(broken)}" if broken else ""
