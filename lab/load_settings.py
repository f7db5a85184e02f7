"""What a load generator needs to know, as the file it is started with."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

STAFF = 2
"""A reviewer and an officer."""


class RouteSettings(BaseModel):
    """Where an address leads: the client link of one site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str
    port: int = Field(ge=1, le=65535)
    host: str = "127.0.0.1"


class ClientSettings(BaseModel):
    """One client of the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Its id at the issuer of tokens."""
    certificate: Path
    """With chain and private key, PEM: proves it to issuer and edges, and its tokens are bound to it."""


class EntranceSettings(BaseModel):
    """How clients come in: by TLS, each with its certificate and its access token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doors: Path
    """Who vouches for the edges, PEM."""
    issuer: Path
    """Who vouches for the issuer of tokens."""
    token_url: str = Field(pattern=r"^https://")
    clients: tuple[ClientSettings, ...] = Field(min_length=1)
    """Devices are spread over them in turn."""


class Settings(BaseModel):
    """One run of load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")
    """Part of every idempotency key: never the same for two runs on one ledger."""
    record: Path
    """The client's own record is appended here."""
    stats: Path | None = None
    """Replaced once a second with one JSON object."""
    nameservers: dict[str, Annotated[int, Field(ge=1, le=65535)]] = Field(min_length=1)
    """UDP port of each authority's name server on this machine."""
    names: tuple[str, ...] = ("payments.trimaran.test",)
    """DNS names; devices are spread over them in turn."""
    routes: dict[str, RouteSettings] = Field(min_length=1)
    """By address, as DNS answers it: the internet's routing."""
    entrance: EntranceSettings | None = None
    """None: over plain http and without tokens, to a service that asks for neither."""
    accounts: tuple[str, ...] = Field(min_length=2)
    currency: str = "EUR"
    largest_amount: int = Field(default=1000, ge=1)
    rate: float = Field(default=100, gt=0)
    """Payments offered a second."""
    devices: int = Field(default=50, ge=1)
    ignoring_ttl: float = Field(default=0, ge=0, le=1)
    """Share of the devices that keep their first address for ever."""
    seed: int = 1
    suspects: tuple[str, ...] = ()
    """Accounts whose habits are known, from which payments come that must be held; none: nothing is planted."""
    purse: Path | None = None
    """Record of this run's cardholders, from whose tokens a share of the payments is paid; None: no payment names a source."""
    staff: EntranceSettings | None = None
    """How a reviewer and an officer come in, who are its two clients, in this order; None: nobody decides about what is held, and
    nobody is forgotten."""
    traced: float = Field(default=0, ge=0, le=1)
    """Share of the payments whose way the payers ask to be shown."""
    duration: float | None = Field(default=None, gt=0)
    """Seconds of offers; None: until SIGTERM."""
    settle: float = Field(default=90, ge=0)
    """Seconds after the last offer during which every unsettled payment is attempted again and again; it ends with the last of them."""
    request_deadline: float = Field(default=1.0, gt=0)
    first_pause: float = Field(default=0.1, gt=0)
    longest_pause: float = Field(default=0.5, gt=0)
    max_in_flight: int = Field(default=5000, ge=1)
    """Payments under way at once. Reaching it is a defect of the run: from there on it no longer offers what it promises."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.accounts)) != len(self.accounts):
            raise ValueError("accounts: every account once")
        if self.staff is not None and len(self.staff.clients) != STAFF:
            raise ValueError("staff: a reviewer and an officer")
        if not self.names:
            raise ValueError("names: at least one")
        return self
