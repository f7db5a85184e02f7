"""What stands that a person must know of: seen in what one controller knows, and journaled only when it is no blink."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.core.conditions import ENDS_AFTER, PAUSE_WARNING, Condition, Kind, Sight, conditions
from controller.core.messages import RANK, Severity
from controller.core.model import Health, Mode, Part, Pause
from controller.core.notices import Patience, news, noticed, watch
from controller.core.plans import Phase, PlanKind
from tests.unit.core.journals import stands
from tests.unit.core.worlds import (
    AWS,
    AZURE,
    DEAD,
    GCP,
    SITES,
    START,
    World,
    decided,
    everybody,
    follower,
    posture,
    under_way,
    writing,
)

SECOND = timedelta(seconds=1)


def seen(world: World, **changes: Any) -> dict[Kind, Condition]:
    """What holds in this world, by kind the worst."""
    sight = Sight(seen=world.seen(), decision=decided(world), living=frozenset(SITES), silent_members={})
    found = sorted(conditions(replace(sight, **changes)), key=lambda one: RANK[one.severity], reverse=True)
    return {one.kind: one for one in found}


def test_when_all_is_well_nothing_stands() -> None:
    """Nobody is told that all is well."""
    assert seen(World()) == {}


def test_what_the_vantages_agree_on_is_said_with_their_words() -> None:
    """The writer's database is critical, an edge an error, a follower's database a warning; one vantage's word is nothing."""
    failing = seen(DEAD)[Kind.FAILING]
    assert failing.severity is Severity.CRITICAL and "aws says failing" in failing.said
    words = everybody(GCP, Part.DATABASE)
    assert seen(World(words=words))[Kind.FAILING].severity is Severity.WARNING
    assert seen(World(words=everybody(GCP, Part.EDGE)))[Kind.FAILING].severity is Severity.ERROR
    assert Kind.FAILING not in seen(World(words={(AWS, GCP, Part.DATABASE): Health.FAILING}))


def test_unknown_is_not_healthy() -> None:
    """Two vantages agreed that azure fails, and one of them is gone: it begins nothing, and what stands goes on."""
    world = replace(DEAD, silent=frozenset({AZURE, GCP}))
    assert Kind.FAILING not in seen(world)
    assert seen(world, standing=frozenset({"failing:azure/database"}))[Kind.FAILING].about == "azure/database"
    assert Kind.FAILING not in seen(World(), standing=frozenset({"failing:azure/database"})), "healthy by agreement"


def test_what_is_held_names_the_guard_and_the_way_out() -> None:
    """The mode, a pause, members that cannot be read: each with the very command."""
    held = seen(replace(DEAD, posture=posture(mode=Mode.MANUAL)))[Kind.HELD]
    assert held.severity is Severity.CRITICAL and "mode holds: manual" in held.said
    assert held.command == 'trimaran failover --from azure --reason "..." --service payments'
    paused = posture(pause=Pause(by="kim", reason="storm", since=START))
    by_mode, held = held, seen(replace(DEAD, posture=paused))[Kind.HELD]
    assert held.key != by_mode.key, "another guard is other news"
    assert "paused by kim" in held.said and held.command.startswith("trimaran resume")
    both = replace(DEAD, words={**everybody(AZURE), **everybody(GCP)}, silent=frozenset())
    held = seen(both)[Kind.HELD]
    assert "--waive gcp" in held.command and "provable-durability holds" in held.said


def test_who_confirms_payments() -> None:
    """Nobody in the set, or nobody of it that is well: not acknowledged. One of two: the last. Not settled: one disk is the only proof."""
    assert seen(World(posture=posture(must_cut=frozenset({AZURE}))))[Kind.UNACKNOWLEDGED].severity is Severity.CRITICAL
    gone = {**everybody(AWS, Part.DATABASE), **everybody(GCP, Part.DATABASE)}
    assert Kind.UNACKNOWLEDGED in seen(World(words=gone))
    one = seen(World(posture=posture(must_cut=frozenset({GCP}))))
    assert "gcp alone confirms" in one[Kind.LAST_MEMBER].said and Kind.UNACKNOWLEDGED not in one
    unsettled = seen(World(posture=posture(must_cut=frozenset({AZURE, AWS, GCP}))))
    assert "azure's own disk is the only proof" in unsettled[Kind.SINGLE_COPY].said and Kind.LAST_MEMBER not in unsettled


