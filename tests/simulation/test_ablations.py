"""Every safeguard bears load: the same seed that is clean with it breaks the named promise without it."""

import pytest

from tests.simulation.ablations import ABLATIONS, Ablation
from tests.simulation.course import play

SHOWN = [row for row in ABLATIONS if row.seed is not None]


@pytest.mark.parametrize("row", SHOWN, ids=[row.safeguard for row in SHOWN])
def test_without_it_a_promise_breaks(row: Ablation) -> None:
    """The one that the safeguard keeps, before any other; with it, the very same seed breaks none."""
    assert row.seed is not None
    with row.apart():
        without = play(row.seed, setting=row.setting(taken=True))
    assert [breach.promise for breach in without.breaches[:1]] == [row.breaks]
    assert play(row.seed, setting=row.setting(taken=False)).breaches == ()
