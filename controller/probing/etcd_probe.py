"""Asks every member of etcd now and then whether it is well, so that people hear of one that is gone while the others still are a majority.

Nothing that decides sees it: whoever reads and writes etcd finds out by itself which member answers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

import aiohttp

from controller.ports import Clock

SILENT_AFTER = 2
"""Failures in a row; a member that elects a leader just now says that it is not well."""


@dataclass(slots=True, kw_only=True)
class EtcdProbe:
    """One controller's look at all members."""

    http: aiohttp.ClientSession
    urls: Sequence[str]
    """Of the members' clients, as the settings name them."""
    clock: Clock
    every: timedelta = timedelta(seconds=5)
    deadline: timedelta = timedelta(seconds=1)
    _failures: dict[str, int] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Ask until cancelled, everybody at once."""
        while True:
            await asyncio.gather(*map(self._ask, self.urls))
            await self.clock.sleep(self.every)

    def silent(self) -> Mapping[str, str]:
        """Members that did not answer lately, and what came instead."""
        return {url: self._said[url] for url, failures in self._failures.items() if failures >= SILENT_AFTER}

    async def _ask(self, url: str) -> None:
        try:
            async with asyncio.timeout(self.deadline.total_seconds()), self.http.get(f"{url}/health") as answer:
                because = "" if answer.status == HTTPStatus.OK else f"answered {answer.status}"
        except TimeoutError:
            because = f"no answer within {self.deadline.total_seconds():g} s"
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # the last: of a connection that ends while it is written to
            because = f"{type(error).__name__}: {error}"
        self._failures[url] = self._failures.get(url, 0) + 1 if because else 0
        self._said[url] = because
