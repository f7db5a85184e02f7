"""What the matrix came to, as plain values for report.json. Pure.

Rules for changing this file: keys are read by other programs; none is renamed or removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from lab.matrix.cells import Cell
from lab.matrix.judgement import Seen, Standing, amiss, answered_by
from lab.matrix.sequences import Sequence as Rounds

DOCUMENT = "docs/failure_modes.md"

AS_PROMISED, DIFFERS, NOT_PLAYED = "as promised", "differs", "could not be played"


def promised(cell: Cell) -> dict[str, Any]:
    """What is known of a cell before it is played."""
    return {
        "cell": cell.name,
        "fault": str(cell.fault),
        "victim": str(cell.victim),
        "scene": str(cell.scene),
        "promised": str(cell.promise.outcome),
        "row": f"{DOCUMENT}#{cell.promise.row}",
        "longest_pause_s": cell.promise.pause.total_seconds(),
    }


def unplayed(cell: Cell, why: str, took: float) -> dict[str, Any]:
    """A cell that could not be played counts as one that failed, and says why."""
    return {**promised(cell), "verdict": NOT_PLAYED, "wrong": [why], "took_s": round(took, 1)}


def played(cell: Cell, seen: Seen, took: float) -> dict[str, Any]:
    """A cell that was played to its end."""
    wrong, paid = amiss(cell, seen), seen.aftermath.reconciliation
    return {
        **promised(cell),
        "verdict": DIFFERS if wrong else AS_PROMISED,
        "wrong": list(wrong),
        "place": seen.place,
        "site": seen.site,
        "before": _standing(seen.before),
        "at_healing": _standing(seen.healing),
        "after": {"writer": seen.aftermath.writer_after, "epoch": seen.aftermath.epoch_after},
        "answered_by": answered_by(seen),
        "pause_s": seen.pause,
        "pause_began_s": seen.pause_began,
        "lasted_s": seen.lasted,
        "whole_s": seen.whole,
        "attempted": paid.attempted,
        "acknowledged": paid.acknowledged,
        "lost": paid.lost,
        "duplicated": paid.duplicated,
        "unresolved": paid.unresolved,
        "astray": paid.astray,
        "plans": [asdict(plan) for plan in seen.plans],
        "withheld": [asdict(one) for one in seen.withheld],
        "answers": {place: asdict(one) for place, one in seen.answers.items()},
        "failed_attempts": dict(seen.failures),
        "exits": list(seen.aftermath.exits),
        "load_late_s": seen.load_late,
        "machine_too_busy": seen.busy,
        "took_s": round(took, 1),
    }


def document(
    cells: Sequence[Cell],
    results: Mapping[str, Mapping[str, Any]],
    sequences: Sequence[Rounds] = (),
    courses: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The whole matrix, as far as it was played: `results` by the cell's name, `courses` by the sequence's."""
    own = [results[cell.name] for cell in cells if cell.name in results]
    told = [courses[one.name] for one in sequences if one.name in courses]
    counts = {verdict: sum(one["verdict"] == verdict for one in own) for verdict in (AS_PROMISED, DIFFERS, NOT_PLAYED)}
    return {
        "cells": len(cells),
        "played": len(own),
        "as_promised": counts[AS_PROMISED],
        "differs": counts[DIFFERS],
        "not_played": counts[NOT_PLAYED],
        "left": [cell.name for cell in cells if cell.name not in results],
        "acknowledged": sum(one.get("acknowledged", 0) for one in (*own, *told)),
        "lost": sum(one.get("lost", 0) for one in (*own, *told)),
        "results": own,
        "sequences": told,
        "sequences_left": [one.name for one in sequences if one.name not in courses],
    }


def _standing(standing: Standing | None) -> dict[str, Any] | None:
    return None if standing is None else {"writer": standing.writer, "epoch": standing.epoch}
