"""What sequences came to, as plain values beside the cells' in report.json. Pure.

Rules for changing this file: keys are read by other programs; none is renamed or removed.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lab.matrix.judgement import Standing
from lab.matrix.report import AS_PROMISED, DIFFERS, DOCUMENT, NOT_PLAYED
from lab.matrix.sequel import RoundSeen, SequenceSeen, amiss_round, amiss_sequence
from lab.matrix.sequences import Round, Sequence


def promised_sequence(sequence: Sequence) -> dict[str, Any]:
    """What is known of a sequence before it is played."""
    return {
        "sequence": sequence.name,
        "policy": list(sequence.policy),
        "failovers_left_to_people": sequence.by_hand,
        "of": len(sequence.rounds),
    }


def unplayed_sequence(sequence: Sequence, why: str, took: float) -> dict[str, Any]:
    """One that could not be played counts as one that failed, and says why."""
    return {**promised_sequence(sequence), "verdict": NOT_PLAYED, "wrong": [why], "rounds": [], "took_s": round(took, 1)}


def played_sequence(sequence: Sequence, seen: SequenceSeen, took: float) -> dict[str, Any]:
    """One that was played, to its end or up to the round that ended it."""
    wrong, paid = amiss_sequence(sequence, seen), seen.aftermath.reconciliation
    return {
        **promised_sequence(sequence),
        "verdict": DIFFERS if wrong else AS_PROMISED,
        "wrong": list(wrong),
        "rounds": [_round(one, found) for one, found in zip(sequence.rounds, seen.rounds, strict=False)],
        "played_again": [one.name for one, _ in seen.tries],
        "attempted": paid.attempted,
        "acknowledged": paid.acknowledged,
        "lost": paid.lost,
        "duplicated": paid.duplicated,
        "unresolved": paid.unresolved,
        "astray": paid.astray,
        "exits": list(seen.aftermath.exits),
        "load_late_s": seen.load_late,
        "machine_too_busy": seen.busy,
        "took_s": round(took, 1),
    }


def _round(promised: Round, seen: RoundSeen) -> Mapping[str, Any]:
    return {
        "round": promised.name,
        "begin": str(promised.begin),
        "after": str(promised.after or ""),
        "strike": str(promised.strike),
        "promised": str(promised.outcome),
        "held_by": promised.held_by,
        "row": f"{DOCUMENT}#{promised.row}",
        "wrong": list(amiss_round(promised, seen)),
        "before": _standing(seen.before),
        "at_end": _standing(seen.after),
        "struck": seen.struck,
        "guards": list(seen.guards),
        "held_s": seen.held,
        "owner_was_at_work": seen.hurt,
        "newer_wrote": list(seen.newer_acted),
        "pause_s": seen.pause,
        "pause_began_s": seen.pause_began,
        "whole_s": seen.whole,
        "plans": [asdict(plan) for plan in seen.plans],
        "withheld": [asdict(one) for one in seen.withheld],
    }


def _standing(standing: Standing | None) -> Mapping[str, Any] | None:
    return None if standing is None else asdict(standing)
