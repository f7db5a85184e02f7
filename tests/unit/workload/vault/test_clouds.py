"""Key services: asked together to wrap and one after the other to unwrap, with none that makes the others wait."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from controller.providers.calls import Calls
from tests.unit.workload.vault.clouds_double import BLINK, SOON, Cloud, Tally, three
from workload.vault import sealing
from workload.vault.clouds import Clouds
from workload.vault.errors import (
    KeyLost,
    KeysOutOfReach,
    WrapBroken,
    WrapDenied,
    WrapForeign,
    WrapRefused,
    WrapUnavailable,
)
from workload.vault.model import LockedKey
from workload.vault.turns import MOST
from workload.vault.wrapping import Wrapped

pytestmark = pytest.mark.asyncio

KEY = bytes(range(32))
ID, SUBJECT = UUID(int=1), UUID(int=2)
CONTEXT = sealing.context(ID, SUBJECT)


async def lock(*clouds: Cloud) -> LockedKey:
    """The key, wrapped by these."""
    wraps = await Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=len(clouds), deadline=SOON, grace=SOON)
    for cloud in clouds:
        cloud.asked.clear()
    return LockedKey(id=ID, subject=SUBJECT, check=sealing.check(KEY, ID), wraps=wraps)


class Crowded(Cloud):
    """Takes as many calls at once as an adapter does."""

    inside, most = 0, 0

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            if self.inside > MOST:
                raise WrapUnavailable(f"not asked, {MOST} earlier calls still hang")
            await asyncio.sleep(0)
            return await super().wrap(key, context, deadline)
        finally:
            self.inside -= 1


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_every_cloud_wraps() -> None:
    """All three are asked at once, and all three answers are kept."""
    locked = await lock(*three())
    assert [wrap.cloud for wrap in locked.wraps] == ["aws", "azure", "gcp"]


@pytest.mark.parametrize("hanging", [0, 1, 2])
async def test_a_black_hole_costs_no_more_than_the_grace(hanging: int) -> None:
    """The other two suffice; whoever hangs is left behind, and its call is ended."""
    clouds = three()
    clouds[hanging].hangs = True
    wraps = await asyncio.wait_for(Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=2, deadline=SOON, grace=BLINK), 1)
    await settle()
    assert len(wraps) == 2
    assert clouds[hanging].ended == 1


async def test_fewer_wraps_than_the_minimum_are_none() -> None:
    """Two of three hang: the key is not used, within the deadline."""
    clouds = three()
    clouds[0].hangs = clouds[2].hangs = True
    with pytest.raises(KeysOutOfReach, match="1 of 3"):
        await asyncio.wait_for(Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=2, deadline=BLINK, grace=BLINK), 1)
    await settle()
    assert (clouds[0].ended, clouds[2].ended) == (1, 1)


async def test_nobody_waits_for_wraps_that_cannot_suffice() -> None:
    """Two clouds failed; the third may take its hour."""
    clouds = three()
    clouds[0].fails = clouds[2].fails = lambda: WrapUnavailable("cut off")
    clouds[1].hangs = True
    hour = timedelta(hours=1)
    with pytest.raises(KeysOutOfReach, match="0 of 3"):
        await asyncio.wait_for(Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=2, deadline=hour, grace=hour), 1)


async def test_more_keys_at_once_than_a_cloud_takes_calls_wait_their_turn() -> None:
    """An adapter refuses its seventeenth call: thirty new subjects in one moment would be told that no cloud is there."""
    clouds = tuple(Crowded(cloud.cloud) for cloud in three())
    asked = Clouds(clouds, Tally())
    wrapping = [asked.wrap(KEY, CONTEXT, minimum=3, deadline=SOON, grace=SOON) for _ in range(30)]
    assert [len(wraps) for wraps in await asyncio.gather(*wrapping)] == [3] * 30
    assert max(cloud.most for cloud in clouds) == MOST == Calls.LIMIT


@pytest.mark.parametrize("misleading", [0, 1, 2])
async def test_a_wrap_counts_only_once_it_was_seen_to_open(misleading: int) -> None:
    """One cloud wraps what opens nowhere: it is none of the two that must have it, and is kept by nobody."""
    clouds, tally = three(), Tally()
    clouds[misleading].misleads = True
    wraps = await Clouds(clouds, tally).wrap(KEY, CONTEXT, minimum=2, deadline=SOON, grace=SOON)
    await settle()
    assert {wrap.cloud for wrap in wraps} == {"aws", "azure", "gcp"} - {clouds[misleading].cloud}
    assert (clouds[misleading].cloud, "wrap", "WrapBroken") in tally.results


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cloud: setattr(cloud, "misleads", True),
        lambda cloud: setattr(cloud, "lies", True),
        lambda cloud: setattr(cloud, "refuses", lambda: WrapDenied("may encrypt, may not decrypt")),
        lambda cloud: setattr(cloud, "refuses", lambda: WrapUnavailable("gone in between")),
        lambda cloud: setattr(cloud, "refuses", lambda: RuntimeError("a defect")),
    ],
)
async def test_two_wraps_that_nobody_opens_found_no_key(spoil: Callable[[Cloud], None]) -> None:
    """A role that may encrypt and not decrypt, a service that answers nonsense: the key would pass for durable and be lost."""
    clouds = three()
    spoil(clouds[0])
    spoil(clouds[2])
    with pytest.raises(KeysOutOfReach, match="1 of 3"):
        await Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=2, deadline=SOON, grace=SOON)


async def test_what_just_one_cloud_cannot_open_is_left_to_a_repair() -> None:
    """Broken, or its key is disabled. Not what nobody looked at: there the wrap may be as good as ever."""
    clouds = three()
    locked = await lock(*clouds)
    asking = Clouds(clouds, Tally())
    for failure, is_suspect in ((WrapBroken, True), (WrapRefused, True), (WrapDenied, False), (WrapForeign, False)):
        clouds[0].refuses = lambda failure=failure: failure("no")
        assert await asking.unwrap(locked, deadline=SOON, hedge=SOON) == KEY
        assert asking.suspects.of(ID) == ({locked.wraps[0]} if is_suspect else set())
        asking.suspects.forget(ID)
    clouds[0].refuses = lambda: WrapUnavailable("cut off")
    assert await asking.unwrap(locked, deadline=SOON, hedge=SOON) == KEY
    assert asking.suspects.keys == ()


async def test_clouds_that_open_two_keys_of_one_name_are_an_alarm_and_no_repair() -> None:
    """One of them lies, or somebody has changed a row and the check beside it: which of the two is somebody's key, no process can tell.
    The wrap of the other one is not touched."""
    clouds, tally = three(), Tally()
    locked = await lock(*clouds)
    clouds[0].lies = True
    asking = Clouds(clouds, tally)
    assert await asking.unwrap(locked, deadline=SOON, hedge=SOON) == KEY
    assert tally.results.count(("", "broken", "clouds-differ")) == 1 and asking.suspects.keys == ()
    assert await asking.renew("aws", KEY, locked, SOON) is None
    assert tally.results.count(("", "broken", "clouds-differ")) == 2 and "wrap" not in clouds[0].asked
    clouds[0].lies = False
    assert await asking.renew("aws", KEY, locked, SOON) is not None


async def test_a_new_wrap_takes_the_place_of_one_only_when_it_opens() -> None:
    """In a rotation, key after key: what nobody tried would replace what works."""
    clouds = three()
    locked = await lock(*clouds)
    clouds[1].misleads = True
    assert await Clouds(clouds, Tally()).renew("azure", KEY, locked, SOON) is None


async def test_an_adapter_that_ignores_its_deadline_is_ended() -> None:
    """The deadline fires around it too."""
    clouds, tally = three(), Tally()
    clouds[1].hangs = True
    assert await Clouds(clouds, tally).current(BLINK) == {"aws": "v1", "gcp": "v1"}
    assert ("azure", "current", "WrapUnavailable") in tally.results


async def test_the_nearest_alone_is_asked_while_it_answers() -> None:
    """The others have their own cloud's work to do."""
    clouds = three()
    locked = await lock(*clouds)
    assert await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON) == KEY
    assert ["unwrap" in cloud.asked for cloud in clouds] == [True, False, False]


