"""`python -m edge --settings FILE`: the agent of one edge; with `--configuration`, what its HAProxy is to be started with."""

import argparse
import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from aiohttp import web

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.errors import SettingsError
from controller.probing.bearer import client_context
from edge import beacon, haproxy
from edge.agent import Agent
from edge.posture import Listener
from edge.runtime import Runtime
from edge.settings import Settings, read_settings

log = structlog.get_logger()


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m edge", description="The posture agent beside one site's HAProxy.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    parser.add_argument("--configuration", action="store_true", help="print HAProxy's configuration and end")
    arguments = parser.parse_args(argv)
    try:
        settings = read_settings(arguments.settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if arguments.configuration:
        sys.stdout.write(haproxy.render(settings))
        return 0
    try:
        known = _known(settings)
    except (OSError, ssl.SSLError) as error:
        sys.stderr.write(f"{arguments.settings}: etcd.identity: expected PEM files of a certificate and its authority: {error}\n")
        return 2
    try:
        listener = socket.create_server((settings.agent.host, settings.agent.port), backlog=128)
    except OSError as error:
        reason = f"expected an address that can be listened on, {settings.agent} cannot: {error.strerror}"
        sys.stderr.write(f"{arguments.settings}: agent: {reason}; free it or choose another\n")
        return 2
    configure_log()
    asyncio.run(_until_told(settings, listener, known))
    return 0


async def _until_told(settings: Settings, listener: socket.socket, known: ssl.SSLContext | None) -> None:
    """Work and serve; HAProxy goes on as it was told last when this ends."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    clock, etcd = SystemClock(), Etcd(settings.etcd.endpoints, context=known)
    heard = Listener(etcd, service=settings.service, file=settings.posture_file, clock=clock)
    agent = Agent(settings, listener=heard, runtime=Runtime(settings.haproxy.socket), clock=clock)
    runner = web.AppRunner(beacon.build(agent), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    log.info("serving", address=str(settings.agent), site=settings.site)
    work, waiting = asyncio.create_task(agent.run(), name="work"), asyncio.create_task(told.wait(), name="told")
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        waiting.cancel()
        work.cancel()
        await asyncio.wait({work})
        await runner.cleanup()
        await etcd.close()
    log.info("stopped")


def _known(settings: Settings) -> ssl.SSLContext | None:
    """As who etcd's members are asked; None: as anybody. Raises OSError, ssl.SSLError."""
    own = settings.etcd.identity
    return None if own is None else client_context(own.certificate, own.authority)


def configure_log() -> None:
    """One JSON object per line on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
