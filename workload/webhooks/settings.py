"""What one process of the dispatcher needs to know.

Durations in the file are seconds.
"""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workload.durable.settings import DurableSettings, Seconds, Table, Tuning
from workload.layer_settings import LayerSettings

PASSWORD_VARIABLE = "PAYMENTS_WEBHOOKS_PASSWORD"  # noqa: S105  the name of a variable, not a password

Long = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=366))]


def webhooks_role(service: str) -> str:
    """Login of the dispatchers: reads the outbox of this service, moves cursors, and nothing of its ledger."""
    return f"{service}_webhooks"


class Manners(Table):
    """How merchants are treated; the defaults are those of the Standard Webhooks specification where it names any."""

    request_deadline: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(seconds=30))] = timedelta(seconds=15)
    """For one attempt: name, connection, request and status line together. Then the socket is closed."""
    slow_after: Seconds = timedelta(seconds=1)
    """Whoever takes longer waits for one of the places of the slow from then on."""
    first_pause: Long = timedelta(seconds=1)
    longest_pause: Long = timedelta(minutes=10)
    parked_after: Long = timedelta(hours=24)
    parked_pause: Long = timedelta(hours=1)
    places: Annotated[int, Field(ge=1, le=1000)] = 48
    """Accounts that are sent to at once, of those that answer quickly."""
    slow_places: Annotated[int, Field(ge=1, le=1000)] = 16
    """... of those that accepted what they were sent and were slow..."""
    failing_places: Annotated[int, Field(ge=1, le=1000)] = 16
    """... and of those that failed the last time: a hundred dead merchants keep nobody waiting but each other."""
    most_events: Annotated[int, Field(ge=1, le=1000)] = 20
    """Events of one account that are read at once."""
    fresh: Seconds = timedelta(seconds=1)
    """Nothing more is sent by what was read longer ago: a new URL holds for all but the attempt that is under way."""
    silence: Long = timedelta(seconds=30)
    """Whoever was answered by nobody for so long..."""
    silent_accounts: Annotated[int, Field(ge=2, le=1000)] = 3
    """... and has tried so many different accounts, leaves the seat to another site."""
    pardon: Long = timedelta(minutes=10)
    """For so long these accounts are no reason to leave it again, unless it is seen that somebody else told one of them meanwhile."""

    @model_validator(mode="after")
    def _pauses_grow(self) -> Self:
        if not self.first_pause <= self.longest_pause <= self.parked_pause:
            raise ValueError("first_pause must not exceed longest_pause, nor that parked_pause")
        return self

    def pause(self, failures: int, *, is_parked: bool) -> timedelta:
        """Before the next attempt: doubles with each failure in a row."""
        if is_parked:
            return self.parked_pause
        doubled = self.first_pause * (1 << min(failures - 1, 40))
        return min(self.longest_pause, doubled)


class Settings(DurableSettings, LayerSettings):
    """Everything but its password and the merchants' secrets."""

    service: Literal["payments"]
    secrets: Path
    """TOML: for each name that endpoints use, a list of `whsec_...`, the newest first. Read again when it changes."""
    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are not public and may be called all the same: the lab's."""
    plain_http: bool = False
    """May an endpoint be called without TLS?"""
    manners: Manners = Manners()
    interval: Seconds = timedelta(seconds=0.2)
    """Between two looks into the outbox."""
    lapse: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(seconds=30))] = timedelta(seconds=3)
    """A dispatcher that is silent for so long loses its seat: the server ends its session."""
    retention: Long = timedelta(days=7)
    """Delivered events are kept for so long."""
    tuning: Tuning = Tuning(sessions=2, lanes=1)
