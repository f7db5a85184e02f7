"""One controller process: log, serve the operator API, work, and end quickly when told to.

Stopping never waits for the far side: every step is idempotent and carries a token, so whoever takes a plan over repeats at most
what does no harm. The session is revoked, and the next controller goes on at once.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from datetime import timedelta

import structlog
from aiohttp import web

from controller import api
from controller.api import evidence
from controller.ports import Clock
from controller.settings import Settings
from controller.wiring import Assembly, assembled
from controller.wiring_audit import archives

log = structlog.get_logger()

GRACE = timedelta(seconds=1)
"""From the signal to the end of the process, whatever still hangs: the interpreter would wait for a name that is being resolved."""

YIELD = timedelta(seconds=0.3)
"""For the work to end before the session is revoked, so that nobody here opens a new one. A database call in a black hole takes
ten seconds to notice its first cancellation, and ends at the second one, which follows when the loop closes."""


def configure_logging() -> None:
    """One JSON object per line on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def run(settings: Settings, listener: socket.socket, clock: Clock | None = None) -> int:
    """Work until SIGTERM or SIGINT; answers 0 then. A defect in the work ends the process with its traceback. `clock`: None for the
    machine's own."""
    configure_logging()
    structlog.contextvars.bind_contextvars(site=settings.site)
    # Not uvloop: a TLS connection that is reset in the moment in which it is made has its descriptor closed twice there, the second time
    # in another's hands (docs/decisions/0017-a-descriptor-is-closed-once.md).
    asyncio.run(_until_told(settings, listener, clock))
    return 0


async def _until_told(settings: Settings, listener: socket.socket, clock: Clock | None) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, told)
    await serve(settings, listener, told, clock)


def stop(told: asyncio.Event) -> None:
    """Begin the end of this process; it comes by itself, or after `GRACE`."""
    log.info("stopping")
    told.set()
    end = threading.Timer(GRACE.total_seconds(), os._exit, (0,))
    end.daemon = True
    end.start()


async def serve(settings: Settings, listener: socket.socket, told: asyncio.Event, clock: Clock | None = None) -> None:
    """Serve and work until told to stop. Raises what ended the work, if anything did."""
    async with assembled(settings, clock) as assembly:
        operators = api.build(
            site=settings.site,
            loops=assembly.loops,
            coordination=assembly.store,
            metrics=assembly.metrics,
            clock=assembly.clock,
            zone=assembly.zone,
            providers=assembly.providers,
            companions={name: settings.companions_of(name) for name in assembly.loops},
            gate=api.Gate(token=settings.listen.token, local=settings.listen.local),
        )
        evidence.add(operators, archives(settings, assembly.store, assembly.nodes))
        runner = web.AppRunner(operators, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        log.info("serving", address="{}:{}".format(*listener.getsockname()[:2]))
        try:
            await _work(assembly, told)
        finally:
            await runner.cleanup()
    log.info("stopped")


async def _work(assembly: Assembly, told: asyncio.Event) -> None:
    work, waiting = asyncio.create_task(assembly.work(), name="work"), asyncio.create_task(told.wait(), name="told")
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        waiting.cancel()
        work.cancel()
        await asyncio.wait({work}, timeout=YIELD.total_seconds())
