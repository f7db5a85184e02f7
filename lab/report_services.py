"""What a rehearsal's report says of each service, side by side. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lab.aftermath import Aftermath
from lab.fleet import PAYMENTS, VAULT
from lab.half_moved import HalfMoved, ServiceMove, half_moved
from lab.reconcile import Reconciliation
from lab.reconcile_vault import VaultReconciliation
from lab.reconcile_vault_rows import Harm
from lab.vault_aftermath import VaultAftermath

MOST = 100
"""Findings that are told."""


BESIDE = (
    "planted",
    "caught",
    "held",
    "unplanted",
    "approved",
    "from_tokens",
    "erasures",
    "refused",
    "refusable",
    "remembered",
    "unfulfilled",
    "strangers",
)
"""Counts of a reconciliation of payments that are about holding, tokens and erasures."""


def looked_at(found: Aftermath) -> dict[str, Any]:
    """Of which services a run shows nothing, and why."""
    return {"not_looked_at": dict(found.unproven)}


def told_unproven(said: Mapping[str, Any]) -> str:
    """Of a report: what its verdict is not about, in words; empty when it is about the whole fleet."""
    missing = said["not_looked_at"]
    return f"Not looked at: {', '.join(f'{service} ({why})' for service, why in missing.items())}." if missing else ""


def services(moves: Sequence[ServiceMove], site: str, payments: Reconciliation, vault: VaultAftermath | None) -> dict[str, Any]:
    """`services` by name, and `half_moved`. Their keys are read by other programs: none is renamed or removed. `site`: which failed."""
    told = {PAYMENTS: dict(_counts(payments, payments.denied))} | ({VAULT: vault_said(vault.reconciliation)} if vault else {})
    return {
        "services": {move.service: {**_moved(move), **told.get(move.service, {})} for move in moves},
        "half_moved": _half_moved(half_moved(moves, site)),
    }


def _moved(move: ServiceMove) -> dict[str, Any]:
    return {
        "writer_before": move.writer_before,
        "writer_after": move.writer_after,
        "epoch_before": move.epoch_before,
        "epoch_after": move.epoch_after,
        "first_ack_s": _rounded(move.first_acknowledged),
    }


def _half_moved(found: HalfMoved | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "first": found.first,
        "last": found.last,
        "from_s": _rounded(found.begin),
        "to_s": _rounded(found.end),
        "seconds": _rounded(found.seconds),
    }


def _counts(found: Reconciliation | VaultReconciliation, denied: int) -> Mapping[str, Any]:
    return {
        "attempted": found.attempted,
        "acknowledged": found.acknowledged,
        "declined": found.declined,
        "lost": found.lost,
        "duplicated": found.duplicated,
        "denied": denied,
        "unresolved": found.unresolved,
        "ledgers_equal": found.ledgers_equal,
    }


def payments_said(found: Reconciliation) -> dict[str, Any]:
    """What became of payments, and of what was asked of them beside paying."""
    return {
        **_counts(found, found.denied),
        **{name: getattr(found, name) for name in BESIDE},
        "balanced": found.balanced,
        "astray": found.astray,
        "unknown": list(found.unknown),
        "last_words": dict(found.last_words),
        "defects": list(found.defects),
    }


def vault_said(found: VaultReconciliation) -> dict[str, Any]:
    """What became of numbers, tokens, reveals and erasures."""
    others = (Harm.UNTRACED, Harm.REVIVED, Harm.UNERASED, Harm.UNWRAPPED, Harm.ORPHANED)
    return {
        **_counts(found, found.harms.get(Harm.DENIED, 0)),
        **{str(harm): found.harms.get(harm, 0) for harm in others},
        "tokens": found.tokens,
        "reveals": found.reveals,
        "erasures": found.erasures,
        "refused_after_erasure": found.refused,
        "ledgers": dict(found.digests),
        "findings": [asdict(finding) for finding in found.findings[:MOST]],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def told_half_moved(said: Mapping[str, Any]) -> str:
    """Of a report: how long part of the fleet had moved and part had not, in words; empty when nothing can be said."""
    found = said["half_moved"]
    if found is None:
        return ""
    first, last = found["first"], found["last"]
    if found["to_s"] is None:
        return f"The fleet stayed half moved: {first} from {found['from_s']:.2f} s on, {last} never."
    return f"The fleet was half moved for {found['seconds']:.2f} s: {first} first, {last} {found['to_s']:.2f} s after the fault."


def told_beside(said: Mapping[str, Any]) -> str:
    """Of a report: what payers had done beside paying, in words; empty when nothing was."""
    one = said["payments"]
    held = (
        f"of {one['planted']} that had to be held {one['caught']} were, {one['approved']} of them approved"
        if one["planted"]
        else ""
    )
    tokens = f"{one['from_tokens']} came from tokens, {one['erasures']} subjects were forgotten, {one['refused']} payments refused for it"
    return "; ".join(filter(None, (held, tokens if one["from_tokens"] else "")))


def told_vault(said: Mapping[str, Any]) -> str:
    """Of a report: what cardholders had done, in words; empty when none took part."""
    one = said["services"].get(VAULT)
    if one is None:
        return ""
    return (
        f"Cardholders had {one['tokens']} numbers kept, {one['reveals']} shown and {one['erasures']} subjects erased;"
        f" {one['refused_after_erasure']} reveals of what was erased were refused."
    )
