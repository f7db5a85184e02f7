"""What every key service promises that wraps data keys: the one in memory and each cloud's adapter pass the same suite."""

import asyncio
import base64
import logging
import os
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.implementation import Implementation, Started, started
from tests.contract.pace import paced
from tests.contract.wrapping_worlds import FOREIGN, WRAPPING, World
from workload.vault.errors import Wrap, WrapBroken, WrapDenied, WrapRefused, WrapUnavailable
from workload.vault.wrapping import Wrapped, Wrapper

LONG, SHORT, LATE = timedelta(seconds=5), timedelta(milliseconds=600), timedelta(seconds=0.2)
SOON = 2.0
"""Seconds in which a thread ends whose connection was closed."""
CONTEXT = b"data key 7 of subject 42"
OTHERS = (b"data key 8 of subject 42", CONTEXT + b"1", CONTEXT[:-1], b"", CONTEXT.hex().encode())
STORM = 4
"""Requests."""

Call = Callable[[Wrapper, Wrapped, timedelta], Awaitable[object]]
CALLS: dict[str, Call] = {
    "wrap": lambda wrapper, wrapped, deadline: wrapper.wrap(b"k" * 32, CONTEXT, deadline),
    "unwrap": lambda wrapper, wrapped, deadline: wrapper.unwrap(wrapped, CONTEXT, deadline),
    "current": lambda wrapper, wrapped, deadline: wrapper.current(deadline),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """Emulated clouds, started when the first test asks for them."""
    with started(tmp_path_factory.mktemp("wrapping")) as made:
        yield made


@pytest.fixture(params=WRAPPING, ids=str)
async def world(request: pytest.FixtureRequest, shared: Started) -> AsyncIterator[World]:
    """Each implementation in turn, with a key that wraps."""
    implementation: Implementation[World] = request.param
    async with shared.world(implementation, request.node.originalname) as made:
        yield made


@pytest.fixture
def key() -> bytes:
    """A data key."""
    return os.urandom(32)


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> Call:
    """Each of the three calls in turn."""
    return CALLS[request.param]


async def test_what_one_wraps_another_unwraps(world: World, key: bytes) -> None:
    """Any process of any site, and as often as it likes; no two wraps of a key are alike."""
    first, second = [await world.wrapper.wrap(key, CONTEXT, LONG) for _ in range(2)]
    assert first.cloud == world.wrapper.cloud
    assert first.ciphertext != second.ciphertext
    assert key not in first.ciphertext
    for _ in range(2):
        assert await world.another().unwrap(first, CONTEXT, LONG) == key


async def test_a_wrap_names_what_wrapped_it(world: World, key: bytes) -> None:
    """As `current` tells it: rotation compares the two, and would otherwise wrap everything anew for ever, or never."""
    assert (await world.wrapper.wrap(key, CONTEXT, LONG)).kek == await world.another().current(LONG)


async def test_a_wrap_opens_in_its_own_context_only(world: World, key: bytes) -> None:
    """A row that was moved to another subject must not open there."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    for context in OTHERS:
        with pytest.raises(WrapBroken):
            await world.wrapper.unwrap(wrapped, context, LONG)
    assert await world.wrapper.unwrap(wrapped, CONTEXT, LONG) == key


async def test_a_changed_wrap_is_broken(world: World, key: bytes) -> None:
    """Wherever it was changed, cut off or made longer."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    sealed = wrapped.ciphertext
    flipped = [bytes([*sealed[:i], sealed[i] ^ 1, *sealed[i + 1 :]]) for i in (0, len(sealed) // 2, len(sealed) - 1)]
    for changed in (*flipped, sealed[:-1], sealed[:1], sealed + b"\0"):
        with pytest.raises(WrapBroken):
            await world.wrapper.unwrap(replace(wrapped, ciphertext=changed), CONTEXT, LONG)


async def test_a_wrap_of_another_cloud_is_broken_and_sent_nowhere(world: World, key: bytes) -> None:
    """Also when it says that it is of this one: what it names as its key is no address to show a token to."""
    own, sent = await world.wrapper.wrap(key, CONTEXT, LONG), await world.requests()
    foreign = [wrapped for wrapped in FOREIGN if wrapped.cloud != world.wrapper.cloud]
    disguised = [replace(one, cloud=own.cloud) for one in foreign] + [replace(own, cloud=one.cloud) for one in foreign]
    for wrapped in (*foreign, *disguised):
        with pytest.raises(WrapBroken):
            await world.wrapper.unwrap(wrapped, CONTEXT, LONG)
    assert await world.requests() == sent
    for wrapped in foreign:
        with pytest.raises(WrapBroken):
            await world.wrapper.unwrap(replace(own, ciphertext=wrapped.ciphertext), CONTEXT, LONG)


async def test_old_wraps_open_after_a_rotation_and_new_ones_are_told_apart(world: World, key: bytes) -> None:
    """So that each can be wrapped anew in its own time."""
    old, before = await world.wrapper.wrap(key, CONTEXT, LONG), await world.wrapper.current(LONG)
    await world.rotate()
    after = await world.wrapper.current(LONG)
    assert after != before
    assert await world.wrapper.unwrap(old, CONTEXT, LONG) == key
    new = await world.wrapper.wrap(key, CONTEXT, LONG)
    assert (old.kek, new.kek) == (before, after)
    assert await world.another().unwrap(new, CONTEXT, LONG) == key


async def test_a_disabled_key_is_refused_until_it_is_enabled(world: World, key: bytes, call: Call) -> None:
    """Refused, not unavailable: waiting does not help; and not denied: the key was looked at, and its wraps may be made anew. A wrap made
    with it meanwhile would be one that nobody can open."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    await world.disable()
    with pytest.raises(WrapRefused) as refused:
        await call(world.wrapper, wrapped, LONG)
    assert not isinstance(refused.value, WrapDenied)
    await world.enable()
    assert await world.wrapper.unwrap(wrapped, CONTEXT, LONG) == key


async def test_a_destroyed_key_is_refused(world: World, key: bytes, call: Call) -> None:
    """Also by a process that has used it a moment ago, and may remember its public part."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    await world.destroy()
    with pytest.raises(WrapRefused):
        await call(world.wrapper, wrapped, LONG)


async def test_missing_permission_is_refused(world: World, key: bytes, call: Call) -> None:
    """Of a process that had it and of one that never had, and no longer than it is missing."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    await world.deny()
    for wrapper in (world.wrapper, world.another()):
        with pytest.raises(WrapRefused):
            await call(wrapper, wrapped, LONG)
    await world.heal()
    await call(world.wrapper, wrapped, LONG)


async def test_a_storm_of_refusals_is_an_outage_and_passes(world: World, key: bytes, call: Call) -> None:
    """429 and 503. Nobody waits in here for better weather: whoever asks has two more clouds."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    await world.throttle(STORM)
    turned_away = 0
    while True:
        began = world.now()
        try:
            await call(world.wrapper, wrapped, LONG)
        except WrapUnavailable:
            turned_away += 1
            assert world.now() - began < LONG / 2
        else:
            break
    assert 1 <= turned_away <= STORM


async def test_a_lost_answer_is_an_outage_and_asking_again_helps(world: World, key: bytes, call: Call) -> None:
    """Nothing stands at the service that a second wrap would collide with."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    await world.lose_answer()
    with pytest.raises(WrapUnavailable):
        await call(world.wrapper, wrapped, LONG)
    await call(world.wrapper, wrapped, LONG)
    assert await world.wrapper.unwrap(wrapped, CONTEXT, LONG) == key


async def test_a_service_that_resets_or_lies_is_one_that_does_not_answer(world: World, key: bytes, call: Call) -> None:
    """A proxy's page with status 200 is no key and no wrap."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    for spoil in (world.reset, world.lie):
        await spoil()
        with pytest.raises(WrapUnavailable):
            await call(world.wrapper, wrapped, LONG)
        await world.heal()
    await call(world.wrapper, wrapped, LONG)


async def test_a_service_that_hangs_costs_the_deadline_and_leaves_no_thread(world: World, key: bytes, call: Call) -> None:
    """A reveal has a deadline of its own, and two clouds left to ask in it."""
    wrapped, before = await world.wrapper.wrap(key, CONTEXT, LONG), set(threading.enumerate())
    await world.hang()
    with paced(world.now) as pace, pytest.raises(WrapUnavailable):
        await call(world.wrapper, wrapped, SHORT)
    assert SHORT - timedelta(seconds=0.05) <= pace.took <= SHORT + LATE + pace.stalled
    async with asyncio.timeout(SOON):
        while left := set(threading.enumerate()) - before:
            assert all(thread.daemon for thread in left)
            await asyncio.sleep(0.02)
    await world.heal()
    assert await world.wrapper.unwrap(wrapped, CONTEXT, LONG) == key


async def test_a_deadline_that_is_over_asks_nobody(world: World, key: bytes, call: Call) -> None:
    """What a caller no longer waits for is not sent."""
    wrapped = await world.wrapper.wrap(key, CONTEXT, LONG)
    with pytest.raises(WrapUnavailable):
        await call(world.wrapper, wrapped, timedelta())


async def test_no_log_and_no_error_holds_the_key(world: World, key: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """At the most talkative level of every library, when all goes well and when nothing does."""
    with caplog.at_level(logging.DEBUG):
        told = [repr(wrapped := await world.wrapper.wrap(key, CONTEXT, LONG))]
        await world.wrapper.unwrap(wrapped, CONTEXT, LONG)
        for spoil in (world.lie, world.reset, world.deny, world.disable, world.destroy):
            await spoil()
            for attempt in (world.wrapper.wrap(key, CONTEXT, LONG), world.wrapper.unwrap(wrapped, CONTEXT, LONG)):
                try:
                    await attempt
                except Wrap as error:
                    told += traceback.format_exception(error)
            await world.heal()
        with pytest.raises(WrapBroken) as broken:
            await world.wrapper.unwrap(FOREIGN[0] if world.wrapper.cloud != "aws" else FOREIGN[1], CONTEXT, LONG)
        told += traceback.format_exception(broken.value)
    text = "\n".join([caplog.text, *told])
    spellings = (key.hex(), repr(key)[2:-1], base64.b64encode(key).decode()[:40], base64.urlsafe_b64encode(key).decode()[:40])
    assert not [spelling for spelling in spellings if spelling in text]
