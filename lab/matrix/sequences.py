"""Sequences of faults as data: what begins, after which entry of the journal what strikes, and which row of `docs/failure_modes.md` says
what must come of it. Pure.

Rules for changing this file: a round promises nothing that its row does not say, by the same test as the cells'.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from controller.actions import Patience
from lab.errors import LabError
from lab.faults import Fault
from lab.matrix.cells import WAITS, Outcome


class Begin(StrEnum):
    """How a round begins, in calm."""

    FAILOVER = "failover"
    """The writer's site is lost."""
    ORDERED_FAILOVER = "ordered failover"
    """The same, and an operator has a controller of his choice fail over; automation leaves that to people."""
    SWITCHOVER = "switchover"
    """An operator orders one that a controller of his choice carries out."""
    RETURN = "return"
    """The writer's site was lost and is back: its node is made a follower."""
    WRITER_AND_FOLLOWER = "writer and follower"
    """Two sites are lost at once."""
    BOTH_FOLLOWERS = "both followers"
    FLAPPING = "flapping"
    """The site that wrote first is cut off and healed, over and over."""
    CHASING = "chasing"
    """Whoever writes at that moment is."""


class Strike(StrEnum):
    """What happens next."""

    NOTHING = "nothing"
    OWNER = "the owner's controller dies"
    OLD_WRITER_BACK = "the old writer's site is back"
    WINNER = "the winner's site is lost"
    """Whom the journal names; before the election the first by name, who wins among equals."""
    OTHER = "the other survivor's site is lost"


class Back(StrEnum):
    """Which of two lost sites comes back first, seconds before the other."""

    FIRST = "who was lost first"
    SECOND = "who was lost second"


class Newer(StrEnum):
    """Which controllers run the next version."""

    NOBODY = "nobody"
    OWNER = "owner"
    OTHERS = "everybody but the owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An entry of a plan's journal."""

    kind: str = "claim"
    count: int = 1
    """The how many-th of its kind in the plan."""

    def __str__(self) -> str:
        return self.kind if self.count == 1 else f"{self.kind} {self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One course of events, from calm to calm."""

    name: str
    row: str
    """Anchor of the document's row that says what must come of it."""
    begin: Begin
    outcome: Outcome
    fault: Fault = Fault.CRASH
    """By which a site is lost first."""
    after: Mark | None = None
    """The entry after which something strikes; None: nothing does."""
    strike: Strike = Strike.NOTHING
    back: Back = Back.SECOND
    held_by: str = ""
    """Guard that holds meanwhile, and says so; empty: nothing is to be held."""
    newer: Newer = Newer.NOBODY
    target: int = 0
    """Which of the two other sites a switchover leads to."""
    pause: timedelta = WAITS
    """Longest time without any acknowledgement, beside what is held."""

    @property
    def lasting_steps(self) -> bool:
        """Must the plan still be under way when its owner is gone? Not after what may be its last step."""
        return self.after is not None and self.after.kind not in LAST


LAST = frozenset({"step.verify", "step.steer", "step.reseed"})

OFTEN = ("automatic_failovers = 1000",)
"""A line of the policy: a velocity guard at its default would stop the second failover of a sequence, as it should."""

HELD, UP = timedelta(seconds=6), timedelta(seconds=4)
"""How long two sites stay lost, and how long one of them is back before the other."""

FLAP, FLAPS = timedelta(seconds=3), 10
"""Cut off and healed for as long each: a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Rounds on one lab, one after the other."""

    name: str
    rounds: tuple[Round, ...]
    policy: tuple[str, ...] = OFTEN
    """Lines of the policy other than the default."""
    by_hand: bool = False
    """Is a failover left to people?"""


FAILOVER_STEPS = (
    Mark(),
    Mark(kind="step.cut"),
    *(Mark(kind=f"step.{one}") for one in ("attach", "open", "settle", "verify", "steer")),
)
SWITCHOVER_STEPS = (
    Mark(),
    Mark(kind="step.cut"),
    Mark(kind="step.catch_up"),
    Mark(kind="step.cut", count=2),
    *(Mark(kind=f"step.{one}") for one in ("attach", "open", "settle", "verify")),
)
"""The first cut of a switchover is the fence."""
RETURN_STEPS = (Mark(), *(Mark(kind=f"step.{one}") for one in ("fence", "export_tail", "reseed")))

IN_FAILOVER = (Mark(), Mark(kind="step.cut"), Mark(kind="elected"))


def _owner(begin: Begin, marks: Collection[Mark]) -> Sequence:
    rounds = (
        Round(name=f"after {mark}", row="owner-killed", begin=begin, outcome=Outcome.ENDED, after=mark, strike=Strike.OWNER)
        for mark in marks
    )
    return Sequence(name=f"owner-of-a-{begin}", rounds=tuple(rounds))


