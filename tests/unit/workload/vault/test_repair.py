"""Repairs: what is missing or old is wrapped anew, beside the writer only, and nothing twice."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.unit.workload.vault.clouds_double import BLINK, SOON, Cloud, Tally, three
from tests.unit.workload.vault.desk import PINS, READ, Desk, Row
from workload.durable.errors import OutcomeUnknown
from workload.durable.finder import Writer
from workload.vault import store
from workload.vault.clouds import Clouds
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.model import LockedKey
from workload.vault.repair import Repairs
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
        replies = {store.SURVEY: self.survey, store.LOCKED_KEY: self.locked_key, store.ADD_WRAP: self.add_wrap}
        self.desk = Desk(replies)
        tuning = KeyTuning(
            survey_window=window,
            wrap_deadline=SOON,
            wrap_grace=BLINK,
            unwrap_deadline=SOON,
            minimum_wraps=1,
            current_age=BLINK / 1e3,
        )
        clouds = Clouds(self.clouds, self.tally)
        self.ring = Keyring(clouds, tuning=tuning, entropy=self.entropy, monotonic=lambda: 0.0)
        self.repairs = Repairs(
            answers=self.desk.answers(),
            compass=self.desk,
            site="azure",
            clouds=clouds,
            keyring=self.ring,
            tuning=tuning,
            meter=self.tally,
            pause=self.pause,
        )

    def entropy(self, length: int) -> bytes:
        """Never the same twice."""
        self.drawn += 1
        return self.drawn.to_bytes(length, "big")

    async def pause(self, delay: float) -> None:
        """Counted, not waited."""
        self.pauses += 1

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
        flawed = [id for id in window if id not in self.erased and wanted - set(self.wraps(id).items())]
        return (*READ, window[-1] if window else None, flawed)

    def locked_key(self, subject: UUID | None, id: UUID) -> Row:
        """One key with its wraps."""
        locked = self.keys[id]
        parts = zip(*((wrap.cloud, wrap.kek, wrap.ciphertext) for wrap in locked.wraps), strict=True)
        return (*READ, id, locked.subject, locked.check, id in self.erased, *parts)

    def add_wrap(self, id: UUID, cloud: str, kek: str, ciphertext: bytes) -> Row:
        """Refuses what was erased."""
        if id in self.erased:
            return (*PINS, "erased")
        locked = self.keys[id]
        wraps = (*(wrap for wrap in locked.wraps if wrap.cloud != cloud), Wrapped(cloud=cloud, kek=kek, ciphertext=ciphertext))
        self.keys[id] = LockedKey(id=id, subject=locked.subject, check=locked.check, wraps=wraps)
        return (*PINS, "founded")

    @property
    def added(self) -> int:
        """Wraps written by repairs."""
        return self.desk.asked.count(store.ADD_WRAP)


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
