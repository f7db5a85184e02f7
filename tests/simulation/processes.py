"""Programs that can die between any two awaits, be frozen, and have clocks of their own."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.core.model import Site

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

_CURRENT: "ContextVar[Process | None]" = ContextVar("process", default=None)

OUTSIDE = Context()
"""Where the world itself runs: what happens there belongs to no process, and dies with none."""


class Process:
    """One program at one site. Whatever it starts belongs to it, and ends with it."""

    def __init__(self, name: str, site: Site, *, rate: float = 1.0, started: float = 0.0, ahead: float = 0.0) -> None:
        """`rate`: its seconds per true second. `started`: what its monotonic clock says now. `ahead`: seconds of its wall clock."""
        self.name, self.site, self.alive = name, site, True
        self.ended: BaseException | None = None
        """Why it ended by itself; nobody may."""
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._held: list[asyncio.Future[None]] | None = None
        self._context = Context()
        self._context.run(_CURRENT.set, self)
        self.clock = ProcessClock(self, rate=rate, started=started, ahead=ahead)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin something in it."""
        return self._loop.create_task(work, context=self._context)

    def main(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin what must never end by itself."""
        self.start(work).add_done_callback(self._note_end)

    def own(self, task: "asyncio.Task[Any]") -> None:
        """Somebody in here began this."""
        self._tasks[task] = None
        task.add_done_callback(self._disown)
        if not self.alive:
            task.cancel()

    def kill(self) -> None:
        """SIGKILL: nothing of it does anything more."""
        self.alive = False
        for task in list(self._tasks):
            task.cancel()

    def freeze(self) -> None:
        """SIGSTOP."""
        if self._held is None:
            self._held = []

    def thaw(self) -> None:
        """SIGCONT: everybody wakes in the order in which they would have."""
        held, self._held = self._held or [], None
        for woken in held:
            if not woken.done():
                woken.set_result(None)

    @property
    def frozen(self) -> bool:
        """Is it stopped?"""
        return self._held is not None

    async def awake(self) -> None:
        """Return when it runs; never once it is dead."""
        while self._held is not None and self.alive:
            self._held.append(self._loop.create_future())
            await self._held[-1]
        if not self.alive:
            raise asyncio.CancelledError

    def _disown(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and task.exception() is not None and not self.alive:
            return

    def _note_end(self, task: "asyncio.Task[Any]") -> None:
        if self.alive:
            self.ended = RuntimeError("cancelled") if task.cancelled() else task.exception() or RuntimeError("returned")


class ProcessClock:
    """Implements `ports.Clock`: drifts, jumps, and goes on while the process is stopped."""

    def __init__(self, process: Process, *, rate: float, started: float, ahead: float) -> None:
        self._process, self.rate, self.ahead = process, rate, ahead
        self._loop = asyncio.get_running_loop()
        self._started, self._born = started, self._loop.time()

    def now(self) -> datetime:
        """Wall clock, as far ahead as it is."""
        return EPOCH + timedelta(seconds=self._loop.time() + self.ahead)

    def monotonic(self) -> timedelta:
        """Since whenever."""
        return timedelta(seconds=self._started + (self._loop.time() - self._born) * self.rate)

    async def sleep(self, duration: timedelta) -> None:
        """Return after `duration` by this clock, and not before the process runs."""
        if not self._process.alive:
            raise asyncio.CancelledError
        await asyncio.sleep(duration.total_seconds() / self.rate)
        await self._process.awake()


def owned_task(loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None) -> "asyncio.Task[Any]":
    """Task factory: what a process begins is its own."""
    process = context.get(_CURRENT) if context is not None else _CURRENT.get()
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    if process is not None:
        process.own(task)
    return task
