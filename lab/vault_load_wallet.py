"""What the cardholders of one run hold: their numbers, the tokens they were told, who of them was erased. Pure."""

import hmac
import random
from collections import defaultdict
from dataclasses import dataclass, field

from lab.vault_load_schedule import card_number, named

CARDS = 20
"""Of one subject. Each new one has a data key made and wrapped by three emulated clouds and opened by three vaults, which is most of what
tokens cost this machine."""

IN_A_HURRY = 2
"""Of so many erasures one does not wait until every card of its subject was told, but comes beside the last of them. The vault has to take
one of the two first, and to stand by it: a token that its proof counts, or none."""

ASKED_AGAIN = 6
"""Of so many reveals one asks for a number of somebody who was erased, as soon as there is one. It must be refused for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A number to be kept."""

    key: str
    subject: str
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A token that was told."""

    token: str
    subject: str


class Wallet:
    """Answers what to ask for next, from what was told so far."""

    def __init__(self, run: str, seed: int, secret: bytes, cards: int = CARDS) -> None:
        """`secret`: key of the digests. `cards`: of one subject."""
        self._run, self._seed, self._secret, self._cards = run, seed, secret, cards
        self._chance = random.Random(f"{run}/{seed}/wallet")
        self._living: list[Held] = []
        self._erased: list[Held] = []
        self._by_subject: dict[str, list[Held]] = defaultdict(list)
        self._whole: list[str] = []
        self._leaving: set[str] = set()
        """Whose erasure was asked for beside their last card, or told."""

    def card(self, number: int) -> Card:
        """The card of this number of the run."""
        return Card(
            key=named(self._run, "token", number),
            subject=named(self._run, "subject", number // self._cards),
            digits=card_number(self._run, self._seed, number),
        )

    def digest(self, digits: str) -> str:
        """What the record holds in place of a number."""
        return hmac.digest(self._secret, digits.encode(), "sha256").hex()

    def keep(self, card: Card, token: str) -> None:
        """The token of a card was told. A subject all of whose cards were may be erased from now on."""
        held = Held(token=token, subject=card.subject)
        if card.subject in self._leaving:
            return
        self._living.append(held)
        tokens = self._by_subject[card.subject]
        tokens.append(held)
        if len(tokens) == self._cards:
            self._whole.append(card.subject)

    def erase(self, subject: str) -> None:
        """The proof of an erasure was told."""
        self._leaving.add(subject)
        self._living = [held for held in self._living if held.subject != subject]
        self._erased += self._by_subject.pop(subject, [])

    def to_reveal(self, number: int) -> Held | None:
        """A token for the reveal of this number; None while none was told."""
        held = self._erased if self._erased and number % ASKED_AGAIN == 0 else self._living
        return self._chance.choice(held) if held else None

    def leaves_with(self, number: int) -> str | None:
        """The subject of this card, when it is the last of it that is asked for and another was told: who may be erased beside it."""
        subject = self.card(number).subject
        if (number + 1) % self._cards or not self._by_subject.get(subject) or subject in self._leaving:
            return None
        self._leaving.add(subject)
        return subject

    def to_erase(self) -> str | None:
        """A subject of which no card is still to be kept, each once; None when there is none."""
        return self._whole.pop(0) if self._whole else None
