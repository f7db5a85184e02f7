"""The model knows every step, phase and call of the product: a new one fails here until the model has it, or says why not."""

import inspect
from typing import get_args

from controller.core.phases import TRANSITIONS
from controller.core.plans import Phase, PlanKind
from controller.core.steps import Step
from controller.ports import Database
from tests.model.calls import CALLS, NOT_MODELLED
from tests.model.scenarios import NO_DATA, SMALL


def test_every_step_of_the_product_is_modelled_or_left_out_by_name() -> None:
    """Both lists are the same, and none is in both."""
    assert set(get_args(Step)) == CALLS.keys() | NOT_MODELLED.keys()
    assert not CALLS.keys() & NOT_MODELLED.keys()
    assert all(NOT_MODELLED.values())


def test_every_call_that_presents_a_token_belongs_to_a_step_of_the_model() -> None:
    """The port's calls that change a node are those of the model, by name."""
    changing = {
        name for name, call in inspect.getmembers(Database, inspect.isfunction) if "token" in inspect.signature(call).parameters
    }
    assert changing == {name for names in CALLS.values() for name in names}


def test_every_kind_of_plan_is_claimed_in_some_search_or_moves_no_data() -> None:
    """A new kind has to be put into a scenario."""
    claimed = {kind for scenario in SMALL.values() for kind in scenario.kinds}
    assert claimed | NO_DATA == set(PlanKind)
    assert not claimed & NO_DATA


def modelled_phases() -> set[tuple[PlanKind, Phase]]:
    """What plans of the model may be in: every phase of their kinds but those that wait for authorities."""
    return {
        (kind, phase)
        for kind, rows in TRANSITIONS.items()
        for phase, _ in rows
        if kind not in NO_DATA and phase is not Phase.STEER
    }
