"""A place outside in memory, with the faults that a test asks for. Shipped, not a mock."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from controller.errors import Transient
from controller.ports_audit import Anchor


@dataclass(slots=True)
class MemoryAnchor:
    """What it was given, once each and in order."""

    heads: list[str] = field(default_factory=list)
    reachable: bool = True
    hangs: bool = False
    loses_answers: bool = False
    """What is put there stands, and nobody is told."""
    asked: int = 0
    number: int = 0
    """Tells several of them apart."""

    @property
    def name(self) -> str:
        """For reports."""
        return "memory"

    @property
    def id(self) -> str:
        """Part of a key."""
        return f"memory-{self.number}"

    async def put(self, text: str, deadline: timedelta) -> str:
        """See `ports_audit.Anchor`."""
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if not self.reachable:
            raise Transient("memory cannot be reached")
        if text not in self.heads:
            self.heads.append(text)
        if self.loses_answers:
            raise Transient(f"memory was silent for {deadline.total_seconds():g} s")
        return f"receipt {sha256(text.encode()).hexdigest()[:8]}"


_: type[Anchor] = MemoryAnchor