async def test_a_nearest_that_hangs_costs_the_hedge() -> None:
    """The next is asked beside it, answers, and ends the wait for both."""
    clouds = three()
    locked = await lock(*clouds)
    clouds[0].hangs = True
    assert await asyncio.wait_for(Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=BLINK), 1) == KEY
    await settle()
    assert clouds[0].ended == 1 and "unwrap" not in clouds[2].asked


@pytest.mark.parametrize("failure", [WrapUnavailable, WrapRefused, WrapBroken, RuntimeError])
async def test_a_nearest_that_fails_costs_nothing(failure: type[Exception]) -> None:
    """The next is asked at once, also after a defect of the adapter; the hedge is an hour."""
    clouds = three()
    locked = await lock(*clouds)
    clouds[0].fails = lambda: failure("no")
    opened = Clouds(clouds, Tally()).unwrap(locked, deadline=timedelta(hours=1), hedge=timedelta(hours=1))
    assert await asyncio.wait_for(opened, 1) == KEY


@pytest.mark.parametrize("alone", [0, 1, 2])
async def test_any_one_cloud_can_serve_when_the_others_are_gone(alone: int) -> None:
    """Two hang, one is left: the key opens."""
    clouds = three()
    locked = await lock(*clouds)
    for number, cloud in enumerate(clouds):
        cloud.hangs = number != alone
    assert await asyncio.wait_for(Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=BLINK), 1) == KEY


