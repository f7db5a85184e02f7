"""Real stacks, as rules look at them: before a stack is live and afterwards; when all is made, and in the preview of a first update."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from infra.settings import Role
from infra.topology import Cloud
from tests.infra.recording import Recording, Resource, previewed, recorded, recorded_filling, recorded_live
from tests.policies.breaking import broken_by
from tests.policies.samples import Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """One stack at one moment."""

    stack: str
    live: bool = False
    preview: bool = False
    filling: bool = False
    """Do its settings name who may fill places for secrets? Before it is live."""

    def __str__(self) -> str:
        said = {"live": self.live, "filling": self.filling, "preview": self.preview}
        return "-".join((self.stack, *(name for name, is_so in said.items() if is_so)))

    @property
    def role(self) -> str:
        """Whose rows it is broken by."""
        return self.stack.partition("-")[2]

    @property
    def recording(self) -> Recording:
        """What it asks for."""
        if self.filling:
            return recorded_filling(self.stack, preview=self.preview)
        if self.preview:
            return previewed(self.stack, live=self.live)
        return recorded_live(self.stack) if self.live else recorded(self.stack)

    @property
    def config(self) -> Mapping[str, Any]:
        """What its settings say beside the repository's."""
        return {"live": self.live}

    def registered(self) -> list[Told]:
        """What an engine tells policies: everything but other stacks."""
        return [_told(one) for one in self.recording.resources]

    def told(self) -> list[Told]:
        """What state has."""
        return [*self.registered(), *(_told(one) for one in self.recording.read)]

    def broken_by(self, told: list[Told]) -> frozenset[str]:
        """Controls that these resources break at this moment."""
        return broken_by(self.stack, told, **self.config)


@cache
def usually(landed: Landed) -> frozenset[str]:
    """What it breaks with nothing made wrong."""
    return landed.broken_by(landed.told())


def _told(one: Resource) -> Told:
    return {field.name: getattr(one, field.name) for field in fields(Resource)}


LIVE = (*Cloud, Role.CONTROL)
"""Whose machines and instances come with `live`."""
ROLES = ("aws", "azure", "gcp", "interconnect", "edge", "control")
"""Whose programs are there. Add a role when its program is."""


def _of(environment: str, *, preview: bool) -> tuple[Landed, ...]:
    stacks = tuple(Landed(stack=f"{environment}-{role}", preview=preview) for role in ROLES)
    return (*stacks, *(Landed(stack=f"{environment}-{role}", live=True, preview=preview) for role in LIVE))


LANDED = (*_of("prod", preview=False), *_of("dev", preview=False))
PREVIEWED = (*_of("prod", preview=True), *_of("dev", preview=True))
