"""Sites that serve, and nodes that run: the same stacks once secrets are filled and images are built."""

import pytest

from infra.settings import Role
from infra.topology import Cloud
from tests.infra.golden import counted, kept
from tests.infra.recording import recorded, recorded_live
from tests.infra.stacks import ENVIRONMENTS

NEEDED_NOT = frozenset(
    {
        "aws:appautoscaling/policy:Policy",
        "aws:appautoscaling/target:Target",
        "aws:ec2/volumeAttachment:VolumeAttachment",
        "azure-native:authorization:RoleAssignment",
    }
)
"""What comes when a stack goes live and may go by a slip: without it what serves goes on serving. And none of it goes alone: an update that
would delete what is protected is ended before it begins."""
each = pytest.mark.parametrize("stack", [f"{one}-{role}" for one in ENVIRONMENTS for role in (*Cloud, Role.CONTROL)])


@each
def test_everything_that_is_live_is_on_the_list(stack: str) -> None:
    """Whoever adds or removes something says so in the same change."""
    assert counted(recorded_live(stack)) == kept(f"{stack}-live")


@each
def test_what_serves_is_not_taken_away_by_one_line_less(stack: str) -> None:
    """`live` is false where a stack's file does not say otherwise: every stack has something that ends such an update."""
    before, after = recorded(stack), recorded_live(stack)
    there = {one.urn for one in before.resources}
    came = [one for one in after.resources if one.custom and one.urn not in there]
    assert any(one.protect for one in came)
    assert {one.type for one in came if not one.protect} <= NEEDED_NOT


@each
def test_going_live_takes_nothing_away_and_tells_others_nothing_new(stack: str) -> None:
    """Or whoever reads it would have to be applied again on the day on which a site begins to serve."""
    before, after = recorded(stack), recorded_live(stack)
    assert {one.urn for one in before.resources} < {one.urn for one in after.resources}
    assert before.outputs == after.outputs
