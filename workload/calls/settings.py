"""What a service has to know about one that it calls; durations in seconds."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from workload.access.identity import Name
from workload.durable.settings import Address, Seconds, SiteName, Table


class CalleeSettings(Table):
    """`[calls.SERVICE]`"""

    name: Name | None = None
    """In its certificate, whatever the address: `trimaran://service/vault`. None: asked without TLS, to measure what TLS costs."""
    instances: Annotated[Mapping[SiteName, Address], Field(min_length=1)]
    """By site; the own site's is asked first."""
    most: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Calls under way at once; one more is refused at once."""
    attempts: Annotated[int, Field(ge=1, le=5)] = 3
    attempt: Seconds = timedelta(seconds=0.12)
    """Of one attempt, when another may follow. An attempt that had clearly less than this and less than its question asks for was cut short
    by its own request, and says nothing about the callee when it is not answered."""
    connect: Seconds = timedelta(seconds=0.1)
    """Of one connection, TLS included: a black hole costs a caller this much until the breaker opens."""
    repeats: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Further attempts after one that may have arrived, a call, in the long run; beside five a second, ten at once after a pause."""
    pause: Seconds = timedelta(seconds=0.02)
    """At most, before an instance is asked again; twice that before the third time. What is waited is drawn between nothing and it."""
    threshold: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures one after the other that open an instance's breaker."""
    rest: Seconds = timedelta(seconds=1)
    """How long it stays open before one call finds out."""

    @model_validator(mode="after")
    def _connection_within_an_attempt(self) -> Self:
        if self.connect > self.attempt:
            raise ValueError("connect must not exceed attempt")
        return self
