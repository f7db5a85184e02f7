"""`python -m edge.pair --settings FILE`: HAProxy and the agent beside it, as one process for whoever starts containers.

Both live, or neither does. 1. The agent dies, and HAProxy goes on as it was told last. 2. The container still runs, so nobody starts
anything again. 3. The site is drained, the posture says so, and this edge goes on giving its own service payments. In the lab, and on a
machine with units, each is started again by itself; in a container only the whole can be.
"""

import argparse
import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from controller.errors import SettingsError
from edge import haproxy
from edge.__main__ import configure_log
from edge.settings import read_settings

log = structlog.get_logger()

CONFIGURATION = "haproxy.cfg"
"""Beside the settings file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an end may take. Together below the ten seconds that Cloud Run gives, the shortest of the three (Cloud Run documentation,
    "Container runtime contract")."""

    requests: timedelta = timedelta(seconds=6)
    """For requests that are inside. HAProxy takes no new ones then."""
    leaving: timedelta = timedelta(seconds=1)
    """For a process that was told to go at once; then it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What is started: two command lines."""

    proxy: Sequence[str | Path]
    agent: Sequence[str | Path]
    patience: Patience = Patience()

    async def live(self, told: asyncio.Event) -> int:
        """Until told to end, which is status 0, or until one of them ends by itself, which is 1. Both have ended then. Raises OSError
        when one cannot be started; the other one has ended then too."""
        proxy = await asyncio.create_subprocess_exec(*self.proxy)
        try:
            agent = await asyncio.create_subprocess_exec(*self.agent)
        except OSError:
            await self._end(proxy, signal.SIGTERM)
            raise
        try:
            return await self._watch(proxy, agent, told)
        finally:
            # HAProxy first: as long as it answers for anybody, health checks want to hear the agent through it.
            await self._end(proxy, signal.SIGUSR1, signal.SIGTERM)
            await self._end(agent, signal.SIGTERM)

    async def _watch(self, proxy: Process, agent: Process, told: asyncio.Event) -> int:
        names = {"haproxy": proxy, "agent": agent}
        ends = {asyncio.create_task(process.wait(), name=name) for name, process in names.items()}
        waiting = asyncio.create_task(told.wait())
        try:
            await asyncio.wait({*ends, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*ends, waiting):
                task.cancel()
        if told.is_set():
            log.info("stopping")
            return 0
        for one in (one for one in ends if one.done()):
            log.error("ended by itself, and the other one is ended with it", process=one.get_name(), status=one.result())
        return 1

    async def _end(self, process: Process, *softly: signal.Signals) -> None:
        """Tell it in these ways, one after the other, and kill it when none helps. `SIGUSR1` lets HAProxy finish what it has."""
        for number in softly:
            patience = self.patience.requests if number is signal.SIGUSR1 else self.patience.leaving
            with suppress(ProcessLookupError):
                process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience.total_seconds())
                return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT. Exit status 2 when settings cannot be used or nothing can be started, 1 when one ended by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m edge.pair", description="One site's HAProxy and the posture agent beside it."
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    parser.add_argument("--haproxy", default="haproxy", metavar="PROGRAM", help="default: the one on PATH")
    arguments = parser.parse_args(argv)
    configuration: Path = arguments.settings.absolute().parent / CONFIGURATION
    try:
        _write(configuration, haproxy.render(read_settings(arguments.settings)))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{configuration}: expected a file that can be written: {error.strerror}\n")
        return 2
    configure_log()
    isolated = ("-I",) if sys.flags.isolated else ()
    agent = (sys.executable, *isolated, "-m", "edge", "--settings", arguments.settings)
    # -db: in the foreground, one process.
    pair = Pair(proxy=(arguments.haproxy, "-db", "-f", configuration), agent=agent)
    try:
        return asyncio.run(_until_told(pair))
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'haproxy, agent'}: expected a program that can be started: {error.strerror}\n")
        return 2


async def _until_told(pair: Pair) -> int:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return await pair.live(told)


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8") as opened:
        opened.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
