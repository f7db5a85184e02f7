"""Asks providers now and then how a service's servers are and how many instances it keeps, for status, metrics and readiness.

Nothing of a tick, a plan or a failover waits for these questions or sees their answers (`static-stability`): a provider whose API is
down says nothing, and that is no reason to keep traffic on a dead site. Asking has another use: a vendor's client takes a good part
of a second of processor time to make, and has been made when a failover wants to raise a floor with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import structlog

from controller.core.model import Site
from controller.errors import TrimaranError
from controller.ports import Capacity, Clock, ManagedDatabase, ProviderFacts

log = structlog.get_logger()

ASK_EVERY = timedelta(seconds=30)
"""Failures of a standby and full disks come slowly, and three controllers ask."""

APART = timedelta(seconds=0.2)
"""Between two questions of one controller, whatever they are about: a thousand services with a server at every site are asked about
once in ten minutes. Asked all at once they would use up the account's requests that a failover needs."""

SOONER = 6
"""By so much sooner is asked again what never had an answer. Once there was one it is believed for some rounds, and nothing is urgent."""

PATIENCE = timedelta(seconds=6)
"""For one answer, which may take an adapter three requests."""

BELIEVED_FOR = 4
"""Rounds. An older answer is no knowledge any more: what the provider would say now is unknown."""


class Subject(StrEnum):
    """What a provider is asked about."""

    SERVER = "server"
    """The site's own database server."""
    REPLICA = "replica"
    """A read replica that the provider manages."""
    INSTANCES = "instances"
    """How many instances are kept running at least."""


Told = ProviderFacts | int | None
"""Of servers facts, of instances their floor; None: there is no such server or service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known from one site's provider about one subject. `age` None: it never answered."""

    told: Told
    age: timedelta | None
    known: bool
    """Is there an answer that may still be believed?"""
    because: str
    """Why the last question had no answer; empty when it had one."""


@dataclass(slots=True)
class _Question:
    """One question that is asked again and again, with its last answer."""

    ask: Callable[[], Awaitable[Told]]
    told: Told = None
    at: timedelta | None = None
    because: str = "not asked yet"


@dataclass(slots=True, kw_only=True)
class ProviderWatch:
    """One controller's, for one service."""

    service: str
    clock: Clock
    servers: Mapping[Site, ManagedDatabase] = field(default_factory=dict)
    replicas: Mapping[Site, ManagedDatabase] = field(default_factory=dict)
    capacities: Mapping[Site, Capacity] = field(default_factory=dict)
    floors: Mapping[Site, int] = field(default_factory=dict)
    """To what a failover raises the floors of instances; for people."""
    every: timedelta = ASK_EVERY
    begins: timedelta = timedelta()
    """Before its first question, so that watches over many services do not all ask in one moment."""
    _questions: dict[tuple[Site, Subject], _Question] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for subject, asked in ((Subject.SERVER, self.servers), (Subject.REPLICA, self.replicas)):
            for site, server in asked.items():
                self._questions[site, subject] = _Question(self._facts(server))
        for site, capacity in self.capacities.items():
            self._questions[site, Subject.INSTANCES] = _Question(self._floor(capacity))

    async def run(self) -> None:
        """Ask until cancelled. Each question has a task of its own: one that hangs holds back no other."""
        async with asyncio.TaskGroup() as tasks:
            for place, ((site, subject), question) in enumerate(self._questions.items()):
                work = self._repeat(question, f"{subject} of {site}", self.begins + place * APART)
                tasks.create_task(work, name=f"ask for {subject} of {site}")

    @property
    def believed_for(self) -> timedelta:
        """How old an answer may be."""
        return BELIEVED_FOR * self.every

    def heard(self) -> Mapping[tuple[Site, Subject], Heard]:
        """Everything that providers said, with its age now."""
        return {key: self._heard(one) for key, one in self._questions.items()}

    def _heard(self, one: _Question) -> Heard:
        age = None if one.at is None else self.clock.monotonic() - one.at
        return Heard(told=one.told, age=age, known=age is not None and age <= self.believed_for, because=one.because)

    async def _repeat(self, question: _Question, about: str, begins: timedelta) -> None:
        await self.clock.sleep(begins)
        while True:
            before = question.because
            await self._ask(question)
            if question.because and question.because != before:
                log.warning("provider", service=self.service, about=about, error=question.because)
            await self.clock.sleep(self.every if question.at is not None else self.every / SOONER)

    async def _ask(self, question: _Question) -> None:
        """Once, and for no longer than patience lasts, whatever the adapter makes of its deadline."""
        asked_at = self.clock.monotonic()
        asking = asyncio.ensure_future(question.ask())
        late = asyncio.ensure_future(self.clock.sleep(PATIENCE + timedelta(seconds=1)))
        try:
            await asyncio.wait({asking, late}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                question.because = f"no answer within {PATIENCE.total_seconds():g} s"
                return
            # Of its asking, not of its coming: an answer that was held up on its way is as old as the question.
            question.told, question.at, question.because = asking.result(), asked_at, ""
        except TrimaranError as error:
            question.because = str(error)
        except Exception as error:
            log.exception("provider", service=self.service)
            question.because = f"{type(error).__name__}: {error}"
        finally:
            asking.cancel()
            late.cancel()

    @staticmethod
    def _facts(server: ManagedDatabase) -> Callable[[], Awaitable[Told]]:
        return lambda: server.facts(PATIENCE)

    def _floor(self, capacity: Capacity) -> Callable[[], Awaitable[Told]]:
        return lambda: capacity.floor(self.service)


def calm(questions: int) -> timedelta:
    """How often each of so many questions may be asked by one controller."""
    return max(ASK_EVERY, questions * APART)
