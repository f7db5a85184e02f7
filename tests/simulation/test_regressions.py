"""Courses in which the search once found something, by the faults that made them; and a few seeds for every change."""

from controller.core import stalls
from controller.core.circumstances import Circumstances
from controller.core.model import Site
from controller.core.plans import Plan
from tests.simulation.ablations import OFTEN, replaced
from tests.simulation.course import Setting, play
from tests.simulation.faults import Fault
from tests.simulation.search import told
from tests.simulation.watch import Line

FEW = range(1000, 1008)
"""Others than those of `test_seeds`."""


def test_a_few_seeds_break_no_promise() -> None:
    """The long search goes on where this one ends."""
    broken = [outcome for outcome in map(play, FEW) if outcome.breaches]
    assert not broken, "\n\n".join(map(told, broken))


UNCUTTABLE = (
    Fault(at=3.9, lasts=0.1, kind="in-cloud failover", victim="gcp", other="gcp", amount=0.5),
    Fault(at=4.0, lasts=18.0, kind="database dies", victim="azure", other="azure", amount=0.5),
)
"""gcp has to be cut, and refuses: it is on another timeline. Only a person may leave it out, or azure come back."""


def _takeovers() -> int:
    """How often a plan changed hands until azure came back and could say what it has."""
    lines: list[Line] = []
    assert play(22, lines.append, Setting(faults=UNCUTTABLE, policy=OFTEN)).breaches == ()
    return sum(kind == "journal" and " takeover: " in said for _, kind, said in lines)


def _whoever_answers(site: Site, plan: Plan, now: Circumstances) -> bool:
    return now.facts(site) is not None


def test_a_plan_that_waits_for_a_person_is_not_passed_round() -> None:
    """Three controllers took it from each other as soon as each had been patient, for ever (found by seed 22)."""
    assert _takeovers() == 0
    with replaced(stalls, "_moves", _whoever_answers):
        assert _takeovers() == 3
