"""Repairs: what is missing or old is wrapped anew, beside the writer only, and nothing twice."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.unit.workload.vault.clouds_double import BLINK, SOON, Cloud, Tally, three
from tests.unit.workload.vault.desk import PINS, READ, Desk, Row
from workload.durable.errors import OutcomeUnknown
from workload.durable.finder import Writer
from workload.vault import store
from workload.vault.clouds import Clouds
from workload.vault.errors import WrapBroken, WrapDenied, WrapUnavailable
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.model import LockedKey
from workload.vault.repair import SUSPECTS, Repairs
from workload.vault.wrapping import Wrapped

pytestmark = pytest.mark.asyncio


class Stage:
    """A database of data keys, three clouds, and the repairs of the process beside the writer."""

    def __init__(self, window: int = 10) -> None:
        self.clouds: tuple[Cloud, ...] = three()
        self.tally = Tally()
        self.keys: dict[UUID, LockedKey] = {}
        self.erased: set[UUID] = set()
        self.pauses = 0
        self.drawn = 0
        self.on_pause: Callable[[], None] = lambda: None
        replies = {store.SURVEY: self.survey, store.LOCKED_KEY: self.locked_key, store.ADD_WRAP: self.add_wrap}
        self.desk = Desk(replies)
        tuning = KeyTuning(
            survey_window=window,
            wrap_deadline=SOON,
            wrap_grace=BLINK,
            unwrap_deadline=SOON,
            key_deadline=SOON,
            minimum_wraps=1,
            current_age=BLINK / 1e3,
        )
        clouds = Clouds(self.clouds, self.tally)
        self.ring = Keyring(clouds, tuning=tuning, entropy=self.entropy, monotonic=lambda: 0.0)
        self.asking, self.tuning = clouds, tuning
        self.repairs = self.made(site="azure")

    def made(self, site: str) -> Repairs:
        """The repairs of the process at this site; azure writes."""
        return Repairs(
            answers=self.desk.answers(),
            compass=self.desk,
            site=site,
            clouds=self.asking,
            keyring=self.ring,
            tuning=self.tuning,
            meter=self.tally,
            pause=self.pause,
        )

    def entropy(self, length: int) -> bytes:
        """Never the same twice."""
        self.drawn += 1
        return self.drawn.to_bytes(length, "big")

    async def pause(self, delay: float) -> None:
        """Counted, not waited. The clock moves a little all the same."""
        self.pauses += 1
        self.on_pause()
        await asyncio.sleep(0)

    async def found(self, count: int = 1) -> list[UUID]:
        """Keys that every cloud which answers has wrapped."""
        ids = [UUID(int=len(self.keys) + number) for number in range(1, count + 1)]
        for id in ids:
            _, self.keys[id] = await self.ring.make(id, UUID(int=1000 + id.int))
        return ids

    def wraps(self, id: UUID) -> dict[str, str]:
        """Key-encryption key by cloud."""
        return {wrap.cloud: wrap.kek for wrap in self.keys[id].wraps}

    def survey(self, after: UUID, most: int, clouds: Sequence[str], keks: Sequence[str]) -> Row:
        """As the database looks through a window."""
        window = sorted(id for id in self.keys if id > after)[:most]
        wanted = set(zip(clouds, keks, strict=True))
        living = [id for id in window if id not in self.erased]
        flawed = [id for id in living if wanted - set(self.wraps(id).items())]
        held = Counter(wrap for id in living for wrap in self.wraps(id).items())
        counts = [*(zip(*((*wrap, count) for wrap, count in held.items()), strict=True) if held else ([], [], []))]
        return (*READ, window[-1] if window else None, flawed, len(living), *counts)

    def locked_key(self, subject: UUID | None, id: UUID) -> Row:
        """One key with its wraps."""
        locked = self.keys[id]
        parts = zip(*((wrap.cloud, wrap.kek, wrap.ciphertext) for wrap in locked.wraps), strict=True)
        return (*READ, id, locked.subject, locked.check, id in self.erased, *parts)

    def add_wrap(self, id: UUID, cloud: str, kek: str, ciphertext: bytes, old: bytes | None) -> Row:
        """Refuses what was erased, and what is not what was read."""
        if id in self.erased:
            return (*PINS, "erased")
        locked = self.keys[id]
        if old != next((wrap.ciphertext for wrap in locked.wraps if wrap.cloud == cloud), None):
            return (*PINS, "replaced")
        wraps = (*(wrap for wrap in locked.wraps if wrap.cloud != cloud), Wrapped(cloud=cloud, kek=kek, ciphertext=ciphertext))
        self.keys[id] = LockedKey(id=id, subject=locked.subject, check=locked.check, wraps=wraps)
        return (*PINS, "founded")

    @property
    def added(self) -> int:
        """Wraps written by repairs."""
        return self.desk.asked.count(store.ADD_WRAP)


@pytest.mark.parametrize("failure", [WrapUnavailable, WrapDenied, RuntimeError])
async def test_a_wrap_that_nobody_looked_at_is_not_replaced(failure: type[Exception]) -> None:
    """1. Its cloud is asked too much for a moment, just when its key was rotated. 2. It may open to another key, which is the only way to
    the old numbers. 3. Replaced unseen, they would be gone. The next round looks again.
    The first refusal meets the opening of the key for the repair."""
    stage = Stage()
    (id,) = await stage.found()
    stage.clouds[0].kek, refusals = "v2", [failure("not now"), failure("not now")]
    stage.clouds[0].refuses_once = refusals
    await stage.repairs.look_through()
    assert (stage.wraps(id)["aws"], refusals, ("aws", "repair", "not wrapped") in stage.tally.results) == ("v1", [], True)
    for _ in range(2):
        await stage.repairs.look_through()
    assert stage.wraps(id)["aws"] == "v2"


async def test_suspects_do_not_hold_up_the_round() -> None:
    """A cloud that opens nothing any more fills the memory of them: so many before each window, not all."""
    stage = Stage()
    await stage.found(SUSPECTS + 5)
    for id, locked in stage.keys.items():
        stage.asking.suspects.add(id, locked.wraps[0])
    await stage.repairs.look_through()
    assert len(stage.asking.suspects.keys) == 5


async def test_a_missing_wrap_is_added_when_its_cloud_is_back() -> None:
    """Not before, and once."""
    stage = Stage()
    stage.clouds[2].fails = lambda: RuntimeError("gone")
    (id,) = await stage.found()
    await stage.repairs.look_through()
    assert stage.wraps(id) == {"aws": "v1", "azure": "v1"}
    stage.clouds[2].fails = None
    for _ in range(3):
        await asyncio.sleep(0)
        await stage.repairs.look_through()
    assert stage.wraps(id) == {"aws": "v1", "azure": "v1", "gcp": "v1"} and stage.added == 1


async def test_an_added_wrap_opens_the_same_key() -> None:
    """With the other two clouds gone."""
    stage = Stage()
    stage.clouds[2].fails = lambda: RuntimeError("gone")
    (id,) = await stage.found()
    before = await stage.ring.open_once(stage.keys[id])
    stage.clouds[2].fails = None
    await stage.repairs.look_through()
    stage.clouds[0].fails = stage.clouds[1].fails = lambda: RuntimeError("gone")
    assert (await stage.ring.open_once(stage.keys[id])) == before


async def test_rotation_wraps_anew_and_touches_nothing_else() -> None:
    """One cloud has a new version: its wraps are replaced, the others' stay, and so does the key."""
    stage = Stage()
    ids = await stage.found(3)
    before = [await stage.ring.open_once(stage.keys[id]) for id in ids]
    stage.clouds[1].kek = "v2"
    await stage.repairs.look_through()
    assert [stage.wraps(id) for id in ids] == [{"aws": "v1", "azure": "v2", "gcp": "v1"}] * 3
    assert [await stage.ring.open_once(stage.keys[id]) for id in ids] == before
    assert stage.added == 3


