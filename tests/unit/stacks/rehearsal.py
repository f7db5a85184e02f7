"""A check-up put together from settings as it is on a node, with a fake in everybody's place: who is asked, where, and by which name."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from types import MethodType
from typing import Any, TypeVar

from controller.checkup import Checkup, Patient
from controller.core.checkup.facts import Database
from controller.core.checkup.finding import Finding
from controller.core.checkup.papers import Certificate
from controller.core.model import Epoch, Group, Posture, ProviderFacts, Site
from controller.ports import Capacity, ManagedDatabase, Ratios
from controller.postgres.examine import Examiner
from controller.probing.bearer import TokenEndpoint
from controller.probing.certificate_probe import FetchedCertificate, FileCertificate, HttpsCertificate
from controller.probing.delegation_probe import Delegation
from controller.probing.zone_probe import Nameservers
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.managed import REPLICA
from controller.providers.ratios import to_shares
from controller.settings import Settings
from controller.stacks.contract import AUTHORITIES, SERVICES, SITES, Stack
from controller.wiring_checkup import put_together
from tests.unit.core.checkup import sound

Asked = tuple[str, str, str]
"""What kind of thing, whose, and where or by which name."""

DEADLINE = timedelta(seconds=2)
WEIGHTS: Ratios = {Site(site): 1.0 for site in SITES}

T = TypeVar("T")


def _of_service(told: T, service: str) -> T:
    """Facts of payments, as those of another service: everything is called after it."""
    found: Any = told
    match told:
        case str() if type(told) is str:
            found = told.replace(sound.SERVICE, service)
        case tuple() | frozenset():
            found = type(told)(_of_service(one, service) for one in told)
        case Mapping():
            found = {key: _of_service(one, service) for key, one in told.items()}
        case _ if is_dataclass(told) and not isinstance(told, type):
            found = replace(told, **{one.name: _of_service(getattr(told, one.name), service) for one in fields(told)})
    answer: T = found
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Says the same to whoever asks, and keeps that somebody did."""

    told: Any
    tell: Callable[[], None]
    name: str = ""

    async def examine(self, deadline: timedelta) -> Database:
        """As a database."""
        return await self()  # type: ignore[no-any-return]

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """As a provider of servers."""
        return await self()  # type: ignore[no-any-return]

    async def floor(self, service: str) -> int | None:
        """As a provider of instances."""
        return await self()  # type: ignore[no-any-return]

    async def read(self) -> Mapping[Group, Ratios]:
        """As an authority."""
        return await self()  # type: ignore[no-any-return]

    async def named(self, group: Group) -> frozenset[Site]:
        """As name servers."""
        return await self()  # type: ignore[no-any-return]

    async def __call__(self) -> Any:
        """As whoever is asked one thing."""
        self.tell()
        return self.told


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """One check-up over fakes that find nothing wrong."""

    settings: Settings
    nameservers: frozenset[str]
    """That a resolver tells."""
    clock: SteppedClock = field(default_factory=SteppedClock)
    asked: set[Asked] = field(default_factory=set)

    async def findings(self) -> tuple[Finding, ...]:
        """Of the one look."""
        real = put_together(self.settings, self.settings.services, DEADLINE, self._posture)
        return await self._over_fakes(real).look()

    async def _posture(self, service: str) -> Posture:
        self.asked.add(("posture", service, self.settings.etcd[0]))
        epoch, others = sound.EPOCH, frozenset(sound.FOLLOWERS)
        return Posture(
            service=service, epoch=Epoch(epoch), writer=sound.WRITER, reign=epoch, must_cut=others, weights=dict(WEIGHTS)
        )

    def _fake(self, kind: str, whose: str, where: str, told: object, name: str = "") -> Any:
        return Answers(told=told, tell=lambda: self.asked.add((kind, whose, where)), name=name)

    def _over_fakes(self, real: Checkup) -> Checkup:
        zones = {name: getattr(self.settings.authorities, name).zone for name in AUTHORITIES}
        held = dict.fromkeys(real.leads, to_shares(WEIGHTS))
        assert isinstance(real.delegation, Delegation)
        return replace(
            real,
            clock=self.clock,
            patients={name: self._patient(name, patient) for name, patient in real.patients.items()},
            authorities=tuple(self._fake("authority", one.name, zones[one.name], held, one.name) for one in real.authorities),
            nameservers={name: self._servers(name, one) for name, one in real.nameservers.items()},
            delegation=self._fake("delegation", "zone", real.delegation.name, self.nameservers),
            certificates={whose: self._shown(whose, look) for whose, look in real.certificates.items()},
            issuer=self._issuer(real.issuer),
        )

    def _patient(self, service: str, real: Patient) -> Patient:
        tables = self.settings.services[service]
        return replace(
            real,
            databases={site: self._database(service, site, one) for site, one in real.databases.items()},
            servers={site: self._server(service, one, tables.servers[site].server) for site, one in real.servers.items()},
            capacities={site: self._instances(service, one, tables.capacity[site].name) for site, one in real.capacities.items()},
        )

    def _database(self, service: str, site: Site, real: object) -> Any:
        assert isinstance(real, Examiner) and (real.service, real.site, real.cloud) == (service, site, site)
        assert (real.control.user, real.stream.user) == (f"{service}_control", f"{service}_stream")
        assert set(real.dialled) == set(WEIGHTS) - {site}
        where = f"{real.control.host}:{real.control.port}"
        return self._fake("database", f"{service} at {site}", where, _of_service(sound.database(site), service))

    def _server(self, service: str, real: ManagedDatabase, name: str) -> Any:
        return self._fake("server", f"{service} at {real.site}", name, replace(REPLICA, replica_of=None))

    def _instances(self, service: str, real: Capacity, name: str) -> Any:
        return self._fake("instances", f"{service} at {real.site}", name, 2)

    def _servers(self, authority: str, real: object) -> Any:
        assert isinstance(real, Nameservers) and set(real.sites.values()) == set(WEIGHTS)
        return self._fake("name server", authority, f"{real.host}:{real.port}", frozenset(WEIGHTS))

    def _shown(self, whose: str, real: Callable[[], Awaitable[Certificate]]) -> Any:
        match real:
            case HttpsCertificate(host=host, port=port, name=name):
                where = f"{host}:{port}" if name is None else f"{host}:{port} as {name}"
            case FileCertificate(path=path):
                where = path.name
            case FetchedCertificate(fetch=fetch):
                where = "{}:{}".format(*fetch.args)  # type: ignore[attr-defined]
            case _:
                raise AssertionError(f"{whose}: nobody knows how it is looked at")
        now = self.clock.now()
        return self._fake("certificate", whose, where, Certificate(begins=now - timedelta(days=9), ends=now + timedelta(days=90)))

    def _issuer(self, real: object) -> Any:
        assert isinstance(real, MethodType) and isinstance(real.__self__, TokenEndpoint)
        return self._fake("issuer", real.__self__.client, real.__self__.url, "a token")


