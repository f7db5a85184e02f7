"""Three sites with empty places, held in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from controller.core.model import Site
from controller.errors import Transient
from controller.filling.fill import Outcome, carry_out, look
from controller.filling.given import GivenFiles
from controller.filling.objections import orders
from controller.filling.orders import Means, Order, Wishes, variables
from controller.filling.places import Estate, understood
from controller.filling.plan import EDGE, GCP, SITES, plan
from controller.filling.whose import Whose
from controller.issuing.archive import Archive
from controller.issuing.authority import Authority, Subject
from controller.ports import Filled
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.secrets import MemorySecrets
from controller.stacks.contract import CONTRACT, Stack

DOMAIN = "example.com"
NODES = {site: IPv4Address(f"10.{number}.0.4") for number, site in enumerate(SITES, start=10)}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONE = timedelta()
WHOSE = Whose(
    environment="prod",
    account="111111111111",
    region="eu-central-1",
    subscription="00000000-0000-0000-0000-000000000001",
    vaults=None,
    project="trimaran-prod",
)
ACCOUNTS = {"aws": {"account": WHOSE.account}, "azure": {"subscription": WHOSE.subscription}, "gcp": {"project": WHOSE.project}}


def id_of(site: str, name: str) -> str:
    """As this site's vendor names a place."""
    flat, (reader, _, own) = name.replace("/", "-"), name.partition("/")
    return {
        "aws": f"arn:aws:secretsmanager:eu-central-1:111111111111:secret:trimaran/prod/{name}-AbCdEf",
        "azure": f"https://trimaran-prod-{reader}.vault.azure.net/secrets/{own}",
        "gcp": f"projects/trimaran-prod/secrets/trimaran-prod-{flat}",
    }[site]


def outputs() -> dict[Stack, dict[str, Any]]:
    """What all stacks tell, as far as it is read here."""
    named = {site: {one.name: id_of(site, one.name) for one in plan(NODES) if one.site == site} for site in SITES}
    sites = {Stack(site): {"contract": CONTRACT, "account": ACCOUNTS[site], "secrets": named[site]} for site in SITES}
    edge = {"contract": CONTRACT, "azure_zone": DOMAIN}
    control = {"contract": CONTRACT, "nodes": {site: str(address) for site, address in NODES.items()}}
    return {**sites, Stack.EDGE: edge, Stack.CONTROL: control}


def passwords(word: str = "word") -> Mapping[str, str]:
    """All of them, each another one."""
    return {name: f"{word}-of-{name.lower()}" for name in variables(plan(NODES))}


def given_files(place: Path, *, now: datetime = NOW) -> None:
    """Every file that has to be given, below this directory."""
    public = Authority.made("public", now=now, life=timedelta(days=90))
    door = public.issue(Subject(called="door", hosts=(f"api.{DOMAIN}", f"vault.{DOMAIN}")), now=now, life=timedelta(days=80))
    for site in SITES:
        for reader in ("payments", "vault", "screening", "webhooks", EDGE, "control"):
            (place / site / reader).mkdir(parents=True, exist_ok=True)
            (place / site / reader / "settings.toml").write_text(f'site = "{site}"\n')
        (place / site / EDGE / "door.pem").write_bytes(b"w" * 48 if site == GCP else door.certificate)
    for shared in ("webhooks", "control"):
        (place / shared).mkdir(exist_ok=True)
    for site in SITES:
        (place / "control" / f"database-authority-{site}.pem").write_bytes(public.pem)
    (place / "webhooks" / "merchants.toml").write_text("# none yet\n")


@dataclass
class Disturbed:
    """A store in which something happens around each change. The change itself is carried out."""

    inner: MemorySecrets
    silent: bool = False
    """No change is ever answered."""
    trampled: bool = False
    """Somebody else fills the same place a moment later."""

    @property
    def site(self) -> Site:
        """See `ports.SecretStore`."""
        return self.inner.site

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """See `ports.SecretStore`."""
        return await self.inner.filled(place, deadline)

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return self._answered(place, await self.inner.fill(place, content, deadline))

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return self._answered(place, await self.inner.replace(place, content, over=over, deadline=deadline))

    def _answered(self, place: str, done: Filled) -> Filled:
        if self.silent:
            raise Transient(f"{self.site}: no answer")
        if self.trampled:
            self.inner.places[place].append(b"somebody else's")
        return done


@dataclass
class World:
    """Somebody who fills, with everything that is needed."""

    folder: Path
    now: datetime = NOW
    words: Mapping[str, str] = field(default_factory=passwords)

    def __post_init__(self) -> None:
        self.estate: Estate = understood(outputs(), WHOSE)
        self.stores = {
            site: MemorySecrets(
                site=Site(site),
                clock=SteppedClock(),
                places={self.estate.id(one): [] for one in self.estate.places if one.site == site},
            )
            for site in SITES
        }
        given_files(self.folder / "given", now=self.now)

    def means(self, directory: str = "authority") -> Means:
        """As they are now."""
        archive = Archive(self.folder / directory, DOMAIN, lambda: self.now, cost=2)
        return Means(archive=archive, given=GivenFiles(self.folder / "given", DOMAIN), passwords=dict(self.words), now=self.now)

    async def disturbed(self, site: str, name: str, **how: bool) -> Outcome:
        """This place alone is filled, and something happens meanwhile."""
        wanted = tuple(one for one in await self.decided() if str(one.seen.place) == f"{site}:{name}")
        return await carry_out(wanted, {site: Disturbed(self.stores[site], **how)}, self.means(), pause=NONE)

    async def decided(self, wishes: Wishes | None = None, directory: str = "authority") -> tuple[Order, ...]:
        """What would be done."""
        return orders(await look(self.estate, self.stores, NONE), wishes or Wishes(), self.means(directory))

    async def filled(self, wishes: Wishes | None = None, directory: str = "authority") -> Outcome:
        """All of it."""
        wanted = await self.decided(wishes, directory)
        return await carry_out(wanted, self.stores, self.means(directory), pause=NONE, wishes=wishes or Wishes())

    def told(self, site: str, name: str) -> bytes:
        """What a program is told that asks for this place."""
        return self.stores[site].places[id_of(site, name)][-1]

    def versions(self) -> Iterator[int]:
        """Of every place."""
        for store in self.stores.values():
            yield from map(len, store.places.values())
