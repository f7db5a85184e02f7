"""As many seeds as three minutes allow, in two processes: no promise breaks, and every phase and every guard's answer is met."""

import os

import pytest

from tests.simulation.search import search, told

AT_LEAST = 300
WITHIN = float(os.environ.get("SIMULATE_SECONDS", "150"))


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_no_seed_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """And what was never reached is a failure of the search."""
    found = search(0, AT_LEAST, processes=2, within=WITHIN)
    with capsys.disabled():
        print(f"\n{found}")
    assert not found.broken, "\n\n".join(map(told, found.broken))
    assert not found.missing
