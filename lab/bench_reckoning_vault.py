"""What became of all tokens, proofs and reveals of a bench: the cardholders' records of every run on one lab, together against its
vaults. Pure. A token of run 1 that the failover of run 3 loses everywhere leaves three equal vaults, and is on no later record."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.reconcile_vault import LOSSES, VaultReconciliation
from lab.reconcile_vault_rows import Harm

GONE = frozenset({*LOSSES, Harm.UNTRACED})
TWICE = frozenset({Harm.DUPLICATED})
BACK = frozenset({Harm.REVIVED, Harm.UNERASED, Harm.DENIED})
"""What was to be gone for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTally:
    """What the cardholders of a series came to together."""

    vault_acknowledged: int = 0
    vault_lost: int = 0
    """Tokens, proofs and reveals that are not there, or not on the trail."""
    vault_duplicated: int = 0
    vault_revived: int = 0
    vault_unreconciled: int = 0
    """Runs whose records were never held against a vault."""


@dataclass(slots=True, kw_only=True)
class VaultReckoning:
    """The errands of one lab. Whatever was found wrong once stays so, though a later look may not find it again."""

    acknowledged: int = 0
    unreconciled: int = 0
    found: dict[frozenset[Harm], set[str]] = field(default_factory=lambda: {GONE: set(), TWICE: set(), BACK: set()})
    """Subjects of findings."""

    def note(self, own: VaultReconciliation) -> None:
        """Keep what one run's own reconciliation found; its own verdict names it."""
        for harms, known in self.found.items():
            known.update(_subjects(own, harms))

    def settle(self, together: VaultReconciliation | None) -> tuple[str, ...]:
        """Take in the records of all runs so far, after one more; None when they could not be compared. Answers in words what is wrong
        and was not known before."""
        if together is None:
            self.unreconciled += 1
            return ("the cardholders' records of this lab's runs could not be compared with its vaults",)
        self.acknowledged, self.unreconciled = together.acknowledged, 0
        words = {GONE: "are lost or untraced", TWICE: "exist more than once", BACK: "are back or were never to be"}
        fresh = {harms: _subjects(together, harms) - known for harms, known in self.found.items()}
        self.note(together)
        return tuple(
            f"vault: {len(subjects)} errands of this or an earlier run {words[harms]}: {', '.join(sorted(subjects)[:5])}"
            for harms, subjects in fresh.items()
            if subjects
        )


def vault_tally(reckonings: Iterable[VaultReckoning]) -> VaultTally:
    """All labs of a series together."""
    each = list(reckonings)
    return VaultTally(
        vault_acknowledged=sum(one.acknowledged for one in each),
        vault_lost=sum(len(one.found[GONE]) for one in each),
        vault_duplicated=sum(len(one.found[TWICE]) for one in each),
        vault_revived=sum(len(one.found[BACK]) for one in each),
        vault_unreconciled=sum(one.unreconciled for one in each),
    )


def _subjects(found: VaultReconciliation, harms: frozenset[Harm]) -> set[str]:
    return {finding.subject for finding in found.findings if finding.harm in harms}
