"""The issuer's keys behind the scenes: kept through its outages, on disk through our own."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.workload.access.rooms import BEGINNING, FIRST, Room, document, new_key, ready, settle
from workload.access.refusal import AccessRefused
from workload.access.shelf import FileShelf


async def test_a_failed_question_leaves_the_keys() -> None:
    """Away, garbled, empty: what was known is still known, and its age says since when."""
    room = await ready(Room())
    for number, published in enumerate((None, b"<html>", b'{"keys":[]}'), start=1):
        room.published, room.elapsed = published, number * 11.0
        await room.ring.refetch()
        assert room.ring.find("k1") is not None and room.ring.age == timedelta(seconds=number * 11)


async def test_a_key_that_is_published_no_more_is_known_no_more() -> None:
    """That is how an issuer takes one back."""
    room = await ready(Room())
    room.published, room.elapsed = document(new_key("k2")), 11
    await room.ring.refetch()
    assert room.ring.find("k1") is None and room.ring.find("k2") is not None


async def test_keys_are_asked_for_again_and_again_soon_after_a_failure() -> None:
    """Every refresh; after a failure every spacing; a little earlier, each process by another bit."""
    room, pauses = Room(), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        room.published = None if len(pauses) == 1 else document(FIRST)
        if len(pauses) == 3:
            await asyncio.Event().wait()

    keeping = asyncio.create_task(room.ring.keep(timedelta(minutes=5), pause=pause, jitter=lambda: 0.5))
    await settle()
    await settle()
    keeping.cancel()
    assert pauses == pytest.approx([285, 9.5, 285]) and room.asked == 3


async def test_the_end_of_the_keeping_ends_its_question() -> None:
    """A process that stops while the issuer is silent leaves nothing behind."""
    room = Room(hold=asyncio.Event())
    keeping = asyncio.create_task(room.ring.keep(timedelta(minutes=5)))
    await settle()
    keeping.cancel()
    await settle()
    assert keeping.cancelled() and len(asyncio.all_tasks()) == 1


async def test_a_process_that_starts_while_the_issuer_is_away_has_the_last_keys(tmp_path: Path) -> None:
    """With the age that they have: the time in between counts."""
    shelf = FileShelf(tmp_path / "keys.json", lambda: BEGINNING)
    room = Room()
    await room.new_ring(shelf=shelf).refetch()
    room.published = None
    later = room.new_ring(shelf=FileShelf(tmp_path / "keys.json", lambda: BEGINNING + 7200))
    assert later.find("k1") is not None and later.age == timedelta(hours=2)
    tired = room.new_ring(shelf=FileShelf(tmp_path / "keys.json", lambda: BEGINNING + 90_000))
    with pytest.raises(AccessRefused, match="90000 s old"):
        tired.find("k1")


async def test_a_clock_that_was_turned_back_makes_no_key_younger_than_new(tmp_path: Path) -> None:
    """Saved in what is the future now."""
    FileShelf(tmp_path / "keys.json", lambda: BEGINNING).save(document(FIRST))
    found = FileShelf(tmp_path / "keys.json", lambda: BEGINNING - 500).load()
    assert found is not None and found[1] == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"confirmed_at":"x","document":"y"}', '{"confirmed_at":-1e300,"document":"{}"}']
)
async def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """Cut off by a crash of the machine, written by something else: the process starts, and asks the issuer."""
    (tmp_path / "keys.json").write_text(text)
    room = Room()
    ring = room.new_ring(shelf=FileShelf(tmp_path / "keys.json", lambda: BEGINNING))
    with pytest.raises(AccessRefused):
        ring.find("k1")
    await ring.refetch()
    assert ring.find("k1") is not None


async def test_a_full_disk_costs_no_keys() -> None:
    """They are known all the same."""

    class Full:
        def load(self) -> None:
            return None

        def save(self, document: bytes) -> None:
            raise OSError(28, "No space left on device")

    ring = Room().new_ring(shelf=Full())
    await ring.refetch()
    assert ring.find("k1") is not None


def test_the_kept_keys_are_the_own_accounts(tmp_path: Path) -> None:
    """Whoever can write them can sign tokens."""
    shelf = FileShelf(tmp_path / "keys.json", lambda: BEGINNING)
    shelf.save(document(FIRST))
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]