def everybody(told: Mapping[Stack, Mapping[str, Any]], settings: Settings) -> set[Asked]:
    """Whom a check-up by these settings has to ask, by what the stacks have told and a person has chosen."""
    edge, issuer = told[Stack.EDGE], "issuer.example.com"
    domain, zones = edge["azure_zone"], {name: edge[f"{name}_zone"] for name in AUTHORITIES}
    vault = f"vault.{domain}"
    found: set[Asked] = {
        ("certificate", "this controller", "identity.pem"),
        ("certificate", "this controller to etcd", "etcd-identity.pem"),
        ("certificate", "the issuer", f"{issuer}:443"),
        ("issuer", f"controller-{settings.site}", f"https://{issuer}/token"),
        ("delegation", "zone", f"everywhere.{domain}"),
        *(("authority", name, zone) for name, zone in zones.items()),
        *(("name server", name, f"{min(edge['served_by'][name]).rstrip('.')}:53") for name in AUTHORITIES),
        *(("posture", service, f"https://{told[Stack.CONTROL]['nodes'][settings.site]}:2379") for service in SERVICES),
    }
    for site in SITES:
        own = told[site]
        found |= {
            ("certificate", f"edge of {site}", f"{own['address']}:443 as {edge['asked_by']}"),
            ("certificate", f"edge of {site} as {vault}", f"{own['address']}:443 as {vault}"),
        }
        for service in SERVICES:
            whose, host = f"{service} at {site}", f"{own['database_hosts'][service]}:5432"
            found |= {
                ("database", whose, host),
                ("certificate", f"database of {service} at {site}", host),
                ("server", whose, own["database_servers"][service].rpartition("/")[2]),
                ("instances", whose, own["instances"][service]),
            }
    return found
