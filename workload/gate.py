"""The door: how many requests are inside, who goes first, how large they are and how long they may take to arrive.

Stands before everything else, so that a refused request costs next to nothing. Health and metrics are never refused.
"""

import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workload.calls.deadline import ends_at
from workload.limits.door import Ending
from workload.limits.limits import Limits, Visit
from workload.limits.refusal import Kind, Refusal, problem
from workload.limits.request import Asked, read
from workload.limits.settings import LimitTable
from workload.problems import PREFIX, Problem, render

GUARDED = "/v1/"
LARGEST_BODY = 16 * 1024
ARRIVING = 1024
"""Times the largest body, 16 MiB: more than clients within their rate have on their way at once."""


class Gate:
    """ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Limits,
        deadline: timedelta,
        on_refusal: Callable[[], None],
        arriving: int = ARRIVING,
        inconclusive: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`deadline`: for a whole body to arrive, at most; less when its client waits for less. `on_refusal`: somebody was sent away for a
        reason that is not the client's own. `arriving`: bodies on their way at once. `inconclusive`: kinds of problems that say nothing
        of how busy this service is: somebody else was waited for, in vain, or as much was done as a request has time for. `monotonic`:
        the clock of `Deadlines`."""
        self._app = app
        self._deadline = deadline.total_seconds()
        self._on_refusal = on_refusal
        self._monotonic = monotonic
        self._arriving, self._most_arriving = 0, arriving
        self._inconclusive = frozenset(PREFIX + kind for kind in inconclusive)
        self.limits = limits

    @property
    def inside(self) -> int:
        """Requests being served."""
        return self.limits.inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        asked = read(scope["method"], scope["path"], scope["headers"], self.limits.client_header)
        found = _objection(asked) or await self._come_in(asked, receive)
        if isinstance(found, Problem):
            await render(found, scope["path"])(scope, receive, send)
        elif found is not None:
            visit, body = found
            await self._serve(visit, body, scope, receive, send)

    async def _come_in(self, asked: Asked, receive: Receive) -> "tuple[Visit, Message] | Problem | None":
        """A place, and the body, which is there before a place is taken; None: the client has gone.

        1. A client sends a byte every second. 2. Awaited inside, its body holds a place for hours, and thirty such clients hold all.
        """
        ranked = self.limits.admit(asked)
        if isinstance(ranked, Refusal):
            return self._send_away(ranked)
        if self._arriving >= self._most_arriving:
            return self._send_away(self.limits.turn_away(Kind.FULL, ranked))
        end = ends_at()
        seconds = self._deadline if end is None else min(self._deadline, end - self._monotonic())
        self._arriving += 1
        try:
            async with asyncio.timeout(seconds):
                body = await _whole(receive)
        except TimeoutError:
            return LATE
        finally:
            self._arriving -= 1
        if body["type"] == "http.disconnect":
            return None
        visit = await self.limits.enter(asked, ranked, math.inf if end is None else end)
        return self._send_away(visit) if isinstance(visit, Refusal) else (visit, body)

    def _send_away(self, refusal: Refusal) -> Problem:
        if refusal.kind is not Kind.CLIENT:
            self._on_refusal()
        return problem(refusal)

    async def _serve(self, visit: Visit, body: Message, scope: Scope, receive: Receive, send: Send) -> None:
        said, kept = _Said(self._inconclusive), [body]

        async def heard() -> Message:
            return kept.pop() if kept else await receive()

        async def overheard(message: Message) -> None:
            said.hear(message)
            await send(message)

        try:
            if visit.has_waited and await _has_gone(receive):
                said.status = GONE
            else:
                await self._app(scope, heard, overheard)
        finally:
            self.limits.leave(visit, said.ending, in_vain=said.in_vain)


LATE = Problem(
    status=408,
    kind="request-timeout",
    detail="the body did not arrive in time",
    members={"outcome": "nothing-happened"},
)

GONE = 499
"""No status of HTTP: the client had gone before it was served, and was told nothing."""


@dataclass(slots=True)
class _Said:
    """What the service answered, as far as it did."""

    inconclusive: frozenset[str]
    """Types of problems that say nothing of how busy this service is."""
    status: int = 0
    """0: nothing."""
    is_inconclusive: bool = False
    in_doubt: bool = False
    """An error that does not say "nothing happened"."""

    def hear(self, message: Message) -> None:
        """One message on its way to the client."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.in_doubt = self.status >= 500
        elif self.in_doubt and message["type"] == "http.response.body":
            problem = _read(message.get("body", b""))
            self.in_doubt = problem.get("outcome") != "nothing-happened"
            self.is_inconclusive = problem.get("type") in self.inconclusive

    @property
    def ending(self) -> Ending:
        """What this says about the service. An answer that was withheld, or broken off by a defect, is none.

        1. Key services hang. 2. Whoever needs a new key waits for them in vain, late each time. 3. Taken for a crowd, that would cost the
        places of all who need no key, and fewer places make no key service answer. So it is with a long erasure, told as under way when
        its request's time is used up: a night of them would leave every process its fewest places for the morning's first crowd.
        """
        if self.is_inconclusive:
            return Ending.NEITHER
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


async def _whole(receive: Receive) -> Message:
    """The body in one message, however many it comes in; or that the client has gone."""
    message = await receive()
    if not message.get("more_body", False):
        return message
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return {**message, "body": b"".join(parts)} if message["type"] == "http.request" else message


async def _has_gone(receive: Receive) -> bool:
    """Did it hang up while it waited for its place? After its body nothing else comes from a client."""
    try:
        async with asyncio.timeout(0):
            message = await receive()
    except TimeoutError:
        return False
    return bool(message["type"] == "http.disconnect")


def _read(body: bytes) -> Mapping[str, object]:
    """The problem document, or nothing."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _objection(asked: Asked) -> Problem | None:
    if asked.is_chunked:
        return Problem(status=411, kind="length-required", detail="send the body with a Content-Length")
    if asked.length is None or asked.length > LARGEST_BODY:
        return Problem(status=413, kind="body-too-large", detail=f"a body may have at most {LARGEST_BODY} bytes")
    return None
