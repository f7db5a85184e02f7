"""The search finds what is planted, and one seed is one course, whatever order sets are iterated in."""

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.ablations import replaced
from tests.simulation.course import play
from tests.simulation.databases import FarWorld

ROOT = Path(__file__).parents[2]
SEEDS = ("2", "8", "31")


def _digests(hash_seed: str) -> list[str]:
    told = []
    for seed in SEEDS:
        command = [sys.executable, "-m", "tests.simulation", "--seed", seed]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        told.append(ran.stdout.splitlines()[0])
    return told


def test_a_seed_is_one_course_in_every_process() -> None:
    """Also where sets are iterated in another order: what is replayed is what was seen."""
    assert _digests("1") == _digests("2")


def test_a_lost_payment_is_found() -> None:
    """Acknowledged at once, payments are lost when their writer is; a few seeds are enough to meet it."""
    with replaced(FarWorld, "answer", lambda self, poll: poll.known):
        found = {breach.promise for seed in range(8) for breach in play(seed).breaches}
    assert found == {"no-loss"}
