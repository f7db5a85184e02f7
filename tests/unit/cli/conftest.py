"""Commands run as a process would run them, beside three controllers in memory that tick."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.cli import app
from tests.unit.room import Room, room


@dataclass(frozen=True)
class Said:
    """One command's end."""

    status: int
    out: str
    err: str


Trimaran = Callable[..., Awaitable[Said]]


@pytest.fixture
def trimaran(capsys: pytest.CaptureFixture[str]) -> Trimaran:
    """Runs one command as a process would, beside the controllers."""

    async def run(*arguments: str) -> Said:
        capsys.readouterr()
        status = await asyncio.wait_for(asyncio.to_thread(app.run, list(arguments)), 20)
        said = capsys.readouterr()
        return Said(status=status, out=said.out, err=said.err)

    return run


@asynccontextmanager
async def driven(given: Room) -> AsyncIterator[None]:
    """Controllers that go on ticking."""
    task = asyncio.create_task(given.drive())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """A room whose controllers tick, and the context that finds them."""
    async with room() as made:
        monkeypatch.setenv("TRIMARAN_CONTEXT", made.write_context(tmp_path))
        async with driven(made):
            yield made
