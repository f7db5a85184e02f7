"""Tokens that the cardholders of a run were told, for its payers to pay from: read from their record as it grows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.vault_load_record import Erased, ErasureWanted, Tokenized, TokenWanted, read_line

KINDS = tuple(f'{{"kind":"{kind}"'.encode() for kind in ("token-wanted", "tokenized", "erasure-wanted", "erased"))
"""How lines begin that say anything about whose token is which; reading all of them would take as long as writing them did."""

AGAIN = 2
"""Of so many payments from tokens one comes from a token that was paid from before: those go on while the vault is away."""
ERASED_EVERY = 10
"""Of so many one comes from a token whose subject payments forgot, beside the one that is tried at once. It must be refused for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A token, and whose it is."""

    token: str
    subject: str
    debtor: str
    """Account that the subject pays with."""


@dataclass(slots=True)
class Purse:
    """What is known so far."""

    record: Path
    accounts: Sequence[str]
    """Each subject pays with one of them."""
    chance: random.Random
    _read_to: int = 0
    _picked: int = 0
    _subjects: dict[str, str] = field(default_factory=dict)
    """By key of a token's wish."""
    _erasures: dict[str, str] = field(default_factory=dict)
    """By key of an erasure's wish."""
    _new: list[Source] = field(default_factory=list)
    _known: list[Source] = field(default_factory=list)
    """Paid from before."""
    _gone: list[Source] = field(default_factory=list)
    """Of subjects that payments forgot."""
    _untried: list[Source] = field(default_factory=list)
    """One of each of those, which nobody has tried since."""
    _debtors: dict[str, str] = field(default_factory=dict)
    _leaving: set[str] = field(default_factory=set)
    _paying: dict[str, list[Source]] = field(default_factory=dict)
    """What was paid from, by subject."""
    _due: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Read on. A last line without its end is read the next time. Raises DamagedError."""
        try:
            with self.record.open("rb") as file:
                file.seek(self._read_to)
                fresh = file.read()
        except FileNotFoundError:
            return
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            if line.startswith(KINDS):
                self._take(line.decode())

    def pick(self) -> Source | None:
        """A token to pay from; None while there is none."""
        if self._untried:
            return self._untried.pop()
        self._picked += 1
        if self._gone and self._picked % ERASED_EVERY == 0:
            return self.chance.choice(self._gone)
        if self._known and (self._picked % AGAIN == 0 or not self._new):
            return self.chance.choice(self._known)
        if not self._new:
            return None
        source = self._new.pop(self.chance.randrange(len(self._new)))
        self._known.append(source)
        self._paying.setdefault(source.subject, []).append(source)
        return source

    def due(self) -> Sequence[str]:
        """Subjects that somebody paid from, and whose erasure the vault acknowledged since: payments has to forget them too. Each once."""
        found, self._due = self._due, []
        return found

    def forget(self, subject: str) -> None:
        """Payments told the proof."""
        sources = self._paying.get(subject, [])
        self._gone += sources
        self._untried += sources[:1]

    @property
    def is_urgent(self) -> bool:
        """Is the next pick a token that must be refused, and that nobody has tried since it must?"""
        return bool(self._untried)

    def _take(self, text: str) -> None:
        match line := read_line(text):
            case TokenWanted():
                self._subjects[line.key] = line.subject
            case Tokenized():
                subject = self._subjects.pop(line.key, None)
                if subject is not None and subject not in self._leaving:
                    self._new.append(Source(token=line.token, subject=subject, debtor=self._debtor(subject)))
            case ErasureWanted():
                self._erasures[line.key] = line.subject
                self._leaving.add(line.subject)
                self._new = [one for one in self._new if one.subject != line.subject]
                self._known = [one for one in self._known if one.subject != line.subject]
            case Erased():
                subject = self._erasures.get(line.key)
                if subject in self._paying and subject not in self._due:
                    self._due.append(subject)
            case _:
                pass

    def _debtor(self, subject: str) -> str:
        return self._debtors.setdefault(subject, self.accounts[len(self._debtors) % len(self.accounts)])
