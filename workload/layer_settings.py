"""What every process of a service has to be told about the layers around it: who it is, who may come in, and who sees what it does.

A process that was told nothing starts for nobody. That it is open has to be written down, is possible on a loopback address alone, and
is in its log: a file from which a table was lost in an edit must not be a service without a door.
"""

from ipaddress import ip_address
from typing import Self

from pydantic import model_validator

from workload.access.door import THUMBPRINT
from workload.access.identity import Identity
from workload.access.settings import AccessSettings
from workload.durable.settings import Address, SiteName, Table
from workload.limits.settings import LimitTable
from workload.telemetry.settings import TelemetrySettings


class LayerSettings(Table):
    """The tables that all services have."""

    site: SiteName
    listen: Address
    identity: Identity | None = None
    """Without it there is no TLS; then `listen` must be a loopback address."""
    access: AccessSettings | None = None
    open_to_everybody: bool = False
    """Instead of `[access]`: whoever reaches the address may do everything. For measuring one layer at a time."""
    telemetry: TelemetrySettings | None = None
    """Without the table requests are neither counted by route nor followed."""

    @model_validator(mode="after")
    def _somebody_says_who_may_call(self) -> Self:
        if self.access is None and not self.open_to_everybody:
            raise ValueError("expected [access], or open_to_everybody = true on a loopback address")
        if self.access is not None and self.open_to_everybody:
            raise ValueError("expected either [access] or open_to_everybody, found both")
        return self

    @model_validator(mode="after")
    def _open_ways_stay_inside(self) -> Self:
        if not is_loopback(self.listen.host):
            if self.open_to_everybody:
                raise ValueError(f"open_to_everybody: expected a loopback address as listen.host, found {self.listen.host}")
            if self.identity is None:
                raise ValueError(
                    f"expected [identity]: without TLS whatever is sent to {self.listen.host} can be read on the way"
                )
        return self


class LimitedSettings(LayerSettings):
    """... of services that clients call."""

    limits: LimitTable = LimitTable()
    """Whatever the table does not say, or without it, refuses nobody who can be served."""

    @model_validator(mode="after")
    def _clients_are_named_by_edges(self) -> Self:
        named = self.limits.client_header
        if self.access is not None and named not in (None, THUMBPRINT):
            raise ValueError(f"limits.client_header: expected {THUMBPRINT}: nobody vouches for what stands in {named}")
        return self


def is_loopback(host: str) -> bool:
    """Does this address lead to nobody but this machine? A name, `localhost` too, leads where somebody's resolver says."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
