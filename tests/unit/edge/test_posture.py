"""What is kept on disk is a whole posture of this service, or counts as none."""

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from controller.coordination.codec import encode
from controller.core.model import Site
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink, coordination
from edge.posture import Listener, write
from tests.unit.core.worlds import posture


def listener(file: Path) -> Listener:
    """One that starts now, without etcd."""
    clock = SteppedClock()
    return Listener(MemoryLink(MemoryEtcd(clock), reachable=False), service="payments", file=file, clock=clock)


def kept(**changes: object) -> str:
    """A kept posture, an hour old."""
    document = {"first_read": "2025-12-31T23:00:00+00:00", "posture": json.loads(encode(posture())), **changes}
    return json.dumps(document)


def test_a_kept_posture_is_taken_up_with_its_age(tmp_path: Path) -> None:
    """An hour passed by the wall clock since it was first read; it was not heard from etcd."""
    (tmp_path / "posture.json").write_text(kept())
    given = listener(tmp_path / "posture.json")
    given.recall()
    assert given.known is not None and given.known.posture == posture()
    assert given.known.at == -timedelta(hours=1) and not given.known.heard


def test_a_clock_that_was_set_back_makes_no_posture_of_the_future(tmp_path: Path) -> None:
    """An age is never negative."""
    (tmp_path / "posture.json").write_text(kept(first_read="2027-01-01T00:00:00+00:00"))
    given = listener(tmp_path / "posture.json")
    given.recall()
    assert given.known is not None and given.known.at == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"first_read": "2026-01-01T00:00:00+00:00"}',
        kept(first_read="yesterday"),
        kept(first_read="2026-01-01T00:00:00"),
        kept(posture={"service": "payments"}),
        kept(posture={**json.loads(encode(posture())), "moon": 1}),
        kept(posture={**json.loads(encode(posture())), "service": "vault"}),
    ],
)
def test_what_cannot_be_read_counts_as_none(text: str, tmp_path: Path) -> None:
    """Half a file, a date without a zone, a field of another version, another service's posture."""
    (tmp_path / "posture.json").write_text(text)
    given = listener(tmp_path / "posture.json")
    given.recall()
    assert given.known is None


def test_no_file_is_no_trouble(tmp_path: Path) -> None:
    """The first start of an edge."""
    given = listener(tmp_path / "posture.json")
    given.recall()
    assert given.known is None


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the old text, and no draft beside it."""
    file = tmp_path / "posture.json"
    write(file, "old")
    write(file, "new")
    assert file.read_text() == "new"

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write(file, "newer")
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


async def test_a_service_that_etcd_does_not_know_is_no_posture(tmp_path: Path) -> None:
    """Not found is a value: nothing is known, and it is said."""
    clock = SteppedClock()
    given = Listener(MemoryLink(MemoryEtcd(clock)), service="payments", file=tmp_path / "p", clock=clock)
    assert not await given.hear()
    assert given.known is None and given.trouble == "etcd knows no service payments"


async def test_weights_are_heard_as_the_controllers_wrote_them(tmp_path: Path) -> None:
    """The same key, the same spelling; a second asking without news is none."""
    clock = SteppedClock()
    etcd = MemoryEtcd(clock)
    store, link = coordination(etcd, "aws")
    await store.found(posture())
    given = Listener(link, service="payments", file=tmp_path / "p", clock=clock)
    assert await given.hear() and not await given.hear()
    assert given.known is not None and given.known.posture.weights[Site("aws")] == 1.0 and given.known.heard
