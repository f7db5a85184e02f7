"""The time that a request has left, on its way along a chain of calls."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from workload.calls.deadline import HEADER, LONGEST, Deadlines, Malformed, budget, read_header, write_header

SECOND = timedelta(seconds=1)


class Chain:
    """A service that says how long its own calls may take, and a clock that the test moves."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.takes = 0.0
        """Seconds that the service works before it calls."""
        self.asked = 0
        self.within = SECOND
        """What the service's own call may take, of itself."""
        self.door = Deadlines(self.work, monotonic=lambda: self.elapsed, longest=2 * SECOND)

    async def work(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application."""
        self.asked += 1
        self.elapsed += self.takes
        left = budget(self.within, self.elapsed)
        await JSONResponse({"left": left.total_seconds()})(scope, receive, send)

    async def ask(self, told: str | None) -> tuple[int, dict[str, Any]]:
        """One request with this header."""
        headers = [] if told is None else [(HEADER.lower().encode(), one.encode()) for one in told.split(",")]
        scope = {"type": "http", "method": "GET", "path": "/v1/x", "headers": headers}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.door(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.asyncio
async def test_a_call_has_no_more_time_than_the_request_it_is_made_for() -> None:
    """What the service used up itself is gone."""
    chain = Chain()
    chain.takes = 0.3
    assert await chain.ask("500") == (200, {"left": pytest.approx(0.2)})
    assert await chain.ask("5000") == (200, {"left": 1.0})
    assert await chain.ask("900,500") == await chain.ask("500,900") == (200, {"left": pytest.approx(0.2)})
    assert await chain.ask(None) == (200, {"left": 1.0})


@pytest.mark.asyncio
@pytest.mark.parametrize("told", [None, "2001", "30000"])
async def test_every_request_has_an_end(told: str | None) -> None:
    """Whoever says nothing, or more than the service gives anybody, has the service's own longest, for all its trips together."""
    chain = Chain()
    chain.within = 10 * SECOND
    assert await chain.ask(told) == (200, {"left": 2.0})
    chain.takes = 1.5
    assert await chain.ask(told) == (200, {"left": 0.5})


@pytest.mark.asyncio
async def test_one_requests_time_is_not_anothers() -> None:
    """The next one without a header has its own."""
    chain = Chain()
    await chain.ask("1")
    assert await chain.ask(None) == (200, {"left": 1.0}) and budget(SECOND, 0) == SECOND


@pytest.mark.asyncio
@pytest.mark.parametrize("told", ["0", "-1", "-999999999"])
async def test_what_is_over_is_not_begun(told: str) -> None:
    """Nobody waits for it any more: 504, and the service was not asked."""
    chain = Chain()
    status, said = await chain.ask(told)
    assert (status, said["outcome"], chain.asked) == (504, "nothing-happened", 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("told", ["", "soon", "1.5", "1e3", "+5", "0x10", "٣", "1" * 10, "5 "])
async def test_what_is_no_time_is_refused(told: str) -> None:
    """Taken for no deadline, it would hold the callee for as long as it likes."""
    chain = Chain()
    if told.isascii():
        assert (await chain.ask(told))[0] == 400 and chain.asked == 0
    with pytest.raises(Malformed):
        read_header(told)


def test_nobody_may_ask_for_ever() -> None:
    """A header from outside cannot promise more than the longest."""
    assert read_header("999999999") == LONGEST


@given(st.timedeltas(timedelta(0), LONGEST))
def test_time_never_grows_on_the_way(left: timedelta) -> None:
    """Rounded down to whole milliseconds."""
    assert timedelta(0) <= left - read_header(write_header(left)) < timedelta(milliseconds=1)


def test_what_is_below_nothing_is_nothing() -> None:
    """A deadline that passed while the call was prepared."""
    assert write_header(timedelta(seconds=-3)) == "0"
