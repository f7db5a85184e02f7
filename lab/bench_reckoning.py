"""What became of all payments of a bench: the records of every run on one lab, together against its ledgers. Pure.

A run's own record proves only its own payments. `no-loss` is about every later writer: a payment of run 1 that the failover of run 3
loses is on no later record, and only the union of the records can miss it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.reconcile import Fault, Reconciliation

LOST = frozenset({Fault.LOST, Fault.ALTERED})
DUPLICATED = frozenset({Fault.DUPLICATED})


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


@dataclass(slots=True, kw_only=True)
class Reckoning:
    """The payments of one lab. Whatever was found missing or doubled once stays so, though a later look may not find it again."""

    attempted: int = 0
    acknowledged: int = 0
    unreconciled: int = 0
    lost: set[str] = field(default_factory=set)
    """Idempotency keys."""
    duplicated: set[str] = field(default_factory=set)

    def note(self, own: Reconciliation) -> None:
        """Keep what one run's own reconciliation found; its own verdict names it."""
        self.lost |= _subjects(own, LOST)
        self.duplicated |= _subjects(own, DUPLICATED)

    def settle(self, together: Reconciliation | None) -> tuple[str, ...]:
        """Take in the records of all runs so far, after one more; None when they could not be compared. Answers in words what is
        wrong and was not known before."""
        if together is None:
            self.unreconciled += 1
            return ("the records of this lab's runs could not be compared with its ledgers",)
        self.attempted, self.acknowledged, self.unreconciled = together.attempted, together.acknowledged, 0
        lost, duplicated = _subjects(together, LOST) - self.lost, _subjects(together, DUPLICATED) - self.duplicated
        self.note(together)
        rules = (
            (not lost, f"{len(lost)} acknowledged payments are lost, of this or an earlier run: {_some(lost)}"),
            (not duplicated, f"{len(duplicated)} payments exist more than once, of this or an earlier run: {_some(duplicated)}"),
        )
        return tuple(said for kept, said in rules if not kept)


def tally(reckonings: Iterable[Reckoning], *, aborted: int, broken: int) -> Tally:
    """All labs of a series together."""
    each = list(reckonings)
    return Tally(
        aborted=aborted,
        broken=broken,
        unreconciled=sum(one.unreconciled for one in each),
        attempted=sum(one.attempted for one in each),
        acknowledged=sum(one.acknowledged for one in each),
        lost=sum(len(one.lost) for one in each),
        duplicated=sum(len(one.duplicated) for one in each),
    )


def _subjects(found: Reconciliation, faults: frozenset[Fault]) -> set[str]:
    return {finding.subject for finding in found.findings if finding.fault in faults}


def _some(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:5]) + (", ..." if len(keys) > 5 else "")
