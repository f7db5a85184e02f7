"""What one process of the vault needs to know. Durations in the file are seconds."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workload.access.settings import AccessSettings
from workload.durable.settings import DurableSettings, Seconds, Table
from workload.vault.key_settings import KeyServices

PASSWORD_VARIABLE = "VAULT_APP_PASSWORD"  # noqa: S105  the name of a variable, not a password

CLOUDS = 3
"""How many clouds' key services there are."""


class KeyTuning(Table):
    """Bounds and deadlines of data keys."""

    minimum_wraps: Annotated[int, Field(ge=1, le=CLOUDS)] = 2
    """Clouds that must have wrapped a new key before it seals anything; a key that only one cloud can open dies with that cloud.
    The others are added by repairs. With fewer in reach new subjects are refused, and known ones served."""
    wrap_deadline: Seconds = timedelta(seconds=0.5)
    wrap_grace: Seconds = timedelta(seconds=0.1)
    """How long the others may take once `minimum_wraps` are there: a black hole costs every new subject no more than this."""
    unwrap_deadline: Seconds = timedelta(seconds=0.5)
    hedge: Seconds = timedelta(seconds=0.1)
    """How long the nearest cloud is waited for alone before the next one is asked too."""
    cached_keys: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    cache_age: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(minutes=5)
    """From its opening, however often it is used: the longest that a key outlives its erasure in another process's memory."""
    sweep_interval: Seconds = timedelta(seconds=5)

    survey_interval: Seconds = timedelta(seconds=1)
    """Between two windows of a repair's round."""
    survey_window: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Data keys looked at in one window."""
    repair_interval: Seconds = timedelta(seconds=0.02)
    """Between two data keys that are repaired: what a key service and the database are asked beside the clients' requests."""
    current_age: Seconds = timedelta(seconds=10)
    """How long a cloud's word about its key-encryption key holds; after it, a cloud that was gone is asked again."""

    @model_validator(mode="after")
    def _deadlines_nest(self) -> Self:
        if self.wrap_grace > self.wrap_deadline:
            raise ValueError("wrap_grace must not exceed wrap_deadline")
        if self.hedge >= self.unwrap_deadline:
            raise ValueError("hedge must be below unwrap_deadline")
        if self.cache_age <= self.unwrap_deadline:
            raise ValueError("cache_age must exceed unwrap_deadline")
        return self


class Settings(DurableSettings):
    """Everything but its password."""

    service: Literal["vault"]
    access: AccessSettings
    """Who may call: there is no vault that anybody may ask."""
    key_services: KeyServices
    keys: KeyTuning = KeyTuning()

    @model_validator(mode="after")
    def _enough_clouds_are_named(self) -> Self:
        if len(self.key_services.named) < self.keys.minimum_wraps:
            raise ValueError(f"key_services must name at least {self.keys.minimum_wraps} clouds, as keys.minimum_wraps says")
        return self