async def test_nothing_is_repaired_away_from_the_writer() -> None:
    """The process beside it does."""
    stage = Stage()
    await stage.found()
    stage.clouds[1].kek = "v2"
    stage.desk.writer = Writer(site="gcp", epoch=2)
    await stage.repairs.look_through()
    stage.desk.writer = None
    await stage.repairs.look_through()
    assert stage.desk.asked == [] and "current" not in stage.clouds[1].asked


async def test_a_round_passes_every_key_in_windows_and_begins_anew() -> None:
    """Seven keys, three at a time: three windows and an empty one, then the first again."""
    stage = Stage(window=3)
    ids = await stage.found(7)
    stage.clouds[0].kek = "v2"
    for _ in range(4):
        await stage.repairs.look_through()
    assert [stage.wraps(id)["aws"] for id in ids] == ["v2"] * 7
    stage.clouds[0].kek = "v3"
    await asyncio.sleep(0)
    await stage.repairs.look_through()
    assert [stage.wraps(id)["aws"] for id in ids] == ["v3"] * 3 + ["v2"] * 4


async def test_it_pauses_after_every_key() -> None:
    """Clients' requests go on beside it."""
    stage = Stage()
    await stage.found(5)
    stage.clouds[0].kek = "v2"
    await stage.repairs.look_through()
    assert stage.pauses == 5


