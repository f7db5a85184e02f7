"""The first preview of each real stack, in which nothing that a cloud makes up is known: what is said of it, and by whom."""

from collections.abc import Iterator

import pytest

from policies.check import configuration
from policies.controls import CONTROLS
from tests.policies.breaking import Break, InPreview, the_one, unknown
from tests.policies.breaks import BREAKS
from tests.policies.landed import PREVIEWED, Landed, usually
from tests.policies.wire import pack

ADVISORY = frozenset(control.id for control in CONTROLS if control.advisory)
TELLS, TRACES = "unknown-until-made", frozenset({"encryption-key-of-ours", "unknown-has-a-source"})
LIVE = frozenset(one.role for one in PREVIEWED if one.live)
WHOLE = tuple(one for one in PREVIEWED if one.stack.startswith("prod-") and one.live is (one.role in LIVE))
"""Each with the most that it ever has."""


def _rows(landed: Landed, how: InPreview) -> Iterator[Break]:
    told = landed.told()
    return (row for row in BREAKS[landed.role] if row.in_preview is how and not row.hand and the_one(told, row) is not None)


def _asked(how: InPreview) -> list[tuple[Landed, str]]:
    controls = {(one, row.control) for one in WHOLE for row in BREAKS[one.role] if row.in_preview is how and not row.hand}
    return sorted(controls, key=str)


def _id(one: object) -> str:
    return str(one)


@pytest.mark.parametrize("landed", PREVIEWED, ids=str)
def test_a_first_preview_passes_and_says_what_nobody_has_seen(landed: Landed) -> None:
    """What is said of it and not of what is made is that something is not known yet; on AWS that has the images in it."""
    assert usually(landed) - ADVISORY == frozenset()
    made = Landed(stack=landed.stack, live=landed.live)
    unseen = {TELLS, "image-digest"} if landed.role == "aws" else {TELLS}
    assert usually(landed) - usually(made) <= unseen
    assert TELLS not in usually(made)


@pytest.mark.parametrize("landed", WHOLE, ids=str)
def test_whoever_reads_a_preview_hears_that_some_of_it_is_not_known(landed: Landed) -> None:
    """Every stack has something that its cloud makes up and a rule asks about; the mesh has not."""
    assert (TELLS in usually(landed)) is (landed.role != "interconnect")


@pytest.mark.parametrize(("landed", "control"), _asked(InPreview.REFUSED), ids=_id)
def test_what_must_be_written_down_is_refused_when_it_is_not_known(landed: Landed, control: str) -> None:
    """In a preview in which much else is not known, and may be."""
    rows = [row for row in _rows(landed, InPreview.REFUSED) if row.control == control]
    assert rows
    for row in rows:
        assert control in landed.broken_by(unknown(landed.told(), row, sources=None)), row


@pytest.mark.parametrize(("landed", "control"), _asked(InPreview.TRACED), ids=_id)
def test_what_may_be_unknown_has_to_be_computed_from_something(landed: Landed, control: str) -> None:
    """As the program computes it, it passes; from nothing, or from something that nobody can see, it is refused."""
    rows = [row for row in _rows(landed, InPreview.TRACED) if row.control == control]
    assert rows
    for row in rows:
        told = landed.told()
        assert landed.broken_by(unknown(told, row, sources=())) & TRACES, row
        assert landed.broken_by(unknown(told, row, sources=("urn:pulumi:elsewhere",))) & TRACES, row


@pytest.mark.parametrize("landed", WHOLE, ids=str)
def test_the_policy_process_says_the_same_of_a_preview(landed: Landed) -> None:
    """It is told nothing of other stacks, which are read and not registered. No rule touches what it cannot know."""
    config = {**configuration(landed.stack), **{f"trimaran:{key}": value for key, value in landed.config.items()}}
    with pack(landed.stack, config) as process:
        heard = process.asked(landed.registered())
    assert {one.control for one in heard} == usually(landed)
    assert not [one for one in heard if one.mandatory or "can't run policy" in one.message]
