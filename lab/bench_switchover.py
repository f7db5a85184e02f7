"""Planned moves of the writer under load, one after the other, to every other site in turn: how long can nobody pay?"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core.model import Site
from controller.ports import Request
from lab.addresses import LOCAL
from lab.bench_evidence import keep_evidence
from lab.bench_failover import FAST, POLICY, await_calm
from lab.bench_figures import Pause, switchover_figures
from lab.cabling import SITES, Door
from lab.errors import LabError
from lab.laboratory import Laboratory, Say, laboratory
from lab.offering import Offering, offer
from lab.reconcile_recovery import longest_gap
from lab.record import Acknowledged, Line
from lab.rehearsal import reconciled
from lab.site_settings import SERVICE
from lab.timeline import failover_plan, spans

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


async def carry_out(runs: int, out: Path, say: Say) -> dict[str, Any]:
    """Every switchover under one load, whose whole record is reconciled at the end. Answers the figures."""
    async with laboratory("bench-switchover", policy=POLICY) as lab:
        load = await offer(lab, RUN, names=(FAST,))
        moves, failed = await _move_about(lab, runs, say)
        await load.finish(timedelta(seconds=30))
        found = await reconciled(lab, load)
        pauses = await _pauses(lab, load, moves)
        compared = await lab.etcd.compare()
        broken = [
            *failed,
            *([f"{found.lost} lost"] if found.lost else []),
            *([f"{found.duplicated} duplicated"] if found.duplicated else []),
            *([f"{found.unresolved} unresolved"] if found.unresolved else []),
            *([] if found.ledgers_equal and found.balanced else ["the ledgers differ or do not balance"]),
            *([f"etcd members disagree: {sorted(compared.disagreeing)}"] if compared.disagreeing else []),
            *found.defects,
        ]
        if broken:
            await keep_evidence(lab, out / f"failed-{RUN}", RUN, broken)
    for pause in pauses:
        gap = "none" if pause.epoch_gap is None else f"{pause.epoch_gap:.3f} s"
        say(f"switchover {pause.source} -> {pause.target}: longest gap {pause.longest_gap:.3f} s, between epochs {gap}")
    figures = switchover_figures(pauses, failed=len(failed))
    return {
        **figures,
        "acknowledged": found.acknowledged,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "broken": len(broken),
        "said": broken,
    }


async def _move_about(lab: Laboratory, runs: int, say: Say) -> tuple[list[Move], list[str]]:
    """Alternate between the two other sites; a move that fails is told and the next one is tried."""
    etcd = Etcd([f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES], call_deadline=timedelta(seconds=0.5))
    store = Store(etcd, controller="bench", clock=SystemClock())
    moves: list[Move] = []
    failed: list[str] = []
    try:
        for number in range(1, runs + 1):
            try:
                await await_calm(lab)
                await asyncio.sleep(AROUND.total_seconds())
                moves.append(await _switch_over(lab, store, number))
                say(f"switchover {number}/{runs}: to {moves[-1].target} in {moves[-1].ended - moves[-1].began:.2f} s")
            except LabError as error:
                failed.append(f"switchover {number}: {error}")
                say(failed[-1])
        await asyncio.sleep(AROUND.total_seconds())
    finally:
        await etcd.close()
    return moves, failed


async def _switch_over(lab: Laboratory, store: Store, number: int) -> Move:
    """Ask as an operator would and wait until the plan is done. Raises LabError when it is not in time."""
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer")
    source, before = control.posture.writer, int(control.posture.epoch)
    others = [site for site in SITES if site != source]
    target = others[number % len(others)]
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
    raise LabError(f"from {source} to {Site(target)} is not done after {DONE.total_seconds():.0f} s")


async def _pauses(lab: Laboratory, load: Offering, moves: Sequence[Move]) -> list[Pause]:
    entries, lines = await lab.witness.journal(), load.lines()
    return [
        Pause(
            source=move.source,
            target=move.target,
            longest_gap=longest_gap(lines, begin=move.began - AROUND.total_seconds(), end=move.ended + AROUND.total_seconds()),
            epoch_gap=epoch_gap(lines, move.epoch_before),
            spans=spans(failover_plan(entries, move.epoch_before, kind="switchover"), move.asked),
        )
        for move in moves
    ]


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
