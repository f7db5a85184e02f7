"""A writer's database that answers each statement as a test says, behind the service's real `Answers`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from workload.durable.answers import Answers
from workload.durable.evidence import Evidence
from workload.durable.finder import Writer
from workload.durable.settings import Tuning
from workload.durable.statement import BEGIN, COMMIT, FLUSHED
from workload.metrics import ServiceMetrics

Row = tuple[Any, ...]
PINS: Row = (1, 7, 1)
"""Epoch, system identifier and timeline: first columns of whatever a writing function answers."""
READ: Row = (*PINS, "0/10")
"""First columns of whatever is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What a statement answered."""

    row: Row | None = None
    statusmessage: str | None = None

    async def fetchone(self) -> Row | None:
        return self.row


class Desk:
    """Compass, sessions, session, connection and barrier in one."""

    broken = False

    def __init__(self, replies: Mapping[str, Callable[..., Row]]) -> None:
        self.replies = dict(replies)
        self.asked: list[str] = []
        self.values: list[Row] = []
        self.confirmed: list[Evidence] = []
        self.writer: Writer | None = Writer(site="azure", epoch=1)
        self.holds_back: Exception | None = None
        """What the barrier raises."""
        self.on_confirm: Callable[[], None] = lambda: None

    def answers(self) -> Answers:
        """Answers from here."""
        return Answers(
            compass=self,
            sessions={"azure": self},  # type: ignore[dict-item]
            durability=self,
            tuning=Tuning(),
            meter=ServiceMetrics("vault"),
            monotonic=lambda: 0.0,
        )

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> AsyncIterator[Any]:
        yield self

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        return await work(self)

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        self.on_confirm()
        if self.holds_back is not None:
            raise self.holds_back
        self.confirmed.append(evidence)

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        yield

    async def execute(self, query: str, values: Row | None = None, prepare: bool = False) -> Cursor:
        if query in (BEGIN, COMMIT):
            return Cursor(statusmessage=query)
        if query == FLUSHED:
            return Cursor(row=("0/10", []))
        self.asked.append(query)
        self.values.append(values or ())
        return Cursor(row=self.replies[query](*(values or ())))
