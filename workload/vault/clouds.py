"""Asks the clouds' key services: all of them at once to wrap, the nearest first to unwrap. No cloud waits for another.

A key service on a black hole must cost little and stop nothing: whoever has not answered in time is left behind, and its call is
ended. Whatever goes wrong at one cloud, a defect of its adapter too, is that cloud's alone.

A wrap counts once the same cloud opened it to the same key. Whoever may encrypt need not be allowed to decrypt, and one vendor's SDK wraps
by itself with a public key: with two such wraps a data key passes for durable, and is lost when it leaves the cache.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from workload.telemetry.steps import Kind, step
from workload.vault import sealing
from workload.vault.errors import (
    KeyLost,
    KeysOutOfReach,
    Wrap,
    WrapBroken,
    WrapDenied,
    WrapDiffers,
    WrapForeign,
    WrapRefused,
    WrapUnavailable,
)
from workload.vault.model import LockedKey
from workload.vault.suspects import Suspects
from workload.vault.turns import Turns
from workload.vault.wrapping import Wrapped, Wrapper

log = structlog.get_logger()
T = TypeVar("T")


class Meter(Protocol):
    """Counts what became of calls to key services."""

    def asked(self, cloud: str, action: str, result: str) -> None:
        """One call ended: `ok`, or the name of what went wrong."""

    def broken(self, kind: str) -> None:
        """Something does not open as it should: a person must look."""


class Clouds:
    """The key services of this process, nearest first."""

    def __init__(self, wrappers: Sequence[Wrapper], meter: Meter) -> None:
        self._wrappers = tuple(wrappers)
        self._meter = meter
        self._turns = {wrapper.cloud: Turns(wrapper.cloud) for wrapper in wrappers}
        self.suspects = Suspects()
        """Wraps that did not open while another cloud's did."""

    @property
    def names(self) -> tuple[str, ...]:
        """The clouds, nearest first."""
        return tuple(wrapper.cloud for wrapper in self._wrappers)

    async def wrap(
        self, material: bytes, context: bytes, *, minimum: int, deadline: timedelta, grace: timedelta
    ) -> tuple[Wrapped, ...]:
        """Wraps by at least `minimum` clouds, each seen to open; once these are there the others have `grace` left. Raises
        KeysOutOfReach."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        tasks = [self._start("wrap", one, _proven_by(one, material, context), deadline) for one in self._wrappers]
        pending, made = set(tasks), list[Wrapped]()
        try:
            while pending and (left := end - loop.time()) > 0:
                before = len(made)
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                made += [task.result() for task in done if task.exception() is None]
                if len(made) + len(pending) < minimum:
                    break  # whoever waits for more holds a place in the service, in vain
                if before < minimum <= len(made):
                    end = min(end, loop.time() + grace.total_seconds())
        finally:
            _leave(pending)
        if len(made) < minimum:
            raise KeysOutOfReach(f"{len(made)} of {len(tasks)} clouds wrapped the new key in time, {minimum} must")
        return tuple(sorted(made, key=lambda wrap: wrap.cloud))

    async def unwrap(self, locked: LockedKey, *, deadline: timedelta, hedge: timedelta) -> bytes:
        """The key: by the nearest cloud, and by the next one too whenever `hedge` went by or one failed.

        Raises KeysOutOfReach when somebody was not asked, KeyLost when everybody looked at the wraps and nobody opened one.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        queue = deque((one, wrap) for one in self._wrappers for wrap in locked.wraps if wrap.cloud == one.cloud)
        pending, failures = dict[asyncio.Task[bytes], Wrapped](), list[tuple[Wrapped, BaseException]]()
        try:
            while (queue or pending) and (left := end - loop.time()) > 0:
                if queue:
                    one, wrap = queue.popleft()
                    call = _unwrapped_by(one, wrap, locked)
                    pending[self._start("unwrap", one, call, timedelta(seconds=left))] = wrap
                patience = min(left, hedge.total_seconds()) if queue else left
                done, _ = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                ended = [(task, pending.pop(task)) for task in done]
                failures += [(wrap, failure) for task, wrap in ended if (failure := task.exception()) is not None]
                for task, wrap in ended:
                    if task.exception() is None:
                        self._compare(locked, wrap.cloud, failures)
                        return task.result()
        finally:
            _leave(pending)
        told = "; ".join(sorted(_tell(failure) for _, failure in failures)) or "no cloud was asked"
        if len(failures) < len(locked.wraps) or not all(_looked(failure) for _, failure in failures):
            raise KeysOutOfReach(f"no cloud in reach opens data key {locked.id} at present: {told}")
        raise KeyLost(f"data key {locked.id} has {len(locked.wraps)} wraps, and none can be opened: {told}")

    def _compare(self, locked: LockedKey, opened_by: str, failures: Iterable[tuple[Wrapped, BaseException]]) -> None:
        """One cloud opened the key. What others said of their wraps of it is told to people, or left to repairs."""
        for wrap, failure in failures:
            if isinstance(failure, WrapDiffers):
                self._tell_differing(locked, wrap.cloud, opened_by)
            elif isinstance(failure, WrapBroken | WrapRefused) and _looked(failure):
                self.suspects.add(locked.id, wrap)

    def _tell_differing(self, locked: LockedKey, cloud: str, opened_by: str) -> None:
        self._meter.broken("clouds-differ")
        log.critical("clouds differ about a data key", data_key=str(locked.id), cloud=cloud, opened_by=opened_by)

    async def renew(self, cloud: str, material: bytes, locked: LockedKey, deadline: timedelta) -> Wrapped | None:
        """A new wrap by this cloud, seen to open. None when it made none, or when the one that is there opens to another key: of two
        keys of one name this process cannot tell which one is somebody's, and the other's wrap would be gone. So it is also when the
        cloud did not look at it just now; the next round asks again."""
        (one,) = (wrapper for wrapper in self._wrappers if wrapper.cloud == cloud)
        for old in (wrap for wrap in locked.wraps if wrap.cloud == cloud):
            task = self._start("unwrap", one, _unwrapped_by(one, old, locked), deadline)
            await self._gather([task])
            match task.exception():
                case WrapDiffers():
                    self._tell_differing(locked, cloud, "the one beside it")
                    return None
                case BaseException() as failure if not (_looked(failure) or isinstance(failure, WrapForeign)):
                    return None
        (wrapped,) = await self._gather([self._start("wrap", one, _proven_by(one, material, locked.context), deadline)])
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
            # The adapter has the deadline too, or what waiting for a turn has left of it. Two of three SDKs wait in a thread of their own,
            # which a cancelled call leaves behind.
            with step("key service", Kind.CLIENT, cloud=one.cloud, action=action):
                end = loop.time() + deadline.total_seconds()
                try:
                    async with asyncio.timeout_at(end), self._turns[one.cloud].turn():
                        return await call(timedelta(seconds=end - loop.time()))
                except TimeoutError as error:
                    raise WrapUnavailable(f"{one.cloud} did not answer within {deadline.total_seconds():g} s") from error

        loop = asyncio.get_running_loop()
        task = loop.create_task(ask())
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


