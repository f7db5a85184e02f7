"""What somebody is told who is not served. Nothing happened: every refusal is made before anything was begun. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from workload.problems import Problem

NOTHING = {"outcome": "nothing-happened"}


class Kind(StrEnum):
    """Which limit it was."""

    CLIENT = "client"
    """The client's own rate."""
    OVERALL = "overall"
    """The rate of all clients together."""
    FULL = "full"
    """Every place was taken, also those in the queue, or by somebody who goes first."""
    PATIENCE = "patience"
    """Waited, and no place became free in time."""
    DEADLINE = "deadline"
    """Its client has given up, or would have before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One request that is sent away."""

    kind: Kind
    retry_after: int
    """Whole seconds."""
    places: int
    """How many may be inside now."""


def problem(refusal: Refusal) -> Problem:
    """429 when it is the client's own doing, 503 when it is not; both say when to come back. 504: nobody waits for an answer."""
    match refusal.kind:
        case Kind.CLIENT:
            status, name, detail = 429, "too-many-requests", "this client asks more often than it may"
        case Kind.OVERALL:
            status, name, detail = 503, "overloaded", "all clients together ask more often than this service takes"
        case Kind.FULL:
            status, name, detail = 503, "overloaded", f"all {refusal.places} places are taken, and too many wait for one"
        case Kind.PATIENCE:
            status, name, detail = 503, "overloaded", f"none of {refusal.places} places became free in time"
        case Kind.DEADLINE:
            status, name, detail = 504, "deadline-over", "the answer would have come after the deadline that the request names"
        case _:
            assert_never(refusal.kind)
    return Problem(status=status, kind=name, detail=detail, retry_after=refusal.retry_after, members=NOTHING)
