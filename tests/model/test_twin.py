"""The model's database is the one in memory: random courses on both, every observable compared after every step."""

from collections import Counter

import pytest

from tests.model.courses import Course
from tests.model.pair import Different
from tests.model.safeguards import SOUND, Rules, without

COURSES = 400
NOTICED_WITHIN = 400

IN_ITS_DATABASE = (
    "clear_once",
    "drop_streams",
    "exact",
    "fence_earlier",
    "fence_writer",
    "markers",
    "pin_barrier",
    "pin_cut",
    "pin_guard",
    "pin_steps",
    "poll_rule",
    "synchronous",
    "token",
)
"""Safeguards that are a database's or a barrier's; the others lie in calls and plans, or in a payment held open (`drain`)."""

REFUSING = {"read", "place_slot", "follow", "open", "fence", "promise", "clear", "offer_seed", "mark_join", "set_ack_slots"}
ALWAYS = {"end_workers", "elect"}


def test_every_course_is_the_same_on_both() -> None:
    """Whatever order steps come in; and every step was carried out and refused."""
    done: Counter[tuple[str, bool]] = Counter()
    for seed in range(COURSES):
        done += _played(seed, SOUND)
    carried = {name for name, changed in done if changed}
    refused = {name for name, changed in done if not changed}
    assert carried == REFUSING | ALWAYS | {"stop_streams", "pay", "apply", "look", "in-cloud failover"}
    assert refused >= REFUSING | {"stop_streams", "pay"}


def _played(seed: int, rules: Rules) -> Counter[tuple[str, bool]]:
    try:
        return Course(seed, rules).run()
    except Different as different:
        raise Different(f"seed {seed}: {different}") from different


@pytest.mark.parametrize("safeguard", IN_ITS_DATABASE)
def test_a_twin_without_a_safeguard_is_noticed(safeguard: str) -> None:
    """Courses go where the two differ as soon as one of them lacks something that the protocol rests on."""
    rules = without(safeguard)
    for seed in range(NOTICED_WITHIN):
        try:
            Course(seed, rules).run()
        except Different:
            return
    pytest.fail(f"{NOTICED_WITHIN} courses do not notice that {safeguard} is missing")
