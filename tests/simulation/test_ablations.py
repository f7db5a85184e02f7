"""Every safeguard bears load: the same seed that is clean with it breaks the named promise without it."""

import re
from pathlib import Path

import pytest

from tests.simulation.ablations import ABLATIONS, Ablation
from tests.simulation.course import play

ROOT = Path(__file__).parents[2]
LONG = {"pause", "mode", "an opened epoch stays open", "a plan without a living owner is taken over"}
"""Whose courses take more than four seconds together."""
SHOWN = [
    pytest.param(row, id=row.safeguard, marks=[pytest.mark.long] if row.safeguard in LONG else [])
    for row in ABLATIONS
    if row.seed is not None
]


@pytest.mark.parametrize("row", SHOWN)
def test_without_it_a_promise_breaks(row: Ablation) -> None:
    """The one that the safeguard keeps, before any other; with it, the very same seed breaks none."""
    assert row.seed is not None
    with row.apart():
        without = play(row.seed, setting=row.setting(taken=True))
    assert [breach.promise for breach in without.breaches[:1]] == [row.breaks]
    with row.whole():
        assert play(row.seed, setting=row.setting(taken=False)).breaches == ()


def test_every_other_row_says_who_shows_it() -> None:
    """A seed, or a test that exists."""
    for row in (row for row in ABLATIONS if row.seed is None):
        file, _, name = row.shown_by.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), row.safeguard
