"""What HAProxy counted of the own service: read from its socket, told by the agent, and no condition of anything else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import Unsupported
from edge.agent import traffic
from edge.beacon import told
from edge.runtime import Counts, Runtime
from tests.unit.edge.rooms import room

pytestmark = pytest.mark.asyncio

HEADER = "# pxname,svname,econ,eresp,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,last_chk,rtime,\n"
"""Of HAProxy's hundred columns those that are read, and one whose text may hold a comma, before them as in HAProxy."""
ROWS = 'payments,local,1,2,0,90,0,5,7,0,"L7OK, in time",12,\nhanded,local,0,0,0,10,0,0,0,0,,30,\nown,local,,,0,0,0,0,0,0,,,\n'


@asynccontextmanager
async def saying(path: Path, text: str) -> AsyncIterator[list[str]]:
    """A socket that answers everything with `text`; yields what it was asked."""
    asked: list[str] = []

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().strip())
        writer.write(text.encode())
        writer.close()

    server = await asyncio.start_unix_server(say, path)
    try:
        yield asked
    finally:
        server.close()
        await server.wait_closed()


async def test_counters_are_told_by_backend_and_server(tmp_path: Path) -> None:
    """What got no answer counts as failed; an empty field is 0."""
    async with saying(tmp_path / "s", HEADER + ROWS) as asked:
        found = await Runtime(tmp_path / "s").counts()
    assert asked == ["show stat -1 4 -1"]
    assert found["payments/local"] == Counts(answered=105, failed=10, mean=timedelta(milliseconds=12))
    assert found["own/local"] == Counts(answered=0, failed=0, mean=timedelta(0))
    both = traffic(found, timedelta(seconds=9))
    assert both is not None
    assert (both.answered, both.failed, both.mean) == (115, 10, timedelta(milliseconds=30)), "health checks are no traffic"


@pytest.mark.parametrize(
    "text", ["", "Unknown command.\n", "# pxname,svname,\npayments,local,\n", HEADER + "payments,local,many,\n"]
)
async def test_an_answer_of_another_shape_is_unsupported(text: str, tmp_path: Path) -> None:
    """Another version of HAProxy, or something else."""
    async with saying(tmp_path / "s", text):
        with pytest.raises(Unsupported, match="HAProxy"):
            await Runtime(tmp_path / "s").counts()


async def test_counters_that_cannot_be_read_keep_nobody_from_weighing(tmp_path: Path) -> None:
    """The socket in this room knows servers and weights, and no counters; the agent says so and goes on."""
    async with room(tmp_path) as given:
        await given.agent.count()
        await given.agent.apply()
        assert given.agent.trouble == "" and given.agent.view is not None
        said = told(given.agent)["traffic"]
        assert isinstance(said, dict)
        assert said["counted"] is None and "show stat" in said["trouble"]