def test_a_plan_is_stuck_in_one_phase_and_not_in_the_next() -> None:
    """Each phase counts anew, and a copy may take its time."""
    cut = seen(World(running=under_way(PlanKind.FAILOVER)))[Kind.STUCK]
    opening = seen(World(running=under_way(PlanKind.FAILOVER, phase=Phase.OPEN, winner=AWS)))[Kind.STUCK]
    assert cut.key != opening.key and cut.begins_after == timedelta(seconds=15)
    copying = seen(World(running=under_way(PlanKind.RETURN, phase=Phase.RESEED, seeded_before=0)))[Kind.STUCK]
    assert copying.begins_after == timedelta(minutes=30) and copying.severity is Severity.WARNING


def test_a_pause_that_ends_soon_is_said_once() -> None:
    """Ten minutes before; not earlier, not after it."""
    for left, said in ((PAUSE_WARNING + SECOND, False), (PAUSE_WARNING, True), (timedelta(), False)):
        pause = Pause(by="kim", reason="r", since=START, until=START + left)
        assert (Kind.PAUSE_ENDING in seen(World(posture=posture(pause=pause)))) is said
    assert Kind.PAUSE_ENDING not in seen(World(posture=posture(pause=Pause(by="kim", reason="r", since=START))))


def test_who_is_silent_and_what_fills_a_disk() -> None:
    """A controller without a session, a member of etcd that does not answer, a slot that holds back too much or has lost it."""
    assert "gcp's controller is silent" in seen(World(), living=frozenset({AWS, AZURE}))[Kind.CONTROLLER_SILENT].said
    member = seen(World(), silent_members={"https://etcd-gcp:2379": "no answer"})[Kind.ETCD_SILENT]
    assert "https://etcd-gcp:2379 does not answer azure" in member.said
    (slot, *rest) = writing().slots
    facts = {AWS: follower(AWS), GCP: follower(GCP)}
    full = {**facts, AZURE: writing(slots=(replace(slot, retained_bytes=2 << 30), *rest))}
    assert "holds back 2048 MiB" in seen(World(facts=full))[Kind.RETENTION].said
    lost = {**facts, AZURE: writing(slots=(replace(slot, lost=True), *rest))}
    assert seen(World(facts=lost))[Kind.RETENTION].severity is Severity.ERROR


def test_without_a_majority_nothing_is_said() -> None:
    """It could not be journaled, and what was read is of the past."""
    assert seen(replace(DEAD, majority=False)) == {}


FAILS = stands(Kind.FAILING, "azure/edge")


def test_a_blink_is_neither_begun_nor_ended() -> None:
    """It begins after it has held for its time without a gap, and ends after it has not held for a while without one."""
    patience, begun = Patience(), []
    for second, holds in enumerate([1, 1, 1, 0, 1, 1, 1, 1]):
        now, found = second * SECOND, (FAILS,) if holds else ()
        patience = watch(patience, found, (), now)
        begun.append(bool(news(patience, found, (), now).begun))
    assert begun == [False] * 7 + [True]
    patience, ended = Patience(), []
    for second, holds in enumerate([0, 0, 1, 0, 0, 0, 0, 0, 0]):
        now, found = second * SECOND, (FAILS,) if holds else ()
        patience = watch(patience, found, (FAILS.key,), now)
        ended.append(news(patience, found, (FAILS.key,), now).ended)
    assert ended == [()] * 8 + [(FAILS.key,)] and timedelta(seconds=5) == ENDS_AFTER


def test_what_stands_is_not_begun_again() -> None:
    """The journal says that it stands; only its end is news."""
    patience = watch(Patience(), (FAILS,), (FAILS.key,), timedelta())
    assert not news(patience, (FAILS,), (FAILS.key,), timedelta(hours=1))


def test_the_entry_says_everything_as_a_sentence() -> None:
    """Whoever reads the journal with nothing but `explain` reads it too."""
    patience = watch(Patience(), (FAILS,), ("held:x",), timedelta())
    found = news(patience, (FAILS,), ("held:x",), timedelta(seconds=6))
    body = noticed(found, {"held:x": "would move"})
    assert body["sentence"] == f"{FAILS.said}; no longer: would move"
