"""The check-up gathers from its ports: what answers is judged, what hangs or stumbles is unknown and hides nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

import pytest

from controller.checkup import Checkup, Patient
from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Database
from controller.core.checkup.finding import Finding, Verdict
from controller.core.checkup.papers import Certificate
from controller.core.model import Epoch, Group, Posture, Site
from controller.core.policy import Policy
from controller.errors import Denied, Transient
from controller.providers.memory.capacity import MemoryCapacity
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.dns import MemoryDns
from controller.providers.memory.managed import REPLICA, MemoryManagedDatabase, MemoryServerOffice
from tests.unit.core.checkup.sound import AWS, AZURE, GCP, SERVICE, SITES, database

pytestmark = pytest.mark.asyncio

T = TypeVar("T")

PAY = Group("everywhere")
SHORT = timedelta(milliseconds=50)
POSTURE = Posture(
    service=SERVICE,
    epoch=Epoch(3),
    writer=AZURE,
    reign=Epoch(3),
    must_cut=frozenset({AWS, GCP}),
    weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0},
)


@dataclass
class Told:
    """Answers for one database what it was told to; `hangs` and `stumbles` as a defect of ours would."""

    facts: Database
    hangs: bool = False
    stumbles: bool = False

    async def examine(self, deadline: timedelta) -> Database:
        """What it was told."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.stumbles:
            raise KeyError("a key that nobody foresaw")
        return self.facts


@dataclass
class Servers:
    """Name servers of one authority."""

    sites: frozenset[Site] = frozenset({AWS, GCP})
    silent: bool = False

    async def named(self, group: Group) -> frozenset[Site]:
        """Whom they name."""
        if self.silent:
            raise Transient("no answer")
        return self.sites


@dataclass
class World:
    """Everything around one service, as it should be, over the shipped fakes."""

    clock: SteppedClock = field(default_factory=SteppedClock)

    def __post_init__(self) -> None:
        own = replace(REPLICA, replica_of=None)
        self.databases = {site: Told(database(site)) for site in SITES}
        self.servers = {
            site: MemoryManagedDatabase(site=site, clock=self.clock, server=MemoryServerOffice(told=own)) for site in SITES
        }
        self.capacities = {site: MemoryCapacity(site=site, clock=self.clock, floors={SERVICE: 2}) for site in SITES}
        self.zones = {name: MemoryDns(clock=self.clock, name=name) for name in ("route53", "azure", "clouddns")}
        for authority in self.zones.values():
            authority.set_by_hand(PAY, POSTURE.weights)
        self.nameservers = {name: Servers() for name in self.zones}
        self.delegated = frozenset({"ns-1.awsdns-02.org", "ns1-03.azure-dns.com", "ns-cloud-a1.googledomains.com"})
        now = self.clock.now()
        self.shown = Certificate(begins=now - timedelta(days=10), ends=now + timedelta(days=300))
        self.trouble: dict[str, Exception] = {}
        """Of etcd, the issuer, the resolver and the edge, by name."""

    async def look(self) -> tuple[Finding, ...]:
        """All findings."""
        return await Checkup(
            clock=self.clock,
            patients={
                SERVICE: Patient(
                    databases=self.databases,
                    policy=Policy(required_capacity=1.0),
                    servers=self.servers,
                    capacities=self.capacities,
                    floors=dict.fromkeys(SITES, 4),
                )
            },
            posture=lambda _: self._told("etcd", POSTURE)(),
            leads={PAY: SERVICE},
            authorities=tuple(self.zones.values()),
            nameservers=self.nameservers,
            delegation=self._told("resolver", self.delegated),
            certificates={"edge of aws": self._told("edge", self.shown)},
            renewals={"edge of aws": "Fill aws:edge/door."},
            issuer=self._told("issuer", "a token"),
            deadline=SHORT,
        ).look()

    def _told(self, name: str, answer: T) -> Callable[[], Awaitable[T]]:
        async def ask() -> T:
            if name in self.trouble:
                raise self.trouble[name]
            return answer

        return ask


def verdict(findings: tuple[Finding, ...], check: Check, subject: str) -> Verdict:
    """Of one check of one subject."""
    (found,) = [one for one in findings if one.check is check and one.subject == subject]
    return found.verdict


async def test_everything_there_is_is_asked_and_good() -> None:
    """Every check of the catalogue is made."""
    findings = await World().look()
    assert [one for one in findings if one.verdict is not Verdict.GOOD] == []
    assert {one.check for one in findings} == set(Check)


