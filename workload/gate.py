"""The door: how many requests are inside, who goes first, how large they are and how long they may take to arrive.

Stands before everything else, so that a refused request costs next to nothing. Health and metrics are never refused.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workload.limits.door import Ending
from workload.limits.limits import Limits
from workload.limits.refusal import Kind, Refusal, problem
from workload.limits.request import Asked, Malformed, read
from workload.limits.settings import LimitTable
from workload.problems import Problem, render

GUARDED = "/v1/"
LARGEST_BODY = 16 * 1024


class Gate:
    """ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_in_flight: int,
        deadline: timedelta,
        on_refusal: Callable[[], None],
        limits: Limits | None = None,
    ) -> None:
        """`limits`: None for so many places and nothing else, `max_in_flight`. `deadline`: for a body to arrive. `on_refusal`: somebody was
        sent away for a reason that is not the client's own."""
        self._app = app
        self._deadline = deadline
        self._on_refusal = on_refusal
        self.limits = limits or fixed(max_in_flight)

    @property
    def inside(self) -> int:
        """Requests being served."""
        return self.limits.inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            asked = read(scope["method"], scope["path"], scope["headers"], self.limits.client_header)
        except Malformed as error:
            malformed = Problem(status=400, kind="malformed-deadline", detail=str(error), members={"outcome": "nothing-happened"})
            await render(malformed, scope["path"])(scope, receive, send)
            return
        if (objection := _objection(asked)) is not None:
            await render(objection, scope["path"])(scope, receive, send)
            return
        visit = await self.limits.enter(asked)
        if isinstance(visit, Refusal):
            if visit.kind is not Kind.CLIENT:
                self._on_refusal()
            await render(problem(visit), scope["path"])(scope, receive, send)
            return
        said = _Said()
        try:
            await self._serve(scope, receive, send, said, self._time_to_arrive(asked))
        finally:
            self.limits.leave(visit, said.ending, in_vain=said.in_vain)

    def _time_to_arrive(self, asked: Asked) -> float:
        """Seconds for its body; a client that waits for less than that holds no place for longer than it waits."""
        most = self._deadline.total_seconds()
        return most if asked.deadline is None else max(0.0, min(most, asked.deadline))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, said: "_Said", seconds: float) -> None:
        arriving = _in_time(receive, seconds)
        try:
            first = await arriving()
        except HTTPException as error:
            said.status = error.status_code
            late = Problem(status=408, kind="request-timeout", detail=error.detail, members={"outcome": "nothing-happened"})
            await render(late, scope["path"])(scope, receive, send)
            return
        if first["type"] == "http.disconnect":
            said.status = GONE
            return

        kept: Message | None = first

        async def heard() -> Message:
            nonlocal kept
            if kept is not None:
                message, kept = kept, None
                return message
            return await arriving()

        async def overheard(message: Message) -> None:
            said.hear(message)
            await send(message)

        await self._app(scope, heard, overheard)


GONE = 499
"""No status of HTTP: the client had gone before it was served, and was told nothing."""


@dataclass(slots=True)
class _Said:
    """What the service answered, as far as it did."""

    status: int = 0
    """0: nothing."""
    in_doubt: bool = False
    """An error that does not say "nothing happened"."""

    def hear(self, message: Message) -> None:
        """One message on its way to the client."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.in_doubt = self.status >= 500
        elif self.in_doubt and message["type"] == "http.response.body":
            self.in_doubt = not _says_nothing_happened(message.get("body", b""))

    @property
    def ending(self) -> Ending:
        """What this says about the service. An answer that was withheld, or broken off by a defect, is none."""
        if self.status == 0 or self.status >= 500:
            return Ending.FAILED
        if self.status == GONE:
            return Ending.NEITHER
        return Ending.ANSWERED if self.status < 400 else Ending.REFUSED

    @property
    def in_vain(self) -> bool:
        """Did certainly nothing come of it? Refused, or nothing was begun."""
        return 400 <= self.status < 500 or (self.status >= 500 and not self.in_doubt)


def fixed(places: int) -> Limits:
    """So many places, no queue, and nobody goes first."""
    table = LimitTable(first=places, lowest=places, highest=places, queue=0)
    return Limits(table, monotonic=time.monotonic, chance=random.random)


def _in_time(receive: Receive, seconds: float) -> Receive:
    # A client that sends half a body and then nothing would hold its place for ever.
    complete = False

    async def bounded() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "the body did not arrive in time") from error
        complete = not message.get("more_body", False)
        return message

    return bounded


def _says_nothing_happened(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["outcome"] == "nothing-happened")
    except (ValueError, KeyError, TypeError):
        return False


def _objection(asked: Asked) -> Problem | None:
    if asked.is_chunked:
        return Problem(status=411, kind="length-required", detail="send the body with a Content-Length")
    if asked.length is None or asked.length > LARGEST_BODY:
        return Problem(status=413, kind="body-too-large", detail=f"a body may have at most {LARGEST_BODY} bytes")
    return None
