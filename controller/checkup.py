"""Asks everything that a check-up wants to know, all at once and each within its deadline, and has it judged by the core.

Nothing is changed, and nothing that decides waits for any of it. What cannot be asked, for whatever reason, is unknown.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from controller.core.checkup import fleet
from controller.core.checkup.facts import Database, silent
from controller.core.checkup.finding import Finding, Unasked
from controller.core.model import Site
from controller.errors import Denied, TrimaranError

T = TypeVar("T")

QUESTIONS = 12
"""Of one database, one after the other; none takes longer than the deadline."""


class Examiner(Protocol):
    """Who looks at one database."""

    async def examine(self, deadline: timedelta) -> Database:
        """Everything that could be asked; `deadline` bounds each question. Never raises for what the server does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """One look at everything."""

    databases: Mapping[str, Mapping[Site, Examiner]] = field(default_factory=dict)
    """By service and site."""
    deadline: timedelta = timedelta(seconds=3)
    """For each question."""

    async def look(self) -> tuple[Finding, ...]:
        """Every finding, good ones too."""
        found = await asyncio.gather(*(self._service(name, sites) for name, sites in sorted(self.databases.items())))
        return tuple(one for findings in found for one in findings)

    async def _service(self, service: str, sites: Mapping[Site, Examiner]) -> tuple[Finding, ...]:
        looks = [asked(one.examine(self.deadline), self.deadline * QUESTIONS) for one in sites.values()]
        answers = await asyncio.gather(*looks)
        heard = {site: silent(one) if isinstance(one, Unasked) else one for site, one in zip(sites, answers, strict=True)}
        return tuple(fleet.databases(service, heard))


async def asked(asking: Awaitable[T], deadline: timedelta) -> T | Unasked:
    """An answer, or why there is none. An error that nobody foresaw is no answer either: it must not hide the other findings."""
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            return await asking
    except TimeoutError:
        return Unasked(because=f"no answer within {deadline.total_seconds():g} s")
    except Denied as error:
        return Unasked(because=str(error), refused=True)
    except TrimaranError as error:
        return Unasked(because=str(error))
    except Exception as error:  # noqa: BLE001  see above
        return Unasked(because=f"{type(error).__name__}: {error}")
