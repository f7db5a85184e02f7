"""What became of all payments of a bench: the records of every run on one lab, together against its ledgers. Pure.

A run's own record proves only its own payments. `no-loss` is about every later writer: a payment of run 1 that the failover of run 3
loses is on no later record, and only the union of the records can miss it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.reconcile import COURSE, Reconciliation
from lab.reconcile_rows import Fault

LOST = frozenset({Fault.LOST, Fault.ALTERED})
DUPLICATED = frozenset({Fault.DUPLICATED})
BACK = frozenset({Fault.REMEMBERED, Fault.DENIED})
"""Who was forgotten for ever, and what was never to be."""
UNBALANCED = frozenset({Fault.UNBALANCED})
ASTRAY = frozenset(COURSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the runs of a series came to together."""

    aborted: int = 0
    """Runs that ended before they could say anything."""
    unreconciled: int = 0
    """Runs whose records were never held against a ledger: nothing is known of their payments, and no count holds them."""
    broken: int = 0
    """Runs that broke a promise or were aborted."""
    attempted: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    revived: int = 0
    """Subjects that payments had forgotten and knows again, and payments that are there although they never were to be."""
    unbalanced: int = 0
    """Payments and accounts that do not add up."""
    astray: int = 0
    """Payments, accounts and epochs of which no one history is told by all."""


@dataclass(slots=True, kw_only=True)
class Reckoning:
    """The payments of one lab. Whatever was found missing or doubled once stays so, though a later look may not find it again."""

    attempted: int = 0
    acknowledged: int = 0
    unreconciled: int = 0
    found: dict[frozenset[Fault], set[str]] = field(
        default_factory=lambda: {LOST: set(), DUPLICATED: set(), BACK: set(), UNBALANCED: set(), ASTRAY: set()}
    )
    """Subjects of findings: idempotency keys, but for what does not add up."""

    def note(self, own: Reconciliation) -> None:
        """Keep what one run's own reconciliation found; its own verdict names it."""
        for faults, known in self.found.items():
            known.update(_subjects(own, faults))

    def settle(self, together: Reconciliation | None) -> tuple[str, ...]:
        """Take in the records of all runs so far, after one more; None when they could not be compared. Answers in words what is
        wrong and was not known before."""
        if together is None:
            self.unreconciled += 1
            return ("the records of this lab's runs could not be compared with its ledgers",)
        self.attempted, self.acknowledged, self.unreconciled = together.attempted, together.acknowledged, 0
        words = {
            LOST: "acknowledged payments are lost",
            DUPLICATED: "payments exist more than once",
            BACK: "payments and subjects are back or were never to be",
            UNBALANCED: "payments and accounts do not add up",
            ASTRAY: "payments, accounts and epochs have no one history",
        }
        fresh = {faults: _subjects(together, faults) - known for faults, known in self.found.items()}
        self.note(together)
        return tuple(
            f"{len(subjects)} {words[faults]}, of this or an earlier run: {_some(subjects)}"
            for faults, subjects in fresh.items()
            if subjects
        )


def tally(reckonings: Iterable[Reckoning], *, aborted: int, broken: int) -> Tally:
    """All labs of a series together."""
    each = list(reckonings)
    return Tally(
        aborted=aborted,
        broken=broken,
        unreconciled=sum(one.unreconciled for one in each),
        attempted=sum(one.attempted for one in each),
        acknowledged=sum(one.acknowledged for one in each),
        lost=sum(len(one.found[LOST]) for one in each),
        duplicated=sum(len(one.found[DUPLICATED]) for one in each),
        revived=sum(len(one.found[BACK]) for one in each),
        unbalanced=sum(len(one.found[UNBALANCED]) for one in each),
        astray=sum(len(one.found[ASTRAY]) for one in each),
    )


def _subjects(found: Reconciliation, faults: frozenset[Fault]) -> set[str]:
    return {finding.subject for finding in found.findings if finding.fault in faults}


def _some(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:5]) + (", ..." if len(keys) > 5 else "")
