"""How this process talks to AWS: clients whose waits are bounded, and calls whose deadline fires whatever the API does."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config

from controller.errors import Transient
from controller.providers.aws.errors import translated

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

T = TypeVar("T")

REGION = "us-east-1"
"""Route 53 is one global service; its control plane lives in, and requests are signed for, this region."""


def route53_client(
    *, endpoint_url: str | None, connect: timedelta = timedelta(seconds=1), read: timedelta = timedelta(seconds=2)
) -> "Route53Client":
    """A client with AWS's own chain of credentials (environment, profile, instance role); None: AWS's public endpoint.

    botocore makes one attempt only: it would retry past any deadline of ours. May ask an instance's metadata service, so it is
    made inside the first call's deadline, not when the process starts.
    """
    config = Config(
        connect_timeout=connect.total_seconds(),
        read_timeout=read.total_seconds(),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=Calls.LIMIT,
    )
    return boto3.session.Session().client("route53", region_name=REGION, endpoint_url=endpoint_url, config=config)


class Calls:
    """Runs blocking SDK calls in threads that nobody ever has to wait for.

    Daemon threads rather than an executor: the interpreter joins an executor's threads on exit, so one API that dribbles a byte
    a second (botocore's read timeout starts anew with every byte) would keep a stopped controller from ending, and its
    replacement from starting, for as long as the API likes.
    """

    LIMIT = 16
    """Calls under way at once, abandoned ones included; one more is refused as Transient instead of piling up threads."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(self.LIMIT)

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
        worker = threading.Thread(target=self._work, args=(call, answer, loop), name=operation, daemon=True)
        try:
            worker.start()
        except RuntimeError as error:
            self._free.release()
            raise Transient(f"{operation}: not asked, no thread can be started: {error}") from error
        try:
            async with asyncio.timeout(within.total_seconds()):
                with translated(operation):
                    return await answer
        except TimeoutError as error:
            raise Transient(f"{operation}: no answer within {within.total_seconds():.2f} s") from error

    def _work(self, call: Callable[[], T], answer: "asyncio.Future[T]", loop: asyncio.AbstractEventLoop) -> None:
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
