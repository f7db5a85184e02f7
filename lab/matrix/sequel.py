"""Did a sequence come to what the document promises? Apart from acting, and pure: everything that was seen is passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from controller.core.plans import PlanKind
from lab.aftermath import Aftermath, broken_aftermath
from lab.matrix.cells import Outcome
from lab.matrix.judgement import Standing
from lab.matrix.sequences import Begin, Newer, Round, Strike
from lab.matrix.sequences import Sequence as Rounds
from lab.matrix.told import ToldPlan, Withheld, automatic, moves
from lab.report import TOO_LATE

MOST = 0.5
"""Part of the time in which nobody could be acknowledged that a pause must have lasted, for anything to have been held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSeen:
    """One round, played to its end."""

    before: Standing
    after: Standing | None
    """Once everything was healed; None: etcd did not answer."""
    struck: str
    """What struck whom and when, in words."""
    missed: str
    """Why the moment was not met, so that the round proves nothing; empty when it was."""
    plans: Sequence[ToldPlan]
    """Those that were claimed in the round, and ended in it or not."""
    withheld: Sequence[Withheld]
    guards: Sequence[str]
    """What refused a failover while two sites were lost, as the controller that was left says on being asked."""
    held: float
    """Seconds for which two sites, or one again and again, were lost."""
    hurt: bool
    """Was a plan still under way when its owner's controller was gone?"""
    newer_acted: Sequence[str]
    """Kinds of entries that a controller of the next version wrote."""
    older_acted: Sequence[str]
    """The same of this version's, in the plan that was hurt."""
    pause: float
    """Longest time without any acknowledgement, seconds."""
    pause_began: float
    """Seconds after the round's begin."""
    whole: float | None
    """Seconds until one writer reigned and every other site counted again; None: it never came to that."""
    troubles: Sequence[str] = ()
    """What the lab could not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSeen:
    """All rounds of one lab."""

    rounds: Sequence[RoundSeen]
    """Those that were played, in order: fewer than there are when one ended the course."""
    aftermath: Aftermath
    load_late: float
    tries: Sequence[tuple[Round, RoundSeen]] = ()
    """Rounds that were played again because their moment was not met, as often as that was so."""

    @property
    def busy(self) -> bool:
        """Was this machine too busy for times to mean anything?"""
        return self.load_late > TOO_LATE


def amiss_sequence(promised: Rounds, seen: SequenceSeen) -> tuple[str, ...]:
    """Everything in which the sequence differs from the document, in words; empty when it is as promised."""
    told = [
        f"{one.name}: {said}"
        for one, found in zip(promised.rounds, seen.rounds, strict=False)
        for said in amiss_round(one, found)
    ]
    left = [one.name for one in promised.rounds[len(seen.rounds) :]]
    unplayed = (f"not played: {', '.join(left)}",) if left else ()
    tried = [f"{one.name}, played again: {said}" for one, found in seen.tries for said in _amiss_anyway(one, found)]
    return (*told, *tried, *unplayed, *broken_aftermath(seen.aftermath))


def amiss_round(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    """The same of one round."""
    missed = (f"the moment was not met, and nothing is proven: {seen.missed}",) if seen.missed else ()
    differing = (*_differing(promised, seen), *_unheld(promised, seen), *_unhurt(promised, seen))
    return (*missed, *_lasting(promised, seen), *differing, *seen.troubles)


def _amiss_anyway(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    """What a round owes although its moment was not met. Were it forgotten with the try, a plan that hung would be played away."""
    unended = (f"{_ids(_unended(seen))} never ended",) if _unended(seen) else ()
    return (*_lasting(promised, seen), *unended, *seen.troubles)


def _lasting(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    """How long it took until payments were acknowledged, and all was whole."""
    longest = promised.pause.total_seconds() + seen.held
    rules = (
        (seen.whole is not None, "the service did not become whole again"),
        (
            seen.pause <= longest,
            f"no payment was acknowledged for {seen.pause:.1f} s from {seen.pause_began:.1f} s on, and at most {longest:g} s are"
            " promised",
        ),
    )
    return tuple(said for kept, said in rules if not kept)


def _differing(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    match promised.outcome:
        case Outcome.MOVED:
            return _not_moved(promised, seen)
        case Outcome.STAYED:
            moved = moves(seen.plans)
            stayed = seen.after in (seen.before, None) and not moved
            return () if stayed else (f"no reign was to change, and {_stands(seen.after)} ({_ids(moved)})",)
        case Outcome.ENDED:
            return _not_ended(promised, seen)
        case Outcome.HELD:
            return () if not automatic(seen.plans) else ("the writer was failed over by itself",)
        case _:
            assert_never(promised.outcome)


def _not_moved(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    found, after = moves(seen.plans), seen.after
    once = len(found) == 1 and after is not None and after.epoch == seen.before.epoch + 1 and after.writer != seen.before.writer
    rules = (
        (once, f"one move from {seen.before.writer} was promised, there were {len(found)} ({_ids(found)}), and {_stands(after)}"),
        (
            promised.begin is Begin.SWITCHOVER or len(automatic(found)) == len(found),
            f"{_ids(found)} was to be claimed by itself",
        ),
        (all(plan.ended is not None for plan in seen.plans), f"{_ids(_unended(seen))} never ended"),
    )
    return tuple(said for kept, said in rules if not kept)


def _not_ended(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    kind = {Begin.SWITCHOVER: PlanKind.SWITCHOVER, Begin.RETURN: PlanKind.RETURN}.get(promised.begin, PlanKind.FAILOVER)
    rules = (
        (any(plan.kind == kind for plan in seen.plans), f"no {kind} was claimed, so nothing is proven about one"),
        (not _unended(seen), f"{_ids(_unended(seen))} never ended"),
        (
            promised.begin is not Begin.SWITCHOVER or not automatic(seen.plans),
            "the writer was failed over, though only the plan's owner was hurt",
        ),
    )
    return tuple(said for kept, said in rules if not kept)


def _unheld(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    """What is to hold says so: to whoever asks a controller that is left, or in the journal."""
    if not promised.held_by:
        return ()
    said = {*seen.guards, *(guard for one in seen.withheld for guard in one.guards)}
    rules = (
        (
            promised.held_by in said,
            f"{promised.held_by} was to hold, and said to hold was {', '.join(sorted(said)) or 'nothing'}",
        ),
        (
            promised.begin is Begin.CHASING or seen.pause >= MOST * seen.held,
            f"payments went on but for {seen.pause:.1f} s of {seen.held:.1f} s: there was nothing to hold",
        ),
    )
    return tuple(said for kept, said in rules if not kept)


def _unhurt(promised: Round, seen: RoundSeen) -> tuple[str, ...]:
    """A plan whose owner was to die was under way then, and of two versions each did its part."""
    if promised.strike is not Strike.OWNER:
        return ()
    newer = promised.newer
    rules = (
        (seen.hurt or not promised.lasting_steps, "the plan had ended before its owner was gone, so nothing is proven about it"),
        (newer is not Newer.OWNER or "claim" in seen.newer_acted, "the next version claimed nothing"),
        (newer is not Newer.OTHERS or "takeover" in seen.newer_acted, "the next version took nothing over"),
        (newer is Newer.NOBODY or bool(seen.older_acted), "this version did nothing in the plan"),
    )
    return tuple(said for kept, said in rules if not kept)


def _unended(seen: RoundSeen) -> tuple[ToldPlan, ...]:
    return tuple(plan for plan in seen.plans if plan.ended is None)


def _ids(plans: Sequence[ToldPlan]) -> str:
    return ", ".join(plan.id for plan in plans) or "none"


def _stands(standing: Standing | None) -> str:
    return "nobody knows who writes" if standing is None else f"{standing.writer} writes in epoch {standing.epoch}"
