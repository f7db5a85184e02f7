"""Asks everything that a check-up wants to know, all at once and each within its deadline, and has it judged by the core.

Nothing is changed, and nothing that decides waits for any of it. What cannot be asked, for whatever reason, is unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from controller.core.checkup import fleet, papers, providers, zone
from controller.core.checkup.facts import Database, silent
from controller.core.checkup.finding import Finding, Unasked
from controller.core.checkup.papers import Certificate
from controller.core.checkup.streams import Nodes, subject_of
from controller.core.model import Group, Posture, Site
from controller.core.policy import Policy
from controller.errors import Denied, TrimaranError
from controller.ports import Capacity, Clock, ManagedDatabase, Ratios
from controller.probing.zone_probe import Answering, Readable

T = TypeVar("T")

QUESTIONS = 12
"""Of one database, one after the other; none takes longer than the deadline."""


class Examiner(Protocol):
    """Who looks at one database."""

    async def examine(self, deadline: timedelta) -> Database:
        """Everything that could be asked; `deadline` bounds each question. Never raises for what the server does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One service that is looked at."""

    databases: Mapping[Site, Examiner]
    policy: Policy
    servers: Mapping[Site, ManagedDatabase] = field(default_factory=dict)
    capacities: Mapping[Site, Capacity] = field(default_factory=dict)
    floors: Mapping[Site, int] = field(default_factory=dict)
    """To what a failover raises the floors of instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """One look at everything."""

    clock: Clock
    patients: Mapping[str, Patient]
    """By service."""
    posture: Callable[[str], Awaitable[Posture | None]]
    """Of a service, as etcd has it; None: it was never founded."""
    leads: Mapping[Group, str] = field(default_factory=dict)
    """The service whose posture each group's traffic follows."""
    authorities: Sequence[Readable] = ()
    nameservers: Mapping[str, Answering] = field(default_factory=dict)
    """By authority."""
    delegation: Callable[[], Awaitable[frozenset[str]]] | None = None
    """Name servers of the zone, as a resolver is told."""
    certificates: Mapping[str, Callable[[], Awaitable[Certificate]]] = field(default_factory=dict)
    """By who shows it."""
    renewals: Mapping[str, str] = field(default_factory=dict)
    """Of some of them, likewise: how a new one comes there."""
    issuer: Callable[[], Awaitable[object]] | None = None
    """Asks for an access token; None: none is needed."""
    deadline: timedelta = timedelta(seconds=3)
    """For each question."""

    async def look(self) -> tuple[Finding, ...]:
        """Every finding, good ones too."""
        names = sorted({*self.patients, *self.leads.values()})
        told = await asyncio.gather(*(asked(self.posture(name), self.deadline) for name in names))
        postures = dict(zip(names, told, strict=True))
        looks = [self._service(name, patient, postures[name]) for name, patient in sorted(self.patients.items())]
        found = await asyncio.gather(*looks, self._zone(postures), self._papers())
        return (*(one for findings in found for one in findings), papers.etcd(postures))

    async def _service(self, service: str, patient: Patient, posture: Posture | Unasked | None) -> tuple[Finding, ...]:
        sites = sorted(patient.databases)
        heard, provided = await asyncio.gather(
            self._databases(patient), asyncio.gather(*(self._provided(service, patient, site) for site in sites))
        )
        return (
            *fleet.databases(service, heard),
            papers.posture(service, posture, Nodes(service=service, databases=heard)),
            providers.survivors(service, patient.policy, frozenset(sites)),
            *(one for findings in provided for one in findings),
        )

    async def _databases(self, patient: Patient) -> Mapping[Site, Database]:
        looks = [asked(one.examine(self.deadline), self.deadline * QUESTIONS) for one in patient.databases.values()]
        answers = await asyncio.gather(*looks)
        return {
            site: silent(one) if isinstance(one, Unasked) else one for site, one in zip(patient.databases, answers, strict=True)
        }

    async def _provided(self, service: str, patient: Patient, site: Site) -> tuple[Finding, ...]:
        """What one site's provider says."""
        server, capacity = patient.servers.get(site), patient.capacities.get(site)
        facts, floor = await asyncio.gather(
            asked(server.facts(self.deadline), self.deadline) if server else _unnamed(),
            asked(capacity.floor(service), self.deadline) if capacity else _unnamed(),
        )
        subject = subject_of(service, site)
        return (
            *providers.server(subject, facts, self.clock.now()),
            *providers.instances(subject, floor, patient.floors.get(site, 0)),
        )

    async def _zone(self, postures: Mapping[str, Posture | Unasked | None]) -> tuple[Finding, ...]:
        if not self.leads:
            return ()
        looks = asyncio.gather(*(self._authority(one) for one in self.authorities))
        delegated, authorities = await asyncio.gather(self._delegated(), looks)
        wanted = {group: _weights(postures[lead]) for group, lead in self.leads.items()}
        return tuple(zone.judge(zone.Zone(wanted=wanted, authorities=tuple(authorities), delegated=delegated)))

    async def _authority(self, one: Readable) -> zone.Authority:
        ratios, named = await asyncio.gather(asked(one.read(), self.deadline), self._named(one.name))
        return zone.Authority(name=one.name, ratios=ratios, named=named)

    async def _named(self, authority: str) -> Mapping[Group, frozenset[Site]] | Unasked:
        servers = self.nameservers.get(authority)
        if servers is None:
            return Unasked(because="the settings name no name server of it")

        async def ask() -> Mapping[Group, frozenset[Site]]:
            return {group: await servers.named(group) for group in self.leads}

        return await asked(ask(), self.deadline)

    async def _delegated(self) -> frozenset[str] | Unasked:
        if self.delegation is None:
            return Unasked(because="nobody was asked")
        return await asked(self.delegation(), self.deadline)

    async def _papers(self) -> tuple[Finding, ...]:
        places = sorted(self.certificates)
        shown = await asyncio.gather(*(asked(self.certificates[place](), self.deadline) for place in places))
        now = self.clock.now()
        findings = [
            papers.certificate(place, one, now, self.renewals.get(place, "")) for place, one in zip(places, shown, strict=True)
        ]
        if self.issuer is not None:
            given = await asked(self.issuer(), self.deadline)
            findings.append(papers.issuer(given if isinstance(given, Unasked) else None))
        return tuple(findings)


async def _unnamed() -> Unasked:
    return providers.UNNAMED


def _weights(posture: Posture | Unasked | None) -> Ratios | Unasked:
    if posture is None:
        return Unasked(because="no controller has founded the service yet")
    return posture if isinstance(posture, Unasked) else posture.weights


async def asked(asking: Awaitable[T], deadline: timedelta) -> T | Unasked:
    """An answer, or why there is none. An error that nobody foresaw is no answer either: it must not hide the other findings."""
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            return await asking
    except TimeoutError:
        return Unasked(because=f"no answer within {deadline.total_seconds():g} s")
    except Denied as error:
        return Unasked(because=str(error), refused=True)
    except TrimaranError as error:
        return Unasked(because=str(error))
    except Exception as error:  # noqa: BLE001  see above
        return Unasked(because=f"{type(error).__name__}: {error}")
