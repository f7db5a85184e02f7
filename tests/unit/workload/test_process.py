"""What a process does beside serving: for as long as it serves, and never silently less."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from workload.process import beside

pytestmark = pytest.mark.asyncio


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Signals by which the process was told to stop."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        yield heard
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_it_lasts_as_long_as_the_block(stopped: list[int]) -> None:
    """Begun with it, ended with it, and no reason to stop."""
    at_work: list[str] = []

    async def keep() -> None:
        at_work.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            at_work.append("ended")

    async with beside(keep, keep):
        await asyncio.sleep(0)
        assert at_work == ["begun", "begun"]
    assert (at_work[2:], stopped) == (["ended", "ended"], [])


async def test_a_defect_stops_the_process_and_is_told(stopped: list[int]) -> None:
    """Without it the task that keeps the issuer's keys dies of a bug, and a day later everybody is turned away."""

    async def fail() -> None:
        raise RuntimeError("a defect")

    with capture_logs() as said, pytest.raises(RuntimeError, match="a defect"):
        async with beside(fail):
            for _ in range(3):
                await asyncio.sleep(0)
            assert stopped == [signal.SIGTERM]
    assert [one["log_level"] for one in said] == ["critical"]