async def test_an_erased_key_gets_no_wrap() -> None:
    """Not in the survey, not when the erasure comes between, and not by the database."""
    stage = Stage()
    ids = await stage.found(3)
    stage.clouds[0].kek = "v2"
    stage.erased.add(ids[0])

    def erased_meanwhile(id: UUID, *values: Any) -> Row:
        stage.erased.add(id)
        return stage.add_wrap(id, *values)

    stage.desk.replies[store.ADD_WRAP] = erased_meanwhile
    await stage.repairs.look_through()
    assert [stage.wraps(id)["aws"] for id in ids] == ["v1"] * 3
    assert stage.tally.results.count(("aws", "repair", "erased")) == 2


async def test_a_key_that_nobody_opens_keeps_nobody_else_from_being_repaired() -> None:
    """Its wraps are of another key; the next one is repaired all the same."""
    stage = Stage()
    lost, well = await stage.found(2)
    broken = tuple(Wrapped(cloud=wrap.cloud, kek=wrap.kek, ciphertext=b"damaged") for wrap in stage.keys[lost].wraps)
    stage.keys[lost] = LockedKey(id=lost, subject=stage.keys[lost].subject, check=stage.keys[lost].check, wraps=broken)
    stage.clouds[0].kek = "v2"
    await stage.repairs.look_through()
    assert stage.wraps(well)["aws"] == "v2" and stage.wraps(lost)["aws"] == "v1"


async def test_a_cloud_that_wraps_with_another_key_than_it_names_is_not_believed() -> None:
    """It says v2 and wraps with v1: replaced, the wrap would be replaced in every round for ever."""
    stage = Stage()
    await stage.found()
    stage.clouds[0].boasts = "v2"
    await stage.repairs.look_through()
    assert stage.added == 0 and ("aws", "repair", "not newer") in stage.tally.results


async def test_rotation_replaces_no_wrap_that_opens_by_one_that_does_not() -> None:
    """The new version may encrypt and not decrypt: the old wraps stay, key after key, and go on opening."""
    stage = Stage()
    ids = await stage.found(3)
    stage.clouds[1].kek, stage.clouds[1].misleads = "v2", True
    await stage.repairs.look_through()
    assert [stage.wraps(id)["azure"] for id in ids] == ["v1"] * 3 and stage.added == 0
    stage.clouds[0].fails = stage.clouds[2].fails = lambda: RuntimeError("gone")
    assert (await stage.ring.open_once(stage.keys[ids[0]])).id == ids[0]


async def test_a_wrap_that_did_not_open_is_repaired_by_whoever_met_it() -> None:
    """Damaged, with the right name of its key: no survey finds it. The process is not the one beside the writer."""
    stage = Stage()
    (id,) = await stage.found()
    whole = stage.keys[id]
    damaged = Wrapped(cloud="aws", kek="v1", ciphertext=b"damaged")
    stage.keys[id] = LockedKey(id=id, subject=whole.subject, check=whole.check, wraps=(damaged, *whole.wraps[1:]))
    stage.repairs = stage.made(site="gcp")
    await stage.repairs.look_through()
    assert stage.added == 0, "nobody has met it yet"
    await stage.ring.open_once(stage.keys[id])
    for _ in range(3):
        await stage.repairs.look_through()
    assert stage.added == 1 and store.SURVEY not in stage.desk.asked
    stage.clouds[1].fails = stage.clouds[2].fails = lambda: RuntimeError("gone")
    assert (await stage.ring.open_once(stage.keys[id])).id == id


async def test_a_wrap_that_was_met_and_cannot_be_made_is_not_tried_for_ever() -> None:
    """Once for every time that it is met."""
    stage = Stage()
    (id,) = await stage.found()
    stage.clouds[0].refuses = lambda: RuntimeError("no") if stage.clouds[0].asked.count("wrap") > 1 else WrapBroken("no")
    await stage.ring.open_once(stage.keys[id])
    for _ in range(3):
        await stage.repairs.look_through()
    assert stage.added == 0 and stage.tally.results.count(("aws", "repair", "not wrapped")) == 1