async def test_a_lie_is_not_taken_for_the_key() -> None:
    """32 bytes that are not the key would seal a number that nobody opens again: the next cloud is asked."""
    clouds, tally = three(), Tally()
    locked = await lock(*clouds)
    clouds[0].lies = True
    assert await Clouds(clouds, tally).unwrap(locked, deadline=SOON, hedge=SOON) == KEY
    await settle()
    assert ("aws", "unwrap", "WrapDiffers") in tally.results


async def test_a_key_that_everybody_refuses_is_lost() -> None:
    """Refused, broken and lied about: no cloud is left that could be asked again."""
    clouds = three()
    locked = await lock(*clouds)
    clouds[0].fails, clouds[1].lies = lambda: WrapRefused("destroyed"), True
    clouds[2].fails = lambda: WrapBroken("not mine")
    with pytest.raises(KeyLost, match="destroyed"):
        await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON)


async def test_a_key_is_not_lost_while_somebody_could_not_be_asked() -> None:
    """Could not ask is an error, not an answer."""
    clouds = three()
    locked = await lock(*clouds)
    clouds[0].fails = clouds[1].fails = lambda: WrapRefused("destroyed")
    clouds[2].fails = lambda: WrapUnavailable("cut off")
    with pytest.raises(KeysOutOfReach, match="cut off"):
        await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON)
    clouds[2].fails, clouds[2].hangs = None, True
    with pytest.raises(KeysOutOfReach):
        await asyncio.wait_for(Clouds(clouds, Tally()).unwrap(locked, deadline=BLINK, hedge=BLINK), 1)


async def test_a_key_is_not_lost_while_nobody_looked_at_a_wrap() -> None:
    """Credentials that expired everywhere, a key that was given another name in the settings, a cloud that the settings leave out."""
    clouds = three()
    locked = await lock(*clouds)
    for failure in (WrapDenied, WrapForeign):
        for cloud in clouds:
            cloud.refuses = lambda failure=failure: failure("not seen")
        with pytest.raises(KeysOutOfReach, match="not seen"):
            await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON)
    for cloud in clouds:
        cloud.refuses = lambda: WrapRefused("destroyed")
    with pytest.raises(KeysOutOfReach):
        await Clouds(clouds[:2], Tally()).unwrap(locked, deadline=SOON, hedge=SOON)
    with pytest.raises(KeyLost):
        await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON)


async def test_a_wrap_of_another_subject_opens_nothing() -> None:
    """A wrap that was copied to another row is broken in every cloud."""
    clouds = three()
    locked = await lock(*clouds)
    moved = LockedKey(id=ID, subject=UUID(int=9), check=locked.check, wraps=locked.wraps)
    with pytest.raises(KeyLost):
        await Clouds(clouds, Tally()).unwrap(moved, deadline=SOON, hedge=SOON)


async def test_a_caller_that_hangs_up_ends_its_calls() -> None:
    """Nobody waits for them any more."""
    clouds = three()
    for cloud in clouds:
        cloud.hangs = True
    task = asyncio.create_task(Clouds(clouds, Tally()).wrap(KEY, CONTEXT, minimum=2, deadline=SOON, grace=SOON))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert [cloud.ended for cloud in clouds] == [1, 1, 1]


async def test_words_that_are_not_ours_are_repeated_to_nobody() -> None:
    """A vendor's error may quote what it was sent."""
    clouds = three()
    locked = await lock(*clouds)
    for cloud in clouds:
        cloud.fails = lambda: RuntimeError(f"could not send {KEY.hex()}")
    with pytest.raises(KeysOutOfReach) as caught:
        await Clouds(clouds, Tally()).unwrap(locked, deadline=SOON, hedge=SOON)
    assert KEY.hex() not in str(caught.value) and "RuntimeError" in str(caught.value)
