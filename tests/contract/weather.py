"""The faults of an emulated cloud, in the words of the contract suites."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from controller.errors import Conflict, Denied, Transient
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule

BECOMES: list[tuple[FaultKind, type[Exception]]] = [
    (FaultKind.DENY, Denied),
    (FaultKind.GARBLE, Transient),
    (FaultKind.LIE, Transient),
    (FaultKind.REFUSE, Transient),
    (FaultKind.UNAVAILABLE, Transient),
    (FaultKind.THROTTLE, Transient),
    (FaultKind.BUSY, Conflict),
]
"""What callers see of an API that fails so for as long as anybody asks."""


@asynccontextmanager
async def fair(url: str) -> AsyncIterator[CloudControl]:
    """The control of an emulated cloud, which is well before and after."""
    async with aiohttp.ClientSession() as http:
        control = CloudControl(http, url)
        await control.inject([])
        yield control
        await control.inject([])


class Weather:
    """The faults that every suite asks for, on any emulated cloud. `change` names the operation that changes something."""

    def __init__(self, control: CloudControl, change: str) -> None:
        self.control, self.change = control, change

    async def throttle(self, requests: int) -> None:
        """So many of the next requests are turned away, half of them as too many, half as unavailable."""
        half = (requests + 1) // 2
        rules = [Rule(kind=FaultKind.THROTTLE, count=half)]
        if requests > half:
            rules.append(Rule(kind=FaultKind.UNAVAILABLE, count=requests - half))
        await self.control.inject(rules)

    async def lose_answer(self) -> None:
        """The next change is carried out and not answered."""
        await self.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, operation=self.change, count=1)])

    async def ignore_change(self) -> None:
        """The next change is answered and not carried out."""
        await self.control.inject([Rule(kind=FaultKind.NO_EFFECT, operation=self.change, count=1)])

    async def delay_change(self, seconds: float) -> None:
        """The next change is on its way for so long."""
        await self.control.inject([Rule(kind=FaultKind.DELAY, operation=self.change, count=1, seconds=seconds)])

    async def hang(self) -> None:
        """Nothing is answered."""
        await self.control.inject([Rule(kind=FaultKind.HANG)])

    async def lie(self) -> None:
        """Everything is answered as if it had gone well, with a page that has nothing to do with the question."""
        await self.control.inject([Rule(kind=FaultKind.LIE)])

    async def deny(self) -> None:
        """Nobody has permission for anything."""
        await self.control.inject([Rule(kind=FaultKind.DENY)])

    async def deny_changes(self) -> None:
        """Reading is permitted, changing is not."""
        await self.control.inject([Rule(kind=FaultKind.DENY, operation=self.change)])

    async def heal(self) -> None:
        """All is well."""
        await self.control.inject([])
