"""What a request is worth when not everything can be served. Pure.

Health checks and metrics are in no rank: they are never asked to wait here. (Readiness borrows a session of the database as any request
does, when nothing was made durable lately.) A service that sheds its own health checks is taken out of the traffic at the moment of its
highest load, and its load falls on the others, who then shed theirs.
"""

from collections.abc import Collection
from enum import IntEnum

VERSION = "v1"


class Rank(IntEnum):
    """Lower is served first, and shed last."""

    CHECK = 0
    """Asks in order to see whether the service works: a canary payment that is shed looks like an outage where there is only a crowd."""
    KNOWN = 1
    """Was taken before, or may have been: its client may hold no answer, and refusing it finishes nothing."""
    PART = 2
    """Reads what another service needs for something that it has begun, while a client of that one waits. Not beside `KNOWN`: the limits
    are before the door, and whoever asks for such a path, also one who may not, would go before retries, and past the rate of all."""
    NEW = 3
    """Would change something, and has not been begun."""
    READ = 4
    """Reads one thing."""
    LIST = 5
    """Reads many things: costs most, and can be had later."""

    @property
    def label(self) -> str:
        """Its name in metrics."""
        return self.name.lower()


def rank(method: str, path: str, *, known: bool, parts: Collection[str] = ()) -> Rank:
    """Rank of a request by its method and path; `known`: its idempotency key has been seen. `parts`: paths as in the routes of what this
    service is asked for by others on behalf of theirs; braces stand for one segment.

    Resources are named `/v1/things/{id}/parts`: a path that ends in a noun is a list but for `parts`, one that ends in an id is one thing.
    """
    if method not in ("GET", "HEAD"):
        return Rank.KNOWN if known else Rank.NEW
    if any(_is_of(path, part) for part in parts):
        return Rank.PART
    named = [part for part in path.split("/") if part and part != VERSION]
    return Rank.LIST if len(named) % 2 else Rank.READ


def _is_of(path: str, route: str) -> bool:
    named, wanted = path.split("/"), route.split("/")
    return len(named) == len(wanted) and all(
        one == other or (one and other.startswith("{")) for one, other in zip(named, wanted, strict=True)
    )
