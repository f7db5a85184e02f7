"""What payers, reviewers and officers were told, one run's record by the keys of its wishes. Pure."""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lab.history import Word
from lab.record import (
    Acknowledged,
    Approved,
    Attempted,
    Declined,
    Defect,
    Failed,
    ForgetWanted,
    Forgotten,
    Held,
    Line,
    Offered,
    ReviewWanted,
    Unfulfilled,
)

NOBODY: Mapping[str, float] = {}
ERASED = "erased-source"
"""How payments refuses a token of somebody who was forgotten: the last part of its problem's type."""

SOON, ENOUGH = 1.0, 20
"""Seconds, and payments wanted after them: a load that was held up for a moment begins many at once, before it hears of an erasure."""


def digest_of(subject: str) -> str:
    """What a proof holds in place of the subject."""
    return hashlib.sha256(uuid.UUID(subject).bytes).hexdigest()


@dataclass(slots=True)
class Account:
    """One run's record."""

    leaving: dict[str, float]
    """By subject: when its erasure was first asked for, of anybody."""
    offered: dict[str, Offered] = field(default_factory=dict)
    told: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Ids of the payments that were acknowledged."""
    reigns: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Epochs in which these were said to have been made."""
    begun: dict[str, float] = field(default_factory=dict)
    """When the first request of each key was sent."""
    words: list[Word] = field(default_factory=list)
    """Every answer that counts."""
    declined: dict[str, Declined] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    reviews: set[str] = field(default_factory=set)
    """Keys of payments that a reviewer was asked to have made."""
    approved: dict[str, Approved] = field(default_factory=dict)
    forgets: dict[str, ForgetWanted] = field(default_factory=dict)
    forgotten: dict[str, Forgotten] = field(default_factory=dict)
    unfulfilled: dict[str, str] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)

    def heard(self, line: Acknowledged | Held) -> None:
        """One more answer that counts. Of a key that nobody is known to have asked for, nothing is known of when it was begun."""
        if (begun := self.begun.get(line.key)) is not None:
            self.words.append(Word(key=line.key, epoch=line.epoch, begun=begun, told=line.t))

    def was_to_forget(self, subject: str | None) -> bool:
        """Was payments ever asked to forget it?"""
        return any(wanted.subject == subject for wanted in self.forgets.values())

    def refused(self) -> set[str]:
        """Payments that were rightly turned away: their token's subject is erased, and somebody had asked for that by then."""
        found = set()
        for key, told in self.declined.items():
            wanted = self.offered.get(key)
            if wanted and wanted.subject and told.why == ERASED and self.leaving.get(wanted.subject, told.t) < told.t:
                found.add(key)
        return found - self.told.keys()

    def unresolved(self) -> set[str]:
        """Offered, and nobody was told what became of it; or approved, and the payer was never told that it is made."""
        settled = self.told.keys() | self.declined.keys() | (self.held.keys() - self.approved.keys())
        return self.offered.keys() - settled

    def paid_by_the_erased(self) -> Iterator[tuple[str, str]]:
        """Payments from a token that were only wanted when the erasure of its subject had been acknowledged. Of one that was wanted before,
        an earlier attempt may have made it, and every later answer only says so."""
        gone = {self.forgets[key].subject: told.t for key, told in self.forgotten.items() if key in self.forgets}
        for key in self.told:
            wanted = self.offered.get(key)
            if wanted and wanted.subject in gone and (late := wanted.t - gone[wanted.subject]) > 0:
                yield key, f"wanted from token {wanted.source} {late:.3f} s after its subject was forgotten, and made"

    def _is_refusable(self, forgotten: Forgotten) -> bool:
        """Were payments wanted for long enough after it? The next one but a planted one comes from a token of its subject."""
        return sum(wanted.t > forgotten.t + SOON for wanted in self.offered.values()) >= ENOUGH

    def counts(self) -> dict[str, int]:
        """What was asked for beside plain payments, and came true."""
        planted = {key for key, wanted in self.offered.items() if wanted.planted}
        return {
            "held": len(self.held.keys() - self.told.keys()),
            "planted": len(planted),
            "caught": len(planted & self.held.keys()),
            "unplanted": len(self.held.keys() - planted),
            "approved": len(self.approved),
            "from_tokens": sum(key in self.told for key, wanted in self.offered.items() if wanted.source),
            "erasures": len(self.forgotten),
            "refusable": sum(self._is_refusable(forgotten) for forgotten in self.forgotten.values()),
            "unfulfilled": len(self.unfulfilled.keys() - self.forgotten.keys() - self.approved.keys()),
        }


def read(lines: Iterable[Line], leaving: Mapping[str, float] = NOBODY) -> Account:
    """The record, in any order of runs. `leaving`: erasures that were asked for elsewhere, by subject."""
    account = Account(leaving=dict(leaving))
    for line in lines:
        match line:
            case Offered():
                account.offered[line.key] = line
            case Attempted():
                account.begun[line.key] = min(line.t, account.begun.get(line.key, line.t))
            case Acknowledged():
                account.told[line.key].add(line.payment)
                account.reigns[line.key].add(line.epoch)
                account.heard(line)
            case Declined():
                account.declined[line.key] = line
            case Held():
                account.held[line.key] = line
                account.heard(line)
            case Failed():
                account.failed[line.key] = line.why
            case ForgetWanted():
                account.forgets[line.key] = line
                account.leaving[line.subject] = min(line.t, account.leaving.get(line.subject, line.t))
            case Forgotten():
                account.forgotten[line.key] = line
            case ReviewWanted():
                account.reviews.add(line.key)
            case Approved():
                account.approved[line.key] = line
            case Unfulfilled():
                account.unfulfilled[line.key] = line.why
            case Defect():
                account.defects.append(line.what)
            case _:
                pass
    return account