def _proven_by(one: Wrapper, material: bytes, context: bytes) -> Callable[[timedelta], Awaitable[Wrapped]]:
    async def call(deadline: timedelta) -> Wrapped:
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline.total_seconds()
        wrapped = await one.wrap(material, context, deadline)
        try:
            opened = await one.unwrap(wrapped, context, timedelta(seconds=end - loop.time()))
        except Wrap as failure:
            raise type(failure)(f"what was just wrapped was not seen to open: {failure}") from failure
        if not hmac.compare_digest(opened, material):
            raise WrapDiffers(f"{one.cloud} opened what it had just wrapped to something else")
        return wrapped

    return call


def _unwrapped_by(one: Wrapper, wrap: Wrapped, locked: LockedKey) -> Callable[[timedelta], Awaitable[bytes]]:
    async def call(deadline: timedelta) -> bytes:
        material = await one.unwrap(wrap, locked.context, deadline)
        # An API that lies would have a wrong key seal a number for ever.
        if not sealing.is_key(material, locked.id, locked.check):
            raise WrapDiffers(f"{one.cloud} answered something that is not data key {locked.id}")
        return material

    return call


def _looked(failure: BaseException) -> bool:
    """Did the cloud answer about the wrap? Expired credentials at every cloud lose no key, and neither does a name in the settings."""
    return isinstance(failure, WrapRefused | WrapBroken) and not isinstance(failure, WrapDenied | WrapForeign)


def _tell(failure: BaseException) -> str:
    return str(failure) if isinstance(failure, Wrap) else type(failure).__name__


def _leave(tasks: "Iterable[asyncio.Task[T]]") -> None:
    """End the calls that nobody waits for any more; how they end is told by their own callbacks."""
    for task in tasks:
        task.cancel()
