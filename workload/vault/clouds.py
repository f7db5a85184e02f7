"""Asks the clouds' key services: all of them at once to wrap, the nearest first to unwrap. No cloud waits for another.

A key service on a black hole must cost little and stop nothing: whoever has not answered in time is left behind, and its call is
ended. Whatever goes wrong at one cloud, a defect of its adapter too, is that cloud's alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from workload.telemetry.steps import Kind, step
from workload.vault import sealing
from workload.vault.errors import KeyLost, KeysOutOfReach, Wrap, WrapBroken, WrapRefused, WrapUnavailable
from workload.vault.model import LockedKey
from workload.vault.wrapping import Wrapped, Wrapper

log = structlog.get_logger()
T = TypeVar("T")


class Meter(Protocol):
    """Counts what became of calls to key services."""

    def asked(self, cloud: str, action: str, result: str) -> None:
        """One call ended: `ok`, or the name of what went wrong."""


class Clouds:
    """The key services of this process, nearest first."""

    def __init__(self, wrappers: Sequence[Wrapper], meter: Meter) -> None:
        self._wrappers = tuple(wrappers)
        self._meter = meter

    @property
    def names(self) -> tuple[str, ...]:
        """The clouds, nearest first."""
        return tuple(wrapper.cloud for wrapper in self._wrappers)

    async def wrap(
        self, material: bytes, context: bytes, *, minimum: int, deadline: timedelta, grace: timedelta
    ) -> tuple[Wrapped, ...]:
        """Wraps by at least `minimum` clouds; once these are there the others have `grace` left. Raises KeysOutOfReach."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        tasks = [self._start("wrap", one, _wrapped_by(one, material, context), deadline) for one in self._wrappers]
        pending, made = set(tasks), list[Wrapped]()
        try:
            while pending and (left := end - loop.time()) > 0:
                before = len(made)
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                made += [task.result() for task in done if task.exception() is None]
                if before < minimum <= len(made):
                    end = min(end, loop.time() + grace.total_seconds())
        finally:
            _leave(pending)
        if len(made) < minimum:
            raise KeysOutOfReach(f"{len(made)} of {len(tasks)} clouds wrapped the new key in time, {minimum} must")
        return tuple(sorted(made, key=lambda wrap: wrap.cloud))

    async def unwrap(self, locked: LockedKey, *, deadline: timedelta, hedge: timedelta) -> bytes:
        """The key: by the nearest cloud, and by the next one too whenever `hedge` went by or one failed.

        Raises KeysOutOfReach when somebody could not be asked, KeyLost when everybody answered and nobody opened it.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        queue = deque((one, wrap) for one in self._wrappers for wrap in locked.wraps if wrap.cloud == one.cloud)
        pending, failures = set[asyncio.Task[bytes]](), list[BaseException]()
        try:
            while (queue or pending) and (left := end - loop.time()) > 0:
                if queue:
                    one, wrap = queue.popleft()
                    call = _unwrapped_by(one, wrap, locked)
                    pending.add(self._start("unwrap", one, call, timedelta(seconds=left)))
                patience = min(left, hedge.total_seconds()) if queue else left
                done, pending = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if (failure := task.exception()) is None:
                        return task.result()
                    failures.append(failure)
        finally:
            _leave(pending)
        told = "; ".join(sorted(_tell(failure) for failure in failures)) or "no cloud answered"
        if queue or pending or any(not isinstance(failure, WrapRefused | WrapBroken) for failure in failures):
            raise KeysOutOfReach(f"no cloud in reach opens data key {locked.id} at present: {told}")
        raise KeyLost(f"data key {locked.id} has {len(locked.wraps)} wraps, and none can be opened: {told}")

    async def wrap_by(self, cloud: str, material: bytes, context: bytes, deadline: timedelta) -> Wrapped | None:
        """A wrap by this cloud; None when it did not make one."""
        (one,) = (wrapper for wrapper in self._wrappers if wrapper.cloud == cloud)
        (wrapped,) = await self._gather([self._start("wrap", one, _wrapped_by(one, material, context), deadline)])
        return wrapped

    async def current(self, deadline: timedelta) -> dict[str, str]:
        """Which key-encryption key each cloud would use now; clouds that did not say are left out."""
        tasks = [self._start("current", one, one.current, deadline) for one in self._wrappers]
        found = await self._gather(tasks)
        return {one.cloud: kek for one, kek in zip(self._wrappers, found, strict=True) if kek is not None}

    async def _gather(self, tasks: "Sequence[asyncio.Task[T]]") -> list[T | None]:
        try:
            await asyncio.wait(tasks)
        finally:
            _leave(tasks)
        return [task.result() if task.exception() is None else None for task in tasks]

    def _start(
        self, action: str, one: Wrapper, call: Callable[[timedelta], Awaitable[T]], deadline: timedelta
    ) -> "asyncio.Task[T]":
        async def ask() -> T:
            # The adapter has the deadline too. Two of three SDKs wait in a thread of their own, which a cancelled call leaves behind.
            with step("key service", Kind.CLIENT, cloud=one.cloud, action=action):
                try:
                    async with asyncio.timeout(deadline.total_seconds()):
                        return await call(deadline)
                except TimeoutError as error:
                    raise WrapUnavailable(f"{one.cloud} did not answer within {deadline.total_seconds():g} s") from error

        task = asyncio.get_running_loop().create_task(ask())
        task.add_done_callback(lambda ended: self._count(one.cloud, action, ended))
        return task

    def _count(self, cloud: str, action: str, ended: "asyncio.Task[T]") -> None:
        if ended.cancelled():
            self._meter.asked(cloud, action, "left behind")
            return
        failure = ended.exception()
        self._meter.asked(cloud, action, "ok" if failure is None else type(failure).__name__)
        if failure is not None and not isinstance(failure, WrapUnavailable):
            # Only our own errors' words are known to hold no key.
            why = str(failure) if isinstance(failure, Wrap) else type(failure).__name__
            log.warning("a cloud did not do it", cloud=cloud, action=action, why=why)


def _wrapped_by(one: Wrapper, material: bytes, context: bytes) -> Callable[[timedelta], Awaitable[Wrapped]]:
    async def call(deadline: timedelta) -> Wrapped:
        return await one.wrap(material, context, deadline)

    return call


def _unwrapped_by(one: Wrapper, wrap: Wrapped, locked: LockedKey) -> Callable[[timedelta], Awaitable[bytes]]:
    async def call(deadline: timedelta) -> bytes:
        material = await one.unwrap(wrap, locked.context, deadline)
        # An API that lies would have a wrong key seal a number for ever.
        if not sealing.is_key(material, locked.id, locked.check):
            raise WrapBroken(f"{one.cloud} answered something that is not data key {locked.id}")
        return material

    return call


def _tell(failure: BaseException) -> str:
    return str(failure) if isinstance(failure, Wrap) else type(failure).__name__


def _leave(tasks: "Iterable[asyncio.Task[T]]") -> None:
    """End the calls that nobody waits for any more; how they end is told by their own callbacks."""
    for task in tasks:
        task.cancel()
