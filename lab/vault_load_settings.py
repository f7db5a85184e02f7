"""What the cardholders' generator needs to know, as the file it is started with."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lab.load_settings import EntranceSettings, RouteSettings
from lab.vault_load_schedule import Rates
from lab.vault_load_wallet import CARDS
from workload.access.everybody import NAME as EVERYBODY


class Settings(BaseModel):
    """One run of cardholders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")
    """Part of every id that is made here: never the same for two runs on one vault."""
    record: Path
    stats: Path | None = None
    nameservers: dict[str, Annotated[int, Field(ge=1, le=65535)]] = Field(min_length=1)
    """UDP port of each authority's name server on this machine."""
    names: tuple[str, ...] = Field(min_length=1)
    """DNS names; devices are spread over them in turn."""
    routes: dict[str, RouteSettings] = Field(min_length=1)
    """By address, as DNS answers it: the internet's routing."""
    entrance: EntranceSettings | None = None
    """None: over plain http and without tokens, to a vault that is open to everybody."""
    tokenize: float = Field(default=10, gt=0)
    reveal: float = Field(default=5, ge=0)
    erase: float = Field(default=0.2, ge=0)
    """Each a second."""
    cards: int = Field(default=CARDS, ge=1)
    """Of one subject."""
    devices: int = Field(default=8, ge=1)
    ignoring_ttl: float = Field(default=0, ge=0, le=1)
    """Share of the devices that keep their first address for ever."""
    seed: int = 1
    duration: float | None = Field(default=None, gt=0)
    """Seconds of errands; None: until SIGTERM."""
    settle: float = Field(default=90, ge=0)
    """Seconds after the last errand during which every unsettled one is attempted again and again; it ends with the last of them."""
    request_deadline: float = Field(default=1.0, gt=0)
    first_pause: float = Field(default=0.1, gt=0)
    longest_pause: float = Field(default=2.0, gt=0)
    max_in_flight: int = Field(default=2000, ge=1)
    """Errands under way at once. Reaching it is a defect of the run: from there on it no longer wants what it promises."""

    def caller(self, device: int) -> str:
        """Who the vault takes this device for: devices are spread over the clients in turn."""
        clients = self.entrance.clients if self.entrance else ()
        return clients[device % len(clients)].name if clients else EVERYBODY

    @property
    def rates(self) -> Rates:
        """The three together."""
        return Rates(tokenize=self.tokenize, reveal=self.reveal, erase=self.erase)
