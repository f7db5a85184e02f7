"""Planned moves of the writer under load, one after the other, to every other site in turn: how long can nobody pay?"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core.model import JournalEntry, Site
from controller.ports import Request
from lab.addresses import LOCAL
from lab.aftermath import broken_aftermath
from lab.bench_evidence import TROUBLE, keep_evidence
from lab.bench_figures import Pause, switchover_figures
from lab.bench_ground import FAST, POLICY, await_calm, compare_records, record_of
from lab.cabling import SITES, Door
from lab.errors import LabError
from lab.laboratory import Laboratory, Say, laboratory
from lab.offering import offer
from lab.reconcile import Reconciliation
from lab.reconcile_recovery import longest_gap
from lab.record import Acknowledged, Line
from lab.retrospect import look_back
from lab.site_settings import SERVICE
from lab.timeline import failover_plan, spans
from lab.vault_offering import entrust

RUN = "switchover"
AROUND = timedelta(seconds=1)
"""Before the wish; the gap is looked for from there to as long after the plan's end."""

DONE = timedelta(seconds=20)
CREATED = 201


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One switchover that was asked for and done."""

    source: str
    target: str
    epoch_before: int
    asked: datetime
    began: float
    """Monotonic seconds when it was asked for."""
    ended: float
    """When its plan was seen to be done."""


@dataclass(slots=True, kw_only=True)
class Switchovers:
    """Every switchover under one load, whose whole record is reconciled at the end."""

    runs: int
    out: Path
    say: Say
    name: str = "switchover"
    moves: list[Move] = field(default_factory=list)
    """Those that were done."""
    failed: list[str] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    found: Reconciliation | None = None
    """None: the record was never held against a ledger."""
    broken: list[str] = field(default_factory=list)

    async def carry_out(self) -> None:
        """All moves. Raises LabError when the lab does not start."""
        async with laboratory("bench-switchover", policy=POLICY) as lab:
            try:
                await self._measure(lab)
            except TROUBLE as error:
                self.broken.append(f"aborted: {type(error).__name__}: {error}")
                self.found = self.found or await compare_records(lab, [record_of(lab, RUN)])
            if self.broken:
                self.say(f"switchover BROKEN: {'; '.join(self.broken)}")
                await keep_evidence(lab, self.out / f"failed-{RUN}", RUN, self.broken)

    def figures(self) -> dict[str, Any]:
        """Of the moves so far, however the series ended."""
        found = self.found
        counts = {
            name: getattr(found, name) if found else 0 for name in ("attempted", "acknowledged", "lost", "duplicated", "astray")
        }
        return {
            **switchover_figures(self.pauses, failed=len(self.failed)),
            **counts,
            "unreconciled": int(found is None),
            "broken": len(self.broken),
            "said": list(self.broken),
        }

    async def _measure(self, lab: Laboratory) -> None:
        began, load = time.monotonic(), await offer(lab, RUN, names=(FAST,), beside=True)
        holding = await entrust(lab, RUN)
        await self._move_about(lab)
        self.broken += self.failed
        aftermath, journal = await look_back(lab, load, since=began, holding=holding)
        self.found = aftermath.reconciliation
        self.broken += broken_aftermath(aftermath)
        lines = load.lines()
        self.pauses = [_pause(move, lines, journal) for move in self.moves]
        for pause in self.pauses:
            gap = "never" if pause.epoch_gap is None else f"{pause.epoch_gap:.3f} s"
            self.say(f"switchover {pause.source} -> {pause.target}: longest gap {pause.longest_gap:.3f} s, between epochs {gap}")

    async def _move_about(self, lab: Laboratory) -> None:
        """Alternate between the two other sites; a move that fails is told and the next one is tried."""
        urls = [f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES]
        etcd = Etcd(urls, call_deadline=timedelta(seconds=0.5))
        store = Store(etcd, controller="bench", clock=SystemClock())
        try:
            for number in range(1, self.runs + 1):
                try:
                    await await_calm(lab)
                    await asyncio.sleep(AROUND.total_seconds())
                    move = await _switch_over(lab, store, number)
                except TROUBLE as error:
                    self.failed.append(f"switchover {number}: {type(error).__name__}: {error}")
                    self.say(self.failed[-1])
                else:
                    self.moves.append(move)
                    self.say(f"switchover {number}/{self.runs}: to {move.target} in {move.ended - move.began:.2f} s")
            await asyncio.sleep(AROUND.total_seconds())
        finally:
            await etcd.close()


async def _switch_over(lab: Laboratory, store: Store, number: int) -> Move:
    """Ask as an operator would and wait until the plan is done. Raises LabError when it is not in time."""
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer")
    source, before = control.posture.writer, int(control.posture.epoch)
    others = [site for site in SITES if site != source]
    target = others[number % len(others)]
    after = max((entry.sequence for entry in await lab.witness.journal()), default=0)
    asked, began = datetime.now(UTC), time.monotonic()
    wish = Request(id=f"bench-{number}", verb="switchover", by="bench", reason="measuring", at=asked, arguments={"to": target})
    await store.request(SERVICE, wish)
    while time.monotonic() - began < DONE.total_seconds():
        now = await lab.witness.control()
        if now is not None and now.posture.epoch > before and now.plan is None and not now.requests:
            if now.posture.writer != target:
                raise LabError(f"{now.posture.writer} writes, not {target}")
            return Move(source=source, target=target, epoch_before=before, asked=asked, began=began, ended=time.monotonic())
        await asyncio.sleep(0.1)
    said = "; ".join(
        f"{entry.at:%X.%f} {entry.actor} {entry.kind} {dict(entry.body)}" for entry in await lab.witness.journal(after)
    )
    raise LabError(
        f"from {source} to {Site(target)} is not done after {DONE.total_seconds():.0f} s: {said or 'nothing was journaled'}"
    )


def _pause(move: Move, lines: Sequence[Line], journal: Sequence[JournalEntry]) -> Pause:
    return Pause(
        source=move.source,
        target=move.target,
        longest_gap=longest_gap(lines, begin=move.began - AROUND.total_seconds(), end=move.ended + AROUND.total_seconds()),
        epoch_gap=epoch_gap(lines, move.epoch_before),
        spans=spans(failover_plan(journal, move.epoch_before, kind="switchover"), move.asked),
    )


def epoch_gap(lines: Iterable[Line], epoch_before: int) -> float | None:
    """Seconds from the last acknowledgement in an epoch up to this one to the first in a later; None when either is missing.

    Only payments that were made just then count (201). A retry answered with its earlier payment (200) names the epoch that
    admitted it, whoever answers: one such answer from the new writer, and the pause would seem to be over before it began.
    """
    old: float | None = None
    for line in sorted(lines, key=lambda line: line.t):
        if isinstance(line, Acknowledged) and line.status == CREATED:
            if line.epoch > epoch_before:
                return None if old is None else line.t - old
            old = line.t
    return None
