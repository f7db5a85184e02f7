"""Places outside: in memory, a file, and an address; each puts a head once, ends by its deadline, and says who has to act."""

import asyncio
import fcntl
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.anchoring.file import FileAnchor
from controller.anchoring.http import LARGEST, HttpAnchor
from controller.errors import Conflict, Denied, Transient, TrimaranError, Unsupported
from controller.ports_audit import Anchor
from controller.providers.memory.anchor import MemoryAnchor

pytestmark = pytest.mark.asyncio
SOON = timedelta(seconds=2)
TOKEN = "a-token-of-the-ledger"


class Place(ABC):
    """What the contract's tests need beside the port."""

    anchor: Anchor

    @abstractmethod
    def lines(self) -> list[str]:
        """What it was given."""

    @abstractmethod
    def hang(self) -> None:
        """It does not answer from now on."""

    async def go_on(self) -> None:
        """It answers again."""
        await asyncio.sleep(0)


class InMemory(Place):
    """The shipped fake."""

    def __init__(self) -> None:
        self.anchor = self.memory = MemoryAnchor()

    def lines(self) -> list[str]:
        """See Place."""
        return self.memory.heads

    def hang(self) -> None:
        """See Place."""
        self.memory.reachable = False


class OnDisk(Place):
    """A file; it hangs while somebody else holds its lock, as a share does whose server is gone."""

    def __init__(self, path: Path) -> None:
        self.anchor, self.path = FileAnchor(path), path
        self.held: IO[str] | None = None

    def lines(self) -> list[str]:
        """See Place."""
        return self.path.read_text().splitlines() if self.path.exists() else []

    def hang(self) -> None:
        """See Place."""
        self.held = self.path.open("a")
        fcntl.flock(self.held, fcntl.LOCK_EX)

    async def go_on(self) -> None:
        """See Place."""
        assert self.held is not None, "it hangs"
        self.held.close()
        while not self.lines():
            await asyncio.sleep(0.01)


class ByHttp(Place):
    """A ledger that notes each key once."""

    def __init__(self) -> None:
        self.noted: dict[str, str] = {}
        self.asked: list[web.Request] = []
        self.status, self.silent, self.long = 201, False, False
        app = web.Application()
        app.router.add_post("/heads", self._note)
        app.router.add_route("*", "/elsewhere", self._note)
        self.server = TestServer(app)

    async def start(self) -> "ByHttp":
        """Listen."""
        await self.server.start_server()
        self.anchor = HttpAnchor(str(self.server.make_url("/heads")), token=TOKEN)
        return self

    async def _note(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.silent:
            await asyncio.sleep(60)
        text = await request.text()
        if self.status < 300:
            self.noted.setdefault(request.headers["Idempotency-Key"], text)
        body = "x" * (LARGEST + 1) if self.long else f"noted as {len(self.noted)}"
        return web.Response(status=self.status, text=body, headers={"Location": "/elsewhere"})

    def lines(self) -> list[str]:
        """See Place."""
        return list(self.noted.values())

    def hang(self) -> None:
        """See Place."""
        self.silent = True


@pytest.fixture(params=["memory", "file", "http"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """Each of them."""
    match request.param:
        case "memory":
            yield InMemory()
        case "file":
            yield OnDisk(tmp_path / "heads.jsonl")
        case "http":
            http = await ByHttp().start()
            yield http
            await http.server.close()


async def test_a_head_is_put_once_however_often_it_is_asked(place: Place) -> None:
    """In the order in which heads came, each as it is."""
    heads = [json.dumps({"head": number}) for number in range(3)]
    for _ in range(2):
        for one in heads:
            assert isinstance(await place.anchor.put(one, SOON), str)
    assert place.lines() == heads
    assert place.anchor.id.replace("-", "").isalnum() and place.anchor.name


async def test_a_place_that_hangs_is_told_by_the_deadline(place: Place) -> None:
    """And asked again it is told again; nothing piles up."""
    place.hang()
    try:
        for _ in range(2):
            with pytest.raises(Transient):
                await asyncio.wait_for(place.anchor.put("{}", timedelta(milliseconds=50)), 5)
    finally:
        await place.go_on()
    assert len(place.lines()) <= 1


# ---------------------------------------------------------------------------------------------------- a file


async def test_a_line_that_a_crash_left_torn_is_ended_and_stays(tmp_path: Path) -> None:
    """What comes after it is whole."""
    path = tmp_path / "heads.jsonl"
    path.write_text('{"head":1}\n{"he')
    await FileAnchor(path).put('{"head":2}', SOON)
    await FileAnchor(path).put('{"head":1}', SOON)
    assert path.read_text() == '{"head":1}\n{"he\n{"head":2}\n'


async def test_a_file_system_that_hangs_keeps_one_thread(tmp_path: Path) -> None:
    """What comes meanwhile is refused at once; threads that pile up would be all that this process has."""
    place = OnDisk(tmp_path / "heads.jsonl")
    place.hang()
    try:
        with pytest.raises(Transient, match="did not answer within"):
            await place.anchor.put('{"head":1}', timedelta(milliseconds=50))
        with pytest.raises(Transient, match="has not come to an end"):
            await place.anchor.put('{"head":2}', timedelta(milliseconds=50))
    finally:
        await place.go_on()
    assert place.lines() == ['{"head":1}']


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """By its name; it is tried again."""
    with pytest.raises(Transient, match="gone"):
        await FileAnchor(tmp_path / "gone" / "heads.jsonl").put("{}", SOON)


# ---------------------------------------------------------------------------------------------------- an address


@pytest.fixture
async def ledger() -> AsyncIterator[ByHttp]:
    """One that listens."""
    made = await ByHttp().start()
    yield made
    await made.server.close()


async def test_the_answer_is_the_receipt_and_the_head_names_itself(ledger: ByHttp) -> None:
    """With the token, as JSON, under its own digest."""
    assert await ledger.anchor.put('{"head":1}', SOON) == "noted as 1"
    (asked,) = ledger.asked
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}" and asked.content_type == "application/json"
    assert list(ledger.noted) == [sha256(b'{"head":1}').hexdigest()]
    assert TOKEN not in ledger.anchor.name + ledger.anchor.id + repr(ledger.anchor)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, Unsupported),
        (400, Unsupported),
        (401, Denied),
        (403, Denied),
        (404, Unsupported),
        (409, Conflict),
        (429, Transient),
        (503, Transient),
    ],
)
async def test_an_answer_that_is_no_success_says_who_has_to_act(ledger: ByHttp, status: int, error: type[TrimaranError]) -> None:
    """A redirection is not followed: the token would go along."""
    ledger.status = status
    with pytest.raises(error):
        await ledger.anchor.put("{}", SOON)
    assert len(ledger.asked) == 1


async def test_what_is_too_long_is_no_receipt(ledger: ByHttp) -> None:
    """Whoever answers with a film does not fill etcd."""
    ledger.long = True
    with pytest.raises(Unsupported):
        await ledger.anchor.put("{}", SOON)


async def test_nobody_there_is_told() -> None:
    """A port that nobody listens on."""
    with pytest.raises(Transient):
        await HttpAnchor("http://127.0.0.1:9/heads").put("{}", SOON)
