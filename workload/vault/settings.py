"""What one process of the vault needs to know. Durations in the file are seconds."""

from typing import Literal, Self

from pydantic import model_validator

from workload.access.settings import AccessSettings
from workload.durable.settings import DurableSettings
from workload.layer_settings import LimitedSettings
from workload.vault.key_settings import KeyServices, KeyTuning

PASSWORD_VARIABLE = "VAULT_APP_PASSWORD"  # noqa: S105  the name of a variable, not a password


class Settings(DurableSettings, LimitedSettings):
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
