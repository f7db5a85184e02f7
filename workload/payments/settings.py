"""What one process of the payments service needs to know."""

from typing import Literal

from workload.durable.settings import DurableSettings

PASSWORD_VARIABLE = "PAYMENTS_APP_PASSWORD"


class Settings(DurableSettings):
    """Everything but its password."""

    service: Literal["payments"]
