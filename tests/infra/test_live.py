"""Sites that serve, and nodes that run: the same stacks once secrets are filled and images are built."""

import pytest

from infra.settings import Role
from infra.topology import Cloud
from tests.infra.golden import counted, kept
from tests.infra.recording import recorded, recorded_live
from tests.infra.stacks import ENVIRONMENTS

each = pytest.mark.parametrize("stack", [f"{one}-{role}" for one in ENVIRONMENTS for role in (*Cloud, Role.CONTROL)])


@each
def test_everything_that_is_live_is_on_the_list(stack: str) -> None:
    """Whoever adds or removes something says so in the same change."""
    assert counted(recorded_live(stack)) == kept(f"{stack}-live")


@each
def test_going_live_takes_nothing_away_and_tells_others_nothing_new(stack: str) -> None:
    """Or whoever reads it would have to be applied again on the day on which a site begins to serve."""
    before, after = recorded(stack), recorded_live(stack)
    assert {one.urn for one in before.resources} < {one.urn for one in after.resources}
    assert before.outputs == after.outputs
