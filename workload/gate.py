"""The door: bounds how many requests are inside, how large they are and how long they may take to arrive.

Stands before everything else, so that a refused request costs next to nothing. Health and metrics are never refused.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workload.problems import Problem, render

GUARDED = "/v1/"
LARGEST_BODY = 16 * 1024


class Gate:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, max_in_flight: int, deadline: timedelta, on_refusal: Callable[[], None]) -> None:
        self._app = app
        self._limit = max_in_flight
        self._deadline = deadline
        self._on_refusal = on_refusal
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        problem = self._objection(Request(scope))
        if problem is not None:
            await render(problem, scope["path"])(scope, receive, send)
            return
        self.inside += 1
        try:
            await self._app(scope, self._in_time(receive), send)
        finally:
            self.inside -= 1

    def _objection(self, request: Request) -> Problem | None:
        if self.inside >= self._limit:
            self._on_refusal()
            return Problem(
                status=503,
                kind="overloaded",
                detail=f"{self.inside} requests are being served, the limit is {self._limit}",
                retry_after=1,
                members={"outcome": "nothing-happened"},
            )
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers:
            return Problem(status=411, kind="length-required", detail="send the body with a Content-Length")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return Problem(status=413, kind="body-too-large", detail=f"a body may have at most {LARGEST_BODY} bytes")
        return None

    def _in_time(self, receive: Receive) -> Receive:
        # A client that sends half a body and then nothing would hold its place for ever.
        complete = False

        async def bounded() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(self._deadline.total_seconds()):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, "the body did not arrive in time") from error
            complete = not message.get("more_body", False)
            return message

        return bounded
