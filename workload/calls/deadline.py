"""How much time a request has left, told along the whole chain of calls.

The client waits so long and no longer. A service that goes on after that works for nobody, and holds sessions that others need; so
each call carries what is left of its caller's time, and no service believes that it has more, nor more than its own longest when nobody
says. `Deadline-Ms` holds milliseconds left when the request was sent: clocks of different machines need not agree, and the way there is
counted for the callee, which makes it optimistic by one trip.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from starlette.types import ASGIApp, Receive, Scope, Send

from workload.problems import Problem, render

HEADER = "Deadline-Ms"
_NAME = HEADER.lower().encode()
_VALUE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
LONGEST = timedelta(seconds=30)
"""What is told beyond that counts as that."""

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


class Malformed(Exception):
    """The header is no number of milliseconds."""


def read_header(text: str) -> timedelta:
    """The header's value; zero and below: it is over. Raises Malformed."""
    if _VALUE.fullmatch(text) is None:
        raise Malformed(f"{HEADER}: expected whole milliseconds")
    return min(timedelta(milliseconds=int(text)), LONGEST)


def write_header(left: timedelta) -> str:
    """The header's value, rounded down: what is promised to the next must be there."""
    return str(max(0, left // timedelta(milliseconds=1)))


def ends_at() -> float | None:
    """Monotonic seconds at which whoever asked for this waits no longer; None: nobody asked."""
    return _ends_at.get()


def budget(within: timedelta, monotonic: float) -> timedelta:
    """How long a call may take now: `within`, or what is left of the request that it is made for."""
    end = _ends_at.get()
    return within if end is None else min(within, timedelta(seconds=end - monotonic))


@contextmanager
def ending(at: float) -> Iterator[None]:
    """What is done in the block is done for a request that ends `at` this monotonic second."""
    mine = _ends_at.set(at)
    try:
        yield
    finally:
        _ends_at.reset(mine)


class Deadlines:
    """ASGI middleware of a callee: refuses what is over, and gives every request an end, for whatever is done for it."""

    def __init__(self, app: ASGIApp, *, monotonic: Callable[[], float], longest: timedelta = LONGEST) -> None:
        """`longest`: what a request has that names no deadline, or a later one; of several that it names, the first to come counts."""
        self._app, self._monotonic, self._longest = app, monotonic, longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = self._longest
        try:
            for name, value in scope["headers"]:
                if name == _NAME:
                    left = min(read_header(value.decode("latin-1")), left)
        except Malformed as error:
            await render(_problem(400, "malformed-deadline", str(error)), scope["path"])(scope, receive, send)
            return
        if left <= timedelta(0):
            problem = _problem(504, "deadline-over", "the caller's time was over before anything was done")
            await render(problem, scope["path"])(scope, receive, send)
            return
        mine = _ends_at.set(self._monotonic() + left.total_seconds())
        try:
            await self._app(scope, receive, send)
        finally:
            _ends_at.reset(mine)


def _problem(status: int, kind: str, detail: str) -> Problem:
    return Problem(status=status, kind=kind, detail=detail, members={"outcome": "nothing-happened"})
