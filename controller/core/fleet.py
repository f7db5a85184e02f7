"""Where the services of one fleet write, and whether they do so at the same site.

Every service fails over by itself: its ledger, its ack set, its epoch. So a cloud's loss moves two services in two plans, and between the
end of the first and the end of the second the fleet is half-moved: each of them is right, and calls between them cross an ocean. It may
stay so: one plan was refused by a guard, or one database alone had failed. Nothing is moved because of it, for the healthy half would
pay with an outage for the other's; it is shown with what stands in the way, until a plan or a person ends it.

Rules for changing this file: pure, and unknown is a third answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from controller.core.model import Epoch, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where one service writes, as a controller knew it some time ago."""

    service: str
    writer: Site | None
    """None: nothing was ever heard, or too long ago to be believed."""
    reign: Epoch | None = None
    plan: str | None = None
    """What is under way for it; None: nothing."""
    age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The services that share a steering group, seen from one of them."""

    own: Whereabouts
    others: tuple[Whereabouts, ...] = ()

    @property
    def apart(self) -> tuple[Whereabouts, ...]:
        """Those that are known to write elsewhere."""
        return tuple(one for one in self.others if None not in (one.writer, self.own.writer) and one.writer != self.own.writer)

    @property
    def unknown(self) -> tuple[Whereabouts, ...]:
        """Those of which nobody here knows where they write."""
        return tuple(one for one in (self.own, *self.others) if one.writer is None)

    @property
    def together(self) -> bool | None:
        """Do all of them write at one site? None: not known."""
        if self.apart:
            return False
        return None if self.unknown else True


def told(fleet: Fleet) -> str:
    """In words; empty when all are together."""
    if fleet.apart:
        return f"half-moved: {_written(fleet.own)}, but {_listed(fleet.apart)}"
    if fleet.unknown:
        return f"unknown: nobody here knows where {', '.join(one.service for one in fleet.unknown)} writes"
    return ""


def _listed(some: Iterable[Whereabouts]) -> str:
    return ", ".join(_written(one) for one in some)


def _written(one: Whereabouts) -> str:
    plan = f", {one.plan} under way" if one.plan else ""
    return f"{one.service} writes at {one.writer} in epoch {one.reign}{plan}"
