"""Data keys in memory: few, not for long, opened once for everybody, and never after their erasure."""

import asyncio
from uuid import UUID

import pytest

from tests.unit.workload.vault.clouds_double import BLINK, SOON, Cloud, Tally, three
from workload.vault.clouds import Clouds
from workload.vault.errors import KeysOutOfReach
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.model import DataKey, LockedKey

pytestmark = pytest.mark.asyncio

AGE = 300.0


class Clock:
    """Monotonic seconds, moved by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stage:
    """A keyring over three clouds, with a clock and with entropy that never repeats."""

    def __init__(self, cached: int = 3) -> None:
        self.clouds: tuple[Cloud, ...] = three()
        self.clock = Clock()
        self.drawn = 0
        tuning = KeyTuning(
            cached_keys=cached, unwrap_deadline=SOON, key_deadline=SOON, hedge=BLINK, wrap_deadline=SOON, wrap_grace=SOON
        )
        assert tuning.cache_age.total_seconds() == AGE
        self.ring = Keyring(Clouds(self.clouds, Tally()), tuning=tuning, entropy=self.draw, monotonic=self.clock)

    def draw(self, length: int) -> bytes:
        """Bytes that were never drawn before."""
        self.drawn += 1
        return self.drawn.to_bytes(length, "big")

    async def made(self, number: int) -> LockedKey:
        """A key as the database would hold it."""
        _, locked = await self.ring.make(UUID(int=1000 + number), UUID(int=number))
        for cloud in self.clouds:
            cloud.asked.clear()  # whoever wraps also opens, once
        return locked

    @property
    def unwraps(self) -> int:
        """Calls that opened something."""
        return sum(cloud.asked.count("unwrap") for cloud in self.clouds)


async def test_a_new_key_is_kept_only_when_it_is_durable() -> None:
    """Made is not kept: a key whose wraps died with their writer must seal nothing."""
    stage = Stage()
    key, locked = await stage.ring.make(UUID(int=9), UUID(int=1))
    assert stage.ring.at_hand(UUID(int=1)) is None
    stage.ring.keep(key)
    assert stage.ring.at_hand(UUID(int=1)) == key == await stage.ring.open(locked)


async def test_every_key_is_another_one() -> None:
    """Each subject has randomness of its own."""
    stage = Stage()
    first, _ = await stage.ring.make(UUID(int=9), UUID(int=1))
    second, _ = await stage.ring.make(UUID(int=8), UUID(int=2))
    assert first.material != second.material and len(first.material) == 32


async def test_an_opened_key_is_opened_once() -> None:
    """Until it is too old."""
    stage = Stage()
    locked = await stage.made(1)
    key = await stage.ring.open(locked)
    assert stage.ring.at_hand(UUID(int=1)) == key and stage.unwraps == 1


async def test_many_who_need_one_key_ask_for_it_once() -> None:
    """Twenty reveals of one subject at once are one call."""
    stage = Stage()
    locked = await stage.made(1)
    keys = await asyncio.gather(*(stage.ring.open(locked) for _ in range(20)))
    assert stage.unwraps == 1 and len({key.material for key in keys}) == 1


async def test_a_failure_is_everybodys_and_no_answer_for_those_who_come_later() -> None:
    """One attempt, three refusals; the next caller causes a new one."""
    stage = Stage()
    locked = await stage.made(1)
    for cloud in stage.clouds:
        cloud.fails = lambda: RuntimeError("no")
    told = await asyncio.gather(*(stage.ring.open(locked) for _ in range(3)), return_exceptions=True)
    assert {type(one) for one in told} == {KeysOutOfReach} and stage.unwraps == 3
    for cloud in stage.clouds:
        cloud.fails = None
    assert (await stage.ring.open(locked)).id == locked.id


async def test_a_caller_that_hangs_up_ends_it_for_nobody_else() -> None:
    """The first one, whose request began the call, is gone; the second one gets the key."""
    stage = Stage()
    locked = await stage.made(1)
    first, second = (asyncio.create_task(stage.ring.open(locked)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).id == locked.id and stage.unwraps == 1


async def test_the_one_unused_longest_makes_room() -> None:
    """Never more than so many."""
    stage = Stage(cached=3)
    for number in (1, 2, 3):
        await stage.ring.open(await stage.made(number))
    assert stage.ring.at_hand(UUID(int=1)) is not None
    await stage.ring.open(await stage.made(4))
    assert stage.ring.cached == 3
    assert [stage.ring.at_hand(UUID(int=number)) is not None for number in (1, 2, 3, 4)] == [True, False, True, True]


async def test_use_does_not_keep_a_key_young() -> None:
    """The age counts from the opening: it bounds how long a key outlives its erasure elsewhere."""
    stage = Stage()
    await stage.ring.open(await stage.made(1))
    for _ in range(2):
        stage.clock.now += AGE / 2 - 1
        assert stage.ring.at_hand(UUID(int=1)) is not None
    stage.clock.now += 2
    assert stage.ring.at_hand(UUID(int=1)) is None


async def test_a_key_that_nobody_asks_for_goes_too() -> None:
    """By the sweep."""
    stage = Stage()
    await stage.ring.open(await stage.made(1))
    stage.clock.now += AGE
    assert stage.ring.cached == 1
    stage.ring.sweep()
    assert stage.ring.cached == 0


async def test_an_erased_key_is_gone_at_once() -> None:
    """And one that is just being opened does not come back."""
    stage = Stage()
    cached, opening = await stage.made(1), await stage.made(2)
    await stage.ring.open(cached)
    under_way = asyncio.create_task(stage.ring.open(opening))
    await asyncio.sleep(0)
    for locked in (cached, opening):
        stage.ring.forget(locked.subject)
    assert (await under_way).id == opening.id
    assert stage.ring.cached == 0


async def test_what_was_forgotten_is_not_remembered_for_ever() -> None:
    """Once no call of that time can be under way any more, the reminder goes; a process that erases for years does not grow."""
    stage = Stage()
    stage.ring.forget(UUID(int=1))
    stage.clock.now += AGE
    stage.ring.sweep()
    stage.ring.keep(DataKey(id=UUID(int=9), subject=UUID(int=1), material=bytes(32)))
    assert stage.ring.cached == 1


async def test_repairs_turn_nobody_out() -> None:
    """A key that is opened for a repair is not kept, and one that is at hand is not opened again."""
    stage = Stage()
    kept, passed = await stage.made(1), await stage.made(2)
    await stage.ring.open(kept)
    assert (await stage.ring.open_once(passed)).id == passed.id
    assert (await stage.ring.open_once(kept)).id == kept.id
    assert stage.ring.cached == 1 and stage.unwraps == 2
