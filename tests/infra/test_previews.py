"""First previews: what is not there yet is not known, and what is known is what the update does."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.settings import Role
from infra.topology import Cloud
from tests.infra.recording import Recording, previewed, record, recorded, recorded_live
from tests.infra.stacks import ENVIRONMENTS

MOMENTS = [
    *((f"{environment}-{role}", False) for environment in ENVIRONMENTS for role in Role),
    *((f"{environment}-{role}", True) for environment in ENVIRONMENTS for role in (*Cloud, Role.CONTROL)),
]
"""Stack, and is it live?"""

each = pytest.mark.parametrize(("stack", "live"), MOMENTS)


def both(stack: str, *, live: bool) -> tuple[Recording, Recording]:
    """The preview, and the update after it."""
    return previewed(stack, live=live), recorded_live(stack) if live else recorded(stack)


def other(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Places at which a preview says something else than the update. What it does not know is nothing that it says."""
    if before == UNKNOWN:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from other(before.get(key), after.get(key), f"{place}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, two) in enumerate(zip(before, after, strict=True)):
            yield from other(one, two, f"{place}[{number}]")
    elif before != after:
        yield f"{place}: {before!r} and then {after!r}"


@each
def test_a_preview_shows_everything_that_the_update_makes(stack: str, live: bool) -> None:
    """Something that is registered only once a value is known is looked at by nobody before it is there."""
    before, after = both(stack, live=live)
    assert before.refused is None
    assert {one.urn for one in before.resources} == {one.urn for one in after.resources}


@each
def test_what_a_preview_says_the_update_does(stack: str, live: bool) -> None:
    """To every value, and to every option."""
    before, after = both(stack, live=live)
    made = {one.urn: one for one in after.resources}
    for one in before.resources:
        assert list(other(one.inputs, made[one.urn].inputs)) == [], one.urn
        assert (one.protect, one.ignore_changes, one.timeouts) == (
            made[one.urn].protect,
            made[one.urn].ignore_changes,
            made[one.urn].timeouts,
        )


@each
def test_nothing_that_a_cloud_makes_up_is_known_in_a_preview(stack: str, live: bool) -> None:
    """Or a rule, or a program, is tried with what it will never have."""
    before, _ = both(stack, live=live)
    assert [one.urn for one in before.resources if not one.outputs.keys() <= one.inputs.keys()] == []
    providers = {one.provider.rpartition("::")[2] for one in before.resources if one.custom and one.provider}
    assert providers == {UNKNOWN}


@pytest.mark.parametrize("stack", [f"prod-{cloud}" for cloud in Cloud])
def test_a_site_that_is_not_there_tells_nobody_its_address(stack: str) -> None:
    """Its id, its address, its key: all of it is made up by its cloud."""
    told = previewed(stack).outputs
    assert set(told) == set(recorded(stack).outputs)
    assert {key: told[key] for key in ("address", "network", "wrapping_key", "log")} == dict.fromkeys(
        ("address", "network", "wrapping_key", "log"), UNKNOWN
    )


WAITED = r"(prod-(?:aws|azure|gcp)) has published nothing: run `pulumi up --stack organization/trimaran/\1`"
"""Whichever site is asked about first: the answers of a backend come in any order."""


@pytest.mark.parametrize("stack", ["prod-interconnect", "prod-edge"])
def test_a_preview_before_the_sites_are_there_says_whom_it_waits_for(stack: str) -> None:
    """What another stack publishes is known or there is none: the engine asks the backend, and previews nothing of it."""
    with pytest.raises(AssertionError, match=WAITED):
        record(stack, preview=True, stacks={})
    assert {one.type for one in previewed(stack).read} == {"pulumi:pulumi:StackReference"}