async def test_a_late_repair_does_not_undo_a_rotation() -> None:
    """It wrapped by the old version just before; another process has stored the new one since. The old one may be destroyed by now."""
    stage = Stage()
    (id,) = await stage.found()
    stage.clouds[0].kek = "v2"
    newest = Wrapped(cloud="aws", kek="v3", ciphertext=b"of the process beside")

    def late(id: UUID, *values: Any) -> Row:
        locked = stage.keys[id]
        stage.keys[id] = LockedKey(id=id, subject=locked.subject, check=locked.check, wraps=(newest, *locked.wraps[1:]))
        return stage.add_wrap(id, *values)

    stage.desk.replies[store.ADD_WRAP] = late
    await stage.repairs.look_through()
    assert stage.wraps(id)["aws"] == "v3" and ("aws", "repair", "overtaken") in stage.tally.results


async def test_a_long_window_ends_when_the_writer_moves_away() -> None:
    """A window of a thousand flawed keys lasts minutes; from the move on another process goes round."""
    stage = Stage()
    ids = await stage.found(5)
    stage.clouds[0].kek = "v2"
    stage.on_pause = lambda: setattr(
        stage.desk, "writer", Writer(site="gcp", epoch=2) if stage.pauses == 2 else stage.desk.writer
    )
    await stage.repairs.look_through()
    assert [stage.wraps(id)["aws"] for id in ids] == ["v2"] * 2 + ["v1"] * 3


async def test_a_long_window_hears_of_a_rotation() -> None:
    """What is repaired late in the window is wrapped by what is current then."""
    stage = Stage()
    ids = await stage.found(4)
    stage.clouds[0].kek = "v2"

    def rotate() -> None:
        if stage.pauses == 2:
            stage.clouds[1].kek = "v2"

    stage.on_pause = rotate
    await stage.repairs.look_through()
    assert [stage.wraps(id)["azure"] for id in ids] == ["v1"] * 2 + ["v2"] * 2


async def test_a_lost_key_is_counted() -> None:
    """A person must act, and has to be told."""
    stage = Stage()
    (lost,) = await stage.found()
    broken = tuple(Wrapped(cloud=wrap.cloud, kek=wrap.kek, ciphertext=b"damaged") for wrap in stage.keys[lost].wraps)
    stage.keys[lost] = LockedKey(id=lost, subject=stage.keys[lost].subject, check=stage.keys[lost].check, wraps=broken)
    stage.clouds[0].kek = "v2"
    await stage.repairs.look_through()
    assert ("", "broken", "key-lost") in stage.tally.results


async def test_a_whole_round_tells_whether_a_rotation_is_finished() -> None:
    """The round in which the new version comes cannot tell; the next one still met old wraps, and replaced them; the one after that is
    sure."""
    stage = Stage(window=2)
    await stage.found(3)

    async def seen() -> list[int]:
        before = len(stage.tally.rounds)
        while len(stage.tally.rounds) == before:
            await asyncio.sleep(0)
            await stage.repairs.look_through()
        return [stage.tally.rounds[-1]["aws", state] for state in ("current", "older", "missing", "unsure")]

    assert await seen() == [3, 0, 0, 0]
    await stage.repairs.look_through()
    stage.clouds[0].kek = "v2"
    assert await seen() == [0, 0, 0, 3]
    assert await seen() == [1, 2, 0, 0]
    assert await seen() == [3, 0, 0, 0]
    stage.clouds[0].fails = lambda: RuntimeError("gone")
    await stage.found(1)
    assert await seen() == [0, 0, 1, 3]
    assert stage.tally.rounds[-1]["gcp", "current"] == 4


async def test_whoever_goes_round_no_more_tells_nothing() -> None:
    """Two processes that tell two counts of the same wraps tell nothing."""
    stage = Stage()
    await stage.found()
    stage.desk.writer = Writer(site="gcp", epoch=2)
    await stage.repairs.look_through()
    assert stage.tally.rounds == [{}]


async def test_an_answer_that_is_lost_is_met_again_in_the_next_round() -> None:
    """The barrier stays closed: nothing is believed, the round goes on."""
    stage = Stage()
    await stage.found(2)
    stage.clouds[0].kek = "v2"
    stage.desk.on_confirm = lambda: setattr(
        stage.desk, "holds_back", OutcomeUnknown("closed") if stage.desk.asked[-1] == store.ADD_WRAP else None
    )
    await stage.repairs.look_through()
    assert stage.added == 2
