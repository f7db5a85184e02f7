"""An event loop in which no time passes: when everybody waits, the clock goes to the moment at which the first one wakes."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

TURNS = 200_000
"""Turns without any time passing after which somebody runs in a circle."""


class NothingEverHappens(RuntimeError):
    """Everybody waits for somebody, and nobody for a moment in time."""


class _Selector(selectors.SelectSelector):
    """Waits for nothing; moves its loop's time on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.turns = 0.0, 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What happened meanwhile: nothing, because there is no outside."""
        if timeout is None:
            raise NothingEverHappens("every task waits for another one")
        if timeout > 0:
            self.now, self.turns = self.now + timeout, 0
        else:
            self.turns += 1
            if self.turns > TURNS:
                raise NothingEverHappens(f"{TURNS} turns without a moment passing")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio as it is, on a time of its own that starts at 0."""

    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        """Seconds since the start."""
        return self.selector.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own; whoever is left is dismissed."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.set_task_factory(None)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
