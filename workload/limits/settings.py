"""The `[limits]` table of a service's settings: how much may be asked of one process. Durations in the file are seconds."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from workload.durable.settings import Seconds, Table
from workload.limits.concurrency import Law
from workload.limits.rates import Rate

Places = Annotated[int, Field(ge=1, le=100_000)]


class RateTable(Table):
    """A token bucket."""

    per_second: Annotated[float, Field(gt=0, le=1_000_000)]
    burst: Annotated[float, Field(ge=1, le=1_000_000)]
    """How many may come at once after a rest."""

    def rate(self) -> Rate:
        """As the buckets want it."""
        return Rate(per_second=self.per_second, burst=self.burst)


class LimitTable(Table):
    """Bounds of one process; the defaults refuse nobody who can be served. A fixed number of places: `lowest`, `first` and `highest` the
    same."""

    client_header: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    """Header that names the client, lower case. Only one that the edge sets itself, and removes when a client sends it: whoever may choose
    its own name has no limit. None: clients are not told apart."""
    checkers: frozenset[str] = frozenset()
    """Clients that see whether the service works, by the name that `client_header` gives them: the controllers, which pay canaries. They
    go before everybody else and have no rate."""
    client: RateTable | None = None
    """Of each client. None: no limit."""
    clients: Places = 4096
    """How many are remembered."""
    overall: RateTable | None = None
    """Of all clients together, retries of what was begun left out. None: only what can be served."""
    first: Places = 32
    lowest: Places = 8
    highest: Places = 256
    queue: Annotated[int, Field(ge=0, le=10_000)] = 64
    """Callers that may wait for a place."""
    patience: Seconds = timedelta(seconds=0.1)
    """How long one may wait."""
    keys: Places = 20_000
    """Idempotency keys that are remembered, so that retries are known."""
    questions: Annotated[int, Field(ge=0, le=64)] = 4
    """How many retries at once may be looked up in the database of the process' own site, while not everybody can be served."""
    longest_retry_after: timedelta = timedelta(seconds=8)
    """The farthest away that anybody is sent."""

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if not self.lowest <= self.first <= self.highest:
            raise ValueError("expected lowest <= first <= highest")
        if (self.client is not None or self.checkers) and self.client_header is None:
            raise ValueError("client, checkers: need client_header, which says who a client is")
        if self.longest_retry_after < timedelta(seconds=1):
            raise ValueError("longest_retry_after must be at least 1")
        return self

    def law(self) -> Law:
        """As the concurrency limit wants it."""
        return Law(first=self.first, lowest=self.lowest, highest=self.highest)
