"""The noise of `make calm`: links that jitter and lose, processes that stop for a moment."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from lab.cabling import ISSUER, SITES, Cabling
from lab.laboratory import Laboratory
from lab.links import ONE_WAY
from lab.site import CONTROLLER

JITTER = timedelta(milliseconds=112.5)
"""One way, on top of the usual delay: together a round trip of 25 to 250 ms."""

LOSS = 0.02
LONGEST_PAUSE = 2.0
"""Seconds."""

PAUSE_EVERY = 20.0
"""Mean seconds between two pauses of one process."""


class Pausable(Protocol):
    """What a pause needs of a process."""

    @property
    def alive(self) -> bool:
        """Has it not ended?"""

    def freeze(self) -> None:
        """Stop it where it stands; blocks until it has."""

    def thaw(self) -> None:
        """Let it go on."""


@asynccontextmanager
async def noise(lab: Laboratory, seed: int) -> AsyncIterator[Mapping[str, int]]:
    """Noise for the length of the block, with the number of pauses of each process so far. Leaves quiet links and running
    processes behind, however the block ends. Raises LabError when a process could not be stopped as it should have been."""
    labels = victims(lab.processes(), lab.services)
    pauses = Counter(dict.fromkeys(labels, 0))
    await shape(lab.cabling, jitter=JITTER, loss=LOSS)
    tasks = [asyncio.create_task(_pause(lab, label, pauses, random.Random(f"{seed}/{label}"))) for label in labels]
    try:
        yield pauses
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await shape(lab.cabling, jitter=timedelta(0), loss=0)
    for ended in ends:
        if isinstance(ended, Exception):
            raise ended


def victims(labels: Iterable[str], services: Iterable[str]) -> list[str]:
    """Who pauses: every controller, and every process of every service."""
    begins = tuple(f"{name}-" for name in (CONTROLLER, *services))
    return [label for label in labels if label.startswith(begins)]


async def shape(cabling: Cabling, *, jitter: timedelta, loss: float) -> None:
    """Make every way between two places like this: those between sites, to the emulated APIs and the issuer, and the clients'."""
    for place in (*SITES, ISSUER):
        await cabling.slow(place, delay=ONE_WAY, jitter=jitter, loss=loss)


async def _pause(lab: Laboratory, label: str, pauses: Counter[str], chance: random.Random) -> None:
    # Looked up anew each time: of a process that was started again the old object would be stopped, which stops nothing.
    await pause_now_and_then(lambda: lab.processes()[label], lambda: pauses.update([label]), chance, asyncio.sleep)


async def pause_now_and_then(
    find: Callable[[], Pausable], paused: Callable[[], None], chance: random.Random, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Stop whatever process there is at that moment for up to two seconds, again and again, until cancelled; never leaves it
    stopped. `paused` is told of each."""
    while True:
        await sleep(chance.expovariate(1 / PAUSE_EVERY))
        process = find()
        if not process.alive:
            continue
        freezing = asyncio.ensure_future(asyncio.to_thread(process.freeze))
        try:
            await asyncio.shield(freezing)
            await sleep(chance.uniform(0, LONGEST_PAUSE))
        finally:
            # Cancelled while its thread still stops one process after the other: thawed before that thread is through, some of
            # them would be stopped after that, for good.
            await asyncio.wait({freezing})
            process.thaw()
        paused()
