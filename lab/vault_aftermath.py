"""How the vault stands when a run is over, and the promises that every run with cardholders is judged by. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.reconcile_vault import VaultReconciliation
from lab.reconcile_vault_rows import Harm

SAID: dict[Harm, str] = {
    Harm.LOST: "acknowledged tokens or erasures are lost, or are not what was asked for",
    Harm.ALTERED: "numbers, tokens or proofs are not what was asked for",
    Harm.DUPLICATED: "tokens, data keys or proofs exist more than once",
    Harm.DENIED: "tokens exist although their clients were told that they do not",
    Harm.UNTRACED: "accesses to numbers are not in the audit trail",
    Harm.REVIVED: "numbers were given out or taken in after their subject's erasure was acknowledged",
    Harm.UNERASED: "erased data keys still have a wrap",
    Harm.UNWRAPPED: "data keys cannot be opened by every cloud",
    Harm.ORPHANED: "rows are of something that is not there",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultAftermath:
    """What was found after the cardholders' errands had ended."""

    reconciliation: VaultReconciliation
    writer_after: str | None
    """None: etcd did not answer."""
    epoch_after: int | None
    troubles: Sequence[str] = ()
    """What the lab could not do, end or read."""


def broken_vault(found: VaultAftermath) -> tuple[str, ...]:
    """Every promise that the vault did not keep, in words; empty when it kept all."""
    kept = found.reconciliation
    last_told = ", ".join(f"{count} x {why}" for why, count in list(kept.last_words.items())[:3]) or "unknown"
    rules = (
        *((not kept.harms.get(harm), f"{kept.harms.get(harm)} {said}") for harm, said in SAID.items()),
        (kept.declined == 0, f"{kept.declined} errands were declined, though nothing was wrong with them"),
        (kept.ledgers_equal, f"the sites differ: {dict(kept.digests)}"),
        (kept.tokens > 0, "no token was ever acknowledged, so nothing is proven"),
        (kept.reveals > 0, "no number was ever revealed, so nothing is proven"),
        (kept.unresolved == 0, f"{kept.unresolved} errands were still unresolved when the load ended; last told: {last_told}"),
        (not kept.defects, f"the generator did not do what it promises: {'; '.join(kept.defects)}"),
    )
    return tuple(f"vault: {said}" for held, said in (*rules, *((False, trouble) for trouble in found.troubles)) if not held)
