"""What one process of the payments service needs to know."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import model_validator

from workload.calls.settings import CalleeSettings
from workload.durable.settings import DurableSettings, Seconds, Table
from workload.layer_settings import LimitedSettings
from workload.payments.screen_settings import ScreeningTable

PASSWORD_VARIABLE = "PAYMENTS_APP_PASSWORD"


class VaultTable(Table):
    """`[vault]`. Without the table only payments from sources that are known already can be made, beside those that name none."""

    callee: CalleeSettings
    deadline: Seconds = timedelta(seconds=1.5)
    """Of one question about a source that no payment came from yet. Whoever names one waits for it between two trips to the writer, and no
    longer than its own time; the question goes on for the next attempt. The vault's answer takes two round trips to another site: with an
    attempt (`callee.attempt`) of less than that, no question is answered while the way is slow."""

    @model_validator(mode="after")
    def _another_can_be_asked_in_time(self) -> Self:
        if self.callee.attempts > 1 and len(self.callee.instances) > 1 and self.deadline < 2 * self.callee.attempt:
            raise ValueError("deadline must be at least twice callee.attempt: a silent instance leaves no time to ask another")
        return self


class Settings(DurableSettings, LimitedSettings):
    """Everything but its password."""

    service: Literal["payments"]
    screening: ScreeningTable | None = None
    vault: VaultTable | None = None

    @model_validator(mode="after")
    def _others_learn_who_asks(self) -> Self:
        for name, table in (("screening", self.screening), ("vault", self.vault)):
            if table is not None and table.callee.name is not None and self.identity is None:
                raise ValueError(f"{name}.callee: expected [identity]: {table.callee.name} has to be shown who asks")
        return self