async def test_what_the_fakes_do_wrong_is_found() -> None:
    """DNS that drifts, answers that mislead, a certificate near its end, instances that are gone, credentials that are missing."""
    world = World()
    world.zones["azure"].set_by_hand(PAY, {AZURE: 1.0})
    world.zones["clouddns"].zone.denied = True
    world.nameservers["route53"].sites = frozenset({AZURE})
    world.shown = replace(world.shown, ends=world.clock.now() + timedelta(hours=12))
    world.capacities[AWS].floors.clear()
    world.capacities[GCP].denied = True
    world.servers[AWS].server.told = None
    world.servers[GCP].server.denied = True
    world.trouble["issuer"] = Denied("HTTP 401")
    findings = await world.look()
    for check, subject in (
        (Check.ZONE_DRIFT, "azure"),
        (Check.PROVIDER_ACCESS, "zone at clouddns"),
        (Check.NAME_SERVERS, "route53"),
        (Check.CERTIFICATE, "edge of aws"),
        (Check.INSTANCES, "payments at aws"),
        (Check.PROVIDER_ACCESS, "instances of payments at gcp"),
        (Check.STANDBY, "payments at aws"),
        (Check.PROVIDER_ACCESS, "server of payments at gcp"),
        (Check.ISSUER, "the issuer"),
    ):
        assert verdict(findings, check, subject) is Verdict.BAD, (check, subject)
    assert verdict(findings, Check.ZONE_DRIFT, "route53") is Verdict.GOOD
    assert [one.way_out.endswith("Fill aws:edge/door.") for one in findings if one.check is Check.CERTIFICATE] == [True]


async def test_what_hangs_is_unknown_within_the_deadline_and_hides_nothing() -> None:
    """One of everything says nothing, each in its own way."""
    world = World()
    world.zones["azure"].zone.hanging = True
    world.nameservers["azure"].silent = True
    world.capacities[AWS].hanging = True
    world.servers[AWS].server.hanging = True
    world.databases[GCP].stumbles = True
    world.trouble = {name: Transient("silent") for name in ("resolver", "edge", "issuer")}
    async with asyncio.timeout(5):
        findings = await world.look()
    for check, subject in (
        (Check.ZONE_DRIFT, "azure"),
        (Check.NAME_SERVERS, "azure"),
        (Check.INSTANCES, "payments at aws"),
        (Check.STANDBY, "payments at aws"),
        (Check.WAL_LEVEL, "payments at gcp"),
        (Check.ONE_WRITER, SERVICE),
        (Check.DELEGATION, "the zone"),
        (Check.CERTIFICATE, "edge of aws"),
        (Check.ISSUER, "the issuer"),
    ):
        assert verdict(findings, check, subject) is Verdict.UNKNOWN, (check, subject)
    assert verdict(findings, Check.WAL_LEVEL, "payments at aws") is Verdict.GOOD
    assert not [one for one in findings if one.verdict is Verdict.BAD]


async def test_an_examiner_that_never_returns_is_given_up() -> None:
    """Whatever it makes of its deadline."""
    world = World()
    world.databases[AWS].hangs = True
    async with asyncio.timeout(5):
        findings = await world.look()
    assert verdict(findings, Check.LOGIN, "payments at aws") is Verdict.UNKNOWN


async def test_without_etcd_the_databases_are_looked_at_all_the_same() -> None:
    """What is wanted is unknown then, and with it what drifts."""
    world = World()
    world.trouble["etcd"] = Transient("no majority")
    findings = await world.look()
    assert verdict(findings, Check.ETCD, "etcd") is Verdict.UNKNOWN
    assert verdict(findings, Check.POSTURE_DRIFT, SERVICE) is Verdict.UNKNOWN
    assert verdict(findings, Check.ZONE_DRIFT, "azure") is Verdict.UNKNOWN
    assert verdict(findings, Check.WAL_LEVEL, "payments at aws") is Verdict.GOOD


async def test_what_the_settings_do_not_name_is_unknown() -> None:
    """Nobody looked at it, and nobody says that it is good."""
    world = World()
    world.servers.clear()
    world.capacities.clear()
    world.nameservers.clear()
    findings = await world.look()
    assert verdict(findings, Check.STANDBY, "payments at aws") is Verdict.UNKNOWN
    assert verdict(findings, Check.INSTANCES, "payments at aws") is Verdict.UNKNOWN
    assert verdict(findings, Check.NAME_SERVERS, "azure") is Verdict.UNKNOWN
