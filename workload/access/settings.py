"""What a service has to know to tell who may call; durations in seconds."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from workload.access.identity import Name
from workload.access.keys import Algorithm
from workload.durable.settings import Seconds, Table

Long = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]
Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]
"""RFC 6749 section 3.3."""


class AccessSettings(Table):
    """`[access]`"""

    issuer: Annotated[str, Field(min_length=1)]
    """As its tokens say it in `iss`, character for character."""
    audience: Annotated[str, Field(min_length=1)]
    """This service, as tokens for it say it in `aud`."""
    keys_url: Annotated[str, Field(pattern=r"^https://")]
    """The issuer's JWKS."""
    authority: Path | None = None
    """Who vouches for the issuer's own certificate, PEM; without it whom the machine trusts."""
    keys_file: Path | None = None
    """The last keys are kept here, for a process that starts while the issuer is away. Whoever can write it can sign tokens."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = (Algorithm.ES256,)
    leeway: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(seconds=60))] = timedelta(seconds=5)
    refresh: Long = timedelta(minutes=5)
    """How often the keys are asked for; a key that the issuer takes back is believed this long at most while the issuer can be asked."""
    longest_age: Long = timedelta(hours=24)
    """How long the issuer may be away."""
    spacing: Long = timedelta(seconds=10)
    """At least so long between two questions to the issuer, however many tokens name keys that nobody knows."""
    deadline: Seconds = timedelta(seconds=2)
    """Of one question."""
    patience: Seconds = timedelta(milliseconds=200)
    """How long requests wait for one question. An issuer in reach answers within that. One that is a black hole would let strangers, of
    whom nobody knows anything yet, hold the places of this service for all of `deadline`."""
    remembered: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Verified tokens."""
    unbound: bool = False
    """Are tokens believed that are bound to no certificate? Then whoever steals one may use it."""
    edges: tuple[Name, ...] = ()
    """Whose word about clients' certificates is believed: the own site's edge."""
    services: Mapping[Name, tuple[Scope, ...]] = {}
    """What other services may ask by their certificate alone."""

    @model_validator(mode="after")
    def _outlasts_a_refresh(self) -> Self:
        if self.longest_age < self.refresh * 2:
            raise ValueError("longest_age must be at least twice refresh: one lost answer would turn everybody away")
        return self

    @model_validator(mode="after")
    def _edges_ask_nothing(self) -> Self:
        if both := sorted(set(self.edges) & set(self.services)):
            raise ValueError(f"{both[0]} is an edge: as a service it would let every client in without a token")
        return self
