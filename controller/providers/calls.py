"""Blocking SDK calls whose deadline fires whatever the API does, and that nobody ever has to wait for."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar

from controller.errors import Transient

T = TypeVar("T")

Translated = Callable[[str], AbstractContextManager[None]]
"""Given the operation, a context in which the vendor's errors become ours: each cloud's own `errors.translated`."""


LOOK_AGAIN = timedelta(milliseconds=250)
"""Between two looks at what an abandoned call waits on: it may have been between two connections."""

_CALL = threading.local()


def refuse_late(*_: object, **__: object) -> None:
    """For every SDK to ask right before it sends. Raises Transient when the call that this thread carries out was given up.

    The token that a change waited for is there at last, and the change is not wanted any more: sent all the same, it would arrive after
    what was asked for next, and stand.
    """
    over: threading.Event | None = getattr(_CALL, "over", None)
    if over is not None and over.is_set():
        raise Transient("not sent, the deadline was over")


class Calls:
    """Runs blocking SDK calls in daemon threads, and counts them.

    Daemon threads rather than an executor: the interpreter joins an executor's threads on exit, so one API that dribbles a byte
    a second (an SDK's read timeout starts anew with every byte) would keep a stopped controller from ending, and its
    replacement from starting, for as long as the API likes. For the same reason the connection of a call that is given up is shut
    down: sixteen such answers would otherwise keep everybody from asking an API that has long recovered.
    """

    LIMIT = 16
    """Calls under way at once, abandoned ones included; one more is refused as Transient instead of piling up threads."""

    def __init__(self, translated: Translated) -> None:
        self._translated = translated
        self._free = threading.BoundedSemaphore(self.LIMIT)
        self.count = 0
        """Calls that were sent, whatever became of them. One `run` is one request to the API."""

    async def run(self, operation: str, call: Callable[[], T], within: timedelta) -> T:
        """The call's answer, or a translated error; Transient when `within` is over, the effect then being unknown.

        `call` also takes from the answer what its caller needs: what it stumbles over there is translated like any other failure.
        """
        if within <= timedelta():
            raise Transient(f"{operation}: not asked, the deadline was over")
        if not self._free.acquire(blocking=False):
            raise Transient(f"{operation}: not asked, {self.LIMIT} earlier calls still hang")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        over = threading.Event()
        worker = threading.Thread(target=self._work, args=(call, answer, loop, over), name=operation, daemon=True)
        try:
            worker.start()
        except RuntimeError as error:
            self._free.release()
            raise Transient(f"{operation}: not asked, no thread can be started: {error}") from error
        self.count += 1
        try:
            async with asyncio.timeout(within.total_seconds()):
                with self._translated(operation):
                    return await answer
        except TimeoutError as error:
            raise Transient(f"{operation}: no answer within {within.total_seconds():.2f} s") from error
        finally:
            if not answer.done() or answer.cancelled():
                over.set()
                self._give_up(worker, loop)

    def _give_up(self, worker: threading.Thread, loop: asyncio.AbstractEventLoop) -> None:
        """Until the thread has ended. What it sent may have been carried out, as after any lost answer."""
        if worker.is_alive():
            _shut_down(worker)
            loop.call_later(LOOK_AGAIN.total_seconds(), self._give_up, worker, loop)

    def _work(
        self, call: Callable[[], T], answer: "asyncio.Future[T]", loop: asyncio.AbstractEventLoop, over: threading.Event
    ) -> None:
        _CALL.over = over
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  carried to the waiter, who raises it there
            self._deliver(loop, answer, partial(answer.set_exception, error))
        else:
            self._deliver(loop, answer, partial(answer.set_result, result))
        finally:
            self._free.release()

    @staticmethod
    def _deliver(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]", settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle())


def _shut_down(worker: threading.Thread) -> None:
    """Shut the socket down that a thread waits on, whichever SDK it is in: its own stack says which one that is.

    No SDK hands its sockets out, and their timeouts begin anew with every byte. In the moment between looking and shutting down the
    thread may get its answer and another one the connection: that one then has a lost answer more.
    """
    frame = sys._current_frames().get(worker.ident or 0)
    while frame is not None:
        names = frame.f_locals
        own = names.get("self")
        for held in (own, names.get("sock"), getattr(own, "_sock", None), getattr(own, "sock", None)):
            if isinstance(held, socket.socket):
                with suppress(OSError):
                    socket.socket.shutdown(held, socket.SHUT_RDWR)  # of TLS too: its own would speak plainly from here on
                return
        frame = frame.f_back
