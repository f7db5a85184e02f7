"""One process of a service: its command line, its listening socket, its work beside serving, and serving until it is told to stop."""

import argparse
import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
import uvicorn
from starlette.types import ASGIApp

from workload.access.peer import uvicorn_options
from workload.durable.database import die_of_a_defect
from workload.durable.settings import Address, SettingsError, read_settings
from workload.layer_settings import LayerSettings
from workload.telemetry.logs import log_json

log = structlog.get_logger()

S = TypeVar("S", bound=LayerSettings)
B = TypeVar("B")


class CannotListen(Exception):
    """The address is taken or not this machine's; the message says what to mend."""


class CannotBegin(Exception):
    """The process cannot do what it is for; the message has one line for each thing to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Generic[S]):
    """What `python -m MODULE --settings FILE` is."""

    module: str
    what: str
    shape: type[S]
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment, with what each is for."""
    refused: tuple[type[Exception], ...] = ()
    """What else `build` raises for settings that cannot be used."""


def begin(
    program: Program[S], argv: Sequence[str], environ: Mapping[str, str], build: Callable[[S, Mapping[str, str]], B]
) -> tuple[B, socket.socket]:
    """What `build` makes of settings and secrets, and a listening socket; from here on the log is JSON. Raises CannotBegin."""
    parser = argparse.ArgumentParser(prog=f"python -m {program.module}", description=program.what)
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    file: Path = parser.parse_args(argv).settings
    refused: tuple[type[Exception], ...] = (CannotBegin, CannotListen, *program.refused)
    try:
        settings, secrets = read_settings(file, program.shape, environ, program.secrets)
        built, listener = build(settings, secrets), listen(settings.listen)
    except SettingsError as error:
        raise CannotBegin(str(error)) from error
    except refused as error:
        raise CannotBegin(f"{file}: {error}") from error
    log_json()
    return built, listener


def listen(address: Address) -> socket.socket:
    """A listening socket. Raises CannotListen."""
    try:
        return socket.create_server((address.host, address.port), backlog=1024)
    except OSError as error:
        reason = f"expected an address that can be listened on, {address.host}:{address.port} cannot: {error.strerror}"
        raise CannotListen(f"listen: {reason}; free it or choose another") from error


@asynccontextmanager
async def beside(*work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do this work for the length of the block. What ends one of them stops the process, and is raised at the end of the block."""
    tasks = [asyncio.create_task(one()) for one in work]
    for task in tasks:
        task.add_done_callback(die_of_a_defect)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for defect in ended:
        if isinstance(defect, Exception):
            raise defect


async def serve(application: ASGIApp, listener: socket.socket, *, site: str, context: ssl.SSLContext | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. `context`: None for HTTP without TLS."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        **({} if context is None else uvicorn_options(context)),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal that stopped it once more when it is done; by then there is nothing left to stop.
        signal.signal(number, lambda *_: None)
    log.info("serving", site=site, address="{}:{}".format(*listener.getsockname()[:2]), tls=context is not None)
    await uvicorn.Server(config).serve(sockets=[listener])
    log.info("stopped", site=site)
