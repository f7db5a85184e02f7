"""Names and texts of all stacks are such as their vendors take, as far as `tests.engine.limits` knows."""

import pytest

from infra.settings import Role
from tests.engine.limits import LIMITS, SUFFIX, Limit, refused
from tests.infra.recording import Recording, recorded, recorded_live
from tests.infra.stacks import STACKS
from tests.policies.sdk import takes

LIVE = (Role.AWS, Role.AZURE, Role.GCP, Role.CONTROL)

each = pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.token.rpartition(':')[2]}-{limit.key}")


def played(stack: str) -> Recording:
    """With everything that it ever has."""
    return recorded_live(stack) if Role(stack.partition("-")[2]) in LIVE else recorded(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_every_vendor_takes_what_a_stack_calls_things(stack: str) -> None:
    """It is seen otherwise when half of a site has been made."""
    resources = played(stack).resources
    assert [(one.urn, *why) for one in resources for why in refused(one.type, one.name, one.inputs)] == []


@each
def test_what_a_row_says_is_refused_is_refused_and_nothing_else(limit: Limit) -> None:
    """Each text that breaks it, in its own property; a row that nothing breaks would be no row."""
    assert limit.breaks
    for text in limit.breaks:
        assert [key for key, _ in refused(limit.token, "name", {limit.key: text})] == [limit.key], text
    assert list(refused("aws:ec2/vpc:Vpc", "name", {limit.key: limit.breaks[0]})) == []


@each
def test_a_row_is_about_something_that_some_stack_has_and_its_sdk_knows(limit: Limit) -> None:
    """One with a typing error in it refuses nothing."""
    assert takes(limit.token, limit.key)
    told = [one for stack in STACKS if stack.startswith("prod") for one in played(stack).of_type(limit.token)]
    assert told and (limit.is_made_up or any(limit.key in one.inputs for one in told))


def test_a_name_of_the_engines_has_its_suffix() -> None:
    """A name of 55 letters is the longest that Google takes."""
    network = "gcp:compute/network:Network"
    assert list(refused(network, "n" * (63 - len(SUFFIX)), {})) == [] != list(refused(network, "n" * (64 - len(SUFFIX)), {}))