def _second_sites() -> Iterator[Round]:
    for who, strike in (("winner", Strike.WINNER), ("other", Strike.OTHER)):
        for mark in IN_FAILOVER:
            yield _second(f"{who} after {mark}", strike, mark, Back.SECOND)
    for mark in (Mark(), Mark(kind="elected")):
        one = _second(f"other after {mark}, old writer back", Strike.OTHER, mark, Back.FIRST)
        yield replace(one, row="last-sibling", pause=WAITS + Patience().attach_last)


def _second(name: str, strike: Strike, mark: Mark, back: Back) -> Round:
    return Round(
        name=name,
        row="second-site",
        begin=Begin.FAILOVER,
        outcome=Outcome.ENDED,
        fault=Fault.BLACKOUT,
        after=mark,
        strike=strike,
        back=back,
        held_by="quorum-or-hold",
    )


def _returns() -> Iterator[Round]:
    for mark in (Mark(), Mark(kind="step.cut"), Mark(kind="step.open")):
        yield Round(
            name=f"after {mark}",
            row="old-writer-in-the-middle",
            begin=Begin.FAILOVER,
            outcome=Outcome.MOVED,
            fault=Fault.PARTITION,
            after=mark,
            strike=Strike.OLD_WRITER_BACK,
        )


def _two_sites() -> Iterator[Round]:
    for name, begin, back, outcome in (
        ("follower back first", Begin.WRITER_AND_FOLLOWER, Back.SECOND, Outcome.MOVED),
        ("writer back first", Begin.WRITER_AND_FOLLOWER, Back.FIRST, Outcome.STAYED),
        ("both followers", Begin.BOTH_FOLLOWERS, Back.FIRST, Outcome.STAYED),
    ):
        row = "two-sites-without-the-writer" if outcome is Outcome.MOVED else "two-sites"
        yield Round(name=name, row=row, begin=begin, outcome=outcome, fault=Fault.BLACKOUT, back=back, held_by="quorum-or-hold")


def _flapping(name: str, begin: Begin, held_by: str) -> Sequence:
    row = "flapping" if begin is Begin.FLAPPING else "flapping-writer"
    one = Round(name=name, row=row, begin=begin, outcome=Outcome.MOVED, fault=Fault.PARTITION, held_by=held_by)
    return Sequence(name=name, rounds=(one,), policy=())


def _versions() -> Iterator[Round]:
    for begin in (Begin.ORDERED_FAILOVER, Begin.SWITCHOVER):
        for newer, said in (
            (Newer.OWNER, "the next version's plan is taken over"),
            (Newer.OTHERS, "the next version takes over"),
        ):
            yield Round(
                name=f"{begin}: {said}",
                row="two-versions",
                begin=begin,
                outcome=Outcome.ENDED,
                after=Mark(kind="step.cut"),
                strike=Strike.OWNER,
                newer=newer,
            )


def random_rounds(seed: int, count: int) -> tuple[Round, ...]:
    """So many failovers and switchovers, the same for the same seed."""
    chance = random.Random(f"matrix/{seed}")
    return tuple(_random_round(number, chance) for number in range(1, count + 1))


def _random_round(number: int, chance: random.Random) -> Round:
    fault, target = chance.choice((Fault.CRASH, Fault.FREEZE, Fault.PARTITION)), chance.randrange(2)
    begin = chance.choice((Begin.FAILOVER, Begin.SWITCHOVER))
    name = f"{number}: {f'{fault} of the writer' if begin is Begin.FAILOVER else 'switchover'}"
    return Round(name=name, row="many-moves", begin=begin, outcome=Outcome.MOVED, fault=fault, target=target)


def sequences(seed: int, count: int) -> tuple[Sequence, ...]:
    """All of them; `seed` and `count` are those of the random one."""
    return (
        Sequence(name="second-site", rounds=tuple(_second_sites())),
        Sequence(name="old-writer-returns", rounds=tuple(_returns())),
        Sequence(name="two-sites", rounds=tuple(_two_sites())),
        _owner(Begin.FAILOVER, FAILOVER_STEPS),
        _owner(Begin.SWITCHOVER, SWITCHOVER_STEPS),
        _owner(Begin.RETURN, RETURN_STEPS),
        _flapping("flapping", Begin.FLAPPING, ""),
        _flapping("flapping-writer", Begin.CHASING, "velocity"),
        Sequence(name="versions", rounds=tuple(_versions()), by_hand=True),
        Sequence(name="random", rounds=random_rounds(seed, count)),
    )


def select_sequences(names: Collection[str], known: Collection[Sequence]) -> tuple[Sequence, ...]:
    """Those of these names, in order; empty: all. Raises LabError for one that there is not."""
    if strange := sorted(set(names) - {one.name for one in known}):
        raise LabError(f"there is no sequence {', '.join(strange)}; there are {', '.join(one.name for one in known)}")
    return tuple(one for one in known if not names or one.name in names)
