"""Did a cell come to what the document promises? Apart from acting, and pure: everything that was seen is passed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from lab.aftermath import Aftermath, broken_aftermath
from lab.matrix.cells import Cell, Outcome, Scene
from lab.matrix.told import ToldPlan, Withheld, automatic, moves
from lab.reconcile_answers import Answers
from lab.report import LED_AWAY, TOO_LATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Who writes, by etcd, at one moment."""

    writer: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One cell, played to its end."""

    place: str
    """Where the fault struck: a site, or an authority."""
    site: str
    """The victim: the same, or the site of the authority's cloud."""
    before: Standing
    healing: Standing | None
    """Right before healing began; None: etcd did not answer."""
    aftermath: Aftermath
    plans: Sequence[ToldPlan]
    withheld: Sequence[Withheld]
    pause: float
    """Longest time without any acknowledgement from the fault to the end of the load, seconds."""
    pause_began: float
    """Seconds after the fault when it began."""
    lasted: float
    """Seconds from the fault to its healing."""
    whole: float | None
    """Seconds from the fault until one writer reigned and every other site counted; None: it never came to that."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """In an outage: what each authority told clients from the decision to drain the site until healing, by the authority's place."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failed attempts while the fault lasted, by site and reason; the most frequent."""
    load_late: float = 0.0
    """Largest delay of an offer, seconds: much of it, and the machine was too busy for a pause to mean much."""
    steered: bool = True
    """Was anything decided about traffic in an outage?"""

    @property
    def busy(self) -> bool:
        """Was this machine too busy for times to mean anything?"""
        return self.load_late > TOO_LATE


def amiss(cell: Cell, seen: Seen) -> tuple[str, ...]:
    """Everything in which the cell differs from the document, in words; empty when it is as promised."""
    promised = cell.promise
    rules = (
        (seen.whole is not None, "the service did not become whole again"),
        (
            seen.pause <= promised.pause.total_seconds(),
            f"no payment was acknowledged for {seen.pause:.1f} s from {seen.pause_began:.1f} s on,"
            f" and at most {promised.pause.total_seconds():g} s are promised",
        ),
    )
    general = tuple(said for kept, said in rules if not kept)
    return (*_differing(promised.outcome, seen), *general, *_unsteered(cell, seen), *broken_aftermath(seen.aftermath))


def _differing(promised: Outcome, seen: Seen) -> tuple[str, ...]:
    match promised:
        case Outcome.MOVED:
            return _not_moved(seen)
        case Outcome.STAYED:
            return _not_stayed(seen)
        case Outcome.ENDED:
            return _not_ended(seen)
        case Outcome.HELD:
            return _not_held(seen)
        case _:
            assert_never(promised)


def _not_moved(seen: Seen) -> tuple[str, ...]:
    before, healing = seen.before, seen.healing
    rules = (
        (
            healing is not None and healing.epoch == before.epoch + 1 and healing.writer != before.writer,
            f"one failover from {before.writer} was promised before the fault's end, and there {_stands(healing)}",
        ),
        (len(automatic(seen.plans)) == 1, f"{len(automatic(seen.plans))} automatic failovers were claimed, and one is promised"),
        (
            _afterwards(seen) in (healing, None),
            f"after the healing {_stands(_afterwards(seen))}, and nothing was to move any more",
        ),
    )
    return tuple(said for kept, said in rules if not kept)


def _not_stayed(seen: Seen) -> tuple[str, ...]:
    rules = (
        (seen.healing in (seen.before, None), f"no reign was to change, and at the fault's end {_stands(seen.healing)}"),
        (_afterwards(seen) in (seen.before, None), f"no reign was to change, and in the end {_stands(_afterwards(seen))}"),
        (not moves(seen.plans), f"{', '.join(plan.id for plan in moves(seen.plans))} was claimed"),
    )
    return tuple(said for kept, said in rules if not kept)


def _not_ended(seen: Seen) -> tuple[str, ...]:
    struck = next((plan for plan in seen.plans if plan.claimed < 0), None)
    if struck is None:
        return ("no plan was under way when the fault struck, so nothing is proven about one",)
    rules = (
        (struck.ended is not None, f"{struck.id} never ended"),
        (not automatic(seen.plans), "the writer was failed over, though only the plan's owner was hurt"),
    )
    return tuple(said for kept, said in rules if not kept)


def _not_held(seen: Seen) -> tuple[str, ...]:
    guards = sorted({guard for one in seen.withheld for guard in one.guards})
    rules = (
        (seen.healing in (seen.before, None), f"nothing was to move, and at the fault's end {_stands(seen.healing)}"),
        (not automatic(seen.plans), "the writer was failed over by itself"),
        (seen.pause >= seen.lasted / 2, f"payments went on but for {seen.pause:.1f} s: there was nothing to hold"),
        (bool(guards), "nothing was said to be held back, and no guard said why"),
    )
    return tuple(said for kept, said in rules if not kept)


def _unsteered(cell: Cell, seen: Seen) -> tuple[str, ...]:
    """In an outage the authorities that are well leave the dead site out, as soon as anybody says so. A machine that was too busy excuses
    all but all of them."""
    if cell.scene is not Scene.OUTAGE:
        return ()
    if not seen.steered:
        return (f"nobody decided to take {seen.site}'s traffic away",)
    well = {place: one.last_stale for place, one in seen.answers.items() if place != seen.place}
    late = {place: last for place, last in well.items() if last is not None and last > LED_AWAY}
    said = ", ".join(f"{place} still named {seen.site} {last:.1f} s after it was to be left out" for place, last in late.items())
    return (said,) if late and (not seen.busy or len(late) == len(well)) else ()


def _afterwards(seen: Seen) -> Standing | None:
    writer, epoch = seen.aftermath.writer_after, seen.aftermath.epoch_after
    return None if writer is None or epoch is None else Standing(writer=writer, epoch=epoch)


def _stands(standing: Standing | None) -> str:
    return "nobody knows who writes" if standing is None else f"{standing.writer} writes in epoch {standing.epoch}"


def answered_by(seen: Seen) -> str:
    """How the fault was answered, in one phrase: by whom, or what held it back."""
    if found := automatic(seen.plans):
        return f"automatic: {found[0].kind} claimed by {found[0].claimed_by} after {found[0].claimed:.1f} s"
    others = [plan for plan in seen.plans if plan.claimed >= 0]
    if seen.withheld and not others:
        first = seen.withheld[0]
        return f"held: {first.what}, by {', '.join(first.guards)}"
    if others:
        return f"automatic: {', '.join(dict.fromkeys(plan.kind for plan in others))}"
    return "nothing to do"
