"""One process of a service: its listening socket, its log, and serving until it is told to stop."""

import logging
import signal
import socket

import structlog
import uvicorn
from starlette.types import ASGIApp

from workload.durable.settings import Address

log = structlog.get_logger()


class CannotListen(Exception):
    """The address is taken or not this machine's; the message says what to mend."""


def listen(address: Address) -> socket.socket:
    """A listening socket. Raises CannotListen."""
    try:
        return socket.create_server((address.host, address.port), backlog=1024)
    except OSError as error:
        reason = f"expected an address that can be listened on, {address.host}:{address.port} cannot: {error.strerror}"
        raise CannotListen(f"listen: {reason}; free it or choose another") from error


def log_json() -> None:
    """One JSON line per event, from here on."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


async def serve(application: ASGIApp, listener: socket.socket, *, site: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside."""
    config = uvicorn.Config(
        application, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75, timeout_graceful_shutdown=3
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal that stopped it once more when it is done; by then there is nothing left to stop.
        signal.signal(number, lambda *_: None)
    log.info("serving", site=site, address="{}:{}".format(*listener.getsockname()[:2]))
    await uvicorn.Server(config).serve(sockets=[listener])
    log.info("stopped", site=site)
