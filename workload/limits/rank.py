"""What a request is worth when not everything can be served. Pure.

Health checks and metrics are in no rank: they are never asked to wait here. (Readiness borrows a session of the database as any request
does, when nothing was made durable lately.) A service that sheds its own health checks is taken out of the traffic at the moment of its
highest load, and its load falls on the others, who then shed theirs.
"""

from enum import IntEnum

VERSION = "v1"


class Rank(IntEnum):
    """Lower is served first, and shed last."""

    CHECK = 0
    """Asks in order to see whether the service works: a canary payment that is shed looks like an outage where there is only a crowd."""
    KNOWN = 1
    """Was taken before, or may have been: its client may hold no answer, and refusing it finishes nothing."""
    NEW = 2
    """Would change something, and has not been begun."""
    READ = 3
    """Reads one thing."""
    LIST = 4
    """Reads many things: costs most, and can be had later."""

    @property
    def label(self) -> str:
        """Its name in metrics."""
        return self.name.lower()


def rank(method: str, path: str, *, known: bool) -> Rank:
    """Rank of a request by its method and path; `known`: its idempotency key has been seen.

    Resources are named `/v1/things/{id}/parts`: a path that ends in a noun is a list, one that ends in an id is one thing.
    """
    if method not in ("GET", "HEAD"):
        return Rank.KNOWN if known else Rank.NEW
    named = [part for part in path.split("/") if part and part != VERSION]
    return Rank.LIST if len(named) % 2 else Rank.READ
