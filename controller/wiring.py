"""Puts one controller process together from its settings. The only module that names concrete classes.

Probing and acting have database sessions of their own: a probe that hangs in a black hole holds its session until its patience is
over, and a cut that waited behind it would be late by as much.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import assert_never
from uuid import uuid4

import aiohttp
import structlog

from controller.actions import Actions
from controller.caretaker import Caretaker
from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core import naming
from controller.core.model import Epoch, Posture, Site
from controller.core.traffic import Limits, Track
from controller.counted import CountedDns
from controller.durations import MeasuredExecutor
from controller.errors import TrimaranError
from controller.execute import Executor
from controller.journal_copy import Copyist
from controller.loop import Loop
from controller.metrics import MeasuredLoop, Metrics
from controller.observe import Observer
from controller.ports import Clock, Probe
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Address, Sessions
from controller.probing.bearer import Bearer, TokenEndpoint, client_context
from controller.probing.canary_probe import CanaryProbe
from controller.probing.http_probe import HttpProbe
from controller.probing.shared_probe import SharedProbe
from controller.probing.sql_probe import SqlProbe
from controller.probing.traffic_probe import TrafficProbe
from controller.probing.zone_probe import Nameservers, ZoneProbe
from controller.provider_watch import APART, ProviderWatch, calm
from controller.rebuild import hindered
from controller.settings import Canary, DatabaseSettings, Readiness, ServiceSettings, Settings, SiteSettings
from controller.steering import Helm, Rudder
from controller.traffic_watch import TrafficWatch
from controller.wiring_audit import notaries
from controller.wiring_clouds import Providers, authorities, providers
from controller.wiring_telling import Voices, voices
from controller.zone_watch import ZoneWatch

log = structlog.get_logger()

FOUND_AGAIN = timedelta(seconds=0.2)
"""Before founding is tried again while etcd does not answer."""

Databases = Mapping[Site, PostgresDatabase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Every part of one controller process, put together and not yet running."""

    settings: Settings
    store: Store
    metrics: Metrics
    loops: Mapping[str, Loop]
    caretakers: tuple[Caretaker, ...]
    zone: ZoneWatch
    clock: Clock
    providers: Mapping[str, ProviderWatch] = field(default_factory=dict)
    """By service."""
    bearer: Bearer | None = None
    """Keeps the access token that canaries are paid with."""
    traffic: TrafficWatch | None = None
    """None: the own site's edge has no agent that the settings name."""
    voices: Voices | None = None
    """What tells people; None: nobody is told."""
    nodes: Mapping[str, Databases]
    """Every service's: who founds one asks them first whether it was led already."""

    async def found(self, service: ServiceSettings) -> None:
        """Have a posture for the service; tries until etcd answers, and keeps an existing one. Nothing is founded beside databases that
        have been led already: etcd has lost the service then, and a person is told so."""
        told = ""
        while True:
            try:
                hindrance = await hindered(service.name, self.store, self.nodes[service.name])
                if not hindrance:
                    await self.store.found(first_posture(service, self.settings))
                    return
            except TrimaranError as error:
                hindrance = str(error)
            if hindrance != told:
                log.warning("found", service=service.name, error=hindrance)
            told = hindrance
            await self.clock.sleep(FOUND_AGAIN)

    async def work(self) -> None:
        """Found what is new, then observe, decide and act until cancelled."""
        self.store.session.start()
        async with asyncio.TaskGroup() as tasks:
            for service in self.settings.services.values():
                tasks.create_task(self.found(service), name=f"found {service.name}")
            for name, loop in self.loops.items():
                tasks.create_task(loop.run(), name=f"loop {name}")
            for caretaker in self.caretakers:
                tasks.create_task(caretaker.run(), name=f"caretaker {caretaker.loop.service}")
            for service_name, watch in self.providers.items():
                tasks.create_task(watch.run(), name=f"providers of {service_name}")
            tasks.create_task(self.zone.run(), name="zone")
            for notary in notaries(self.settings, self.store, self.nodes, self.clock):
                tasks.create_task(notary.run(), name=f"notary of {notary.service}")
            if self.traffic is not None:
                tasks.create_task(self.traffic.run(), name="traffic")
            if self.bearer is not None:
                tasks.create_task(self.bearer.keep(), name="access token")
            if self.voices is not None:
                tasks.create_task(self.voices.work(), name="telling people")


def first_posture(service: ServiceSettings, settings: Settings) -> Posture:
    """What a service starts from: epoch 1, with every follower counted from the first payment on (`founding.plan`)."""
    return Posture(
        service=service.name,
        epoch=Epoch(1),
        writer=service.writer,
        reign=Epoch(1),
        must_cut=frozenset(settings.sites) - {service.writer},
        weights={site: service.policy.share(site) for site in settings.sites},
        mode=service.policy.mode,
    )


@asynccontextmanager
async def assembled(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Assembly]:
    """The parts, with their connections closed at the end and the session revoked, so that nobody waits for it to lapse."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        etcd = Etcd(settings.etcd, context=known_to_etcd(settings))
        stack.push_async_callback(etcd.close)
        store = Store(etcd, controller=settings.site, clock=clock)
        http = await stack.enter_async_context(_http(settings))
        metrics, caretakers = _metrics(settings, clock, stack), list[Caretaker]()
        loops: dict[str, Loop] = {}
        nodes: dict[str, Databases] = {}
        tally = metrics.durations.asked
        asked = {one.name: providers(one, settings).counted(tally, clock) for one in settings.services.values()}
        edges, bearer, traffic = _edges(settings, http, clock), _bearer(settings, clock), _traffic(settings, http, clock)
        served = authorities(settings.clouds, settings.authorities, settings.groups)
        helms = tuple(Helm(CountedDns(authority, tally, clock), clock) for authority in served)
        for service in settings.services.values():
            # One for both: what measures a database every moment keeps the sessions warm that a failover needs at once.
            databases = nodes[service.name] = databases_of(service, settings, stack)
            loop = loops[service.name] = MeasuredLoop(
                service=service.name,
                controller=settings.site,
                coordination=store,
                observer=_observer(service, settings, databases, edges, traffic, clock),
                executor=_executor(service, settings, store, databases, helms, asked[service.name], http, bearer, clock, metrics),
                policy=service.policy,
                clock=clock,
                metrics=metrics,
            )
            metrics.watch(loop)
            own, rudders = databases[settings.site], _rudders(helms, service, settings, urgent=False)
            copyist = Copyist(service=service.name, coordination=store, copy=own)
            caretakers.append(
                Caretaker(site=settings.site, loop=loop, database=own, authorities=rudders, clock=clock, copyist=copyist)
            )
        stack.push_async_callback(store.session.stop)
        yield Assembly(
            settings=settings,
            store=store,
            metrics=metrics,
            loops=loops,
            caretakers=tuple(caretakers),
            zone=_zone(helms, settings, loops, clock, metrics),
            clock=clock,
            providers=_watches(settings, asked, clock, metrics),
            bearer=bearer,
            traffic=traffic,
            nodes=nodes,
            voices=await voices(settings, store, loops, known_to_etcd(settings), clock, stack),
        )


def _metrics(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Metrics:
    """What plans took is told, too, where there is somebody to tell. Otherwise a controller never loads what speaks to a collector."""
    metrics = Metrics(clock)
    if settings.traces is not None:
        from controller.tracing import tracer

        metrics.durations.tell = told = tracer(settings.traces, site=settings.site, count=metrics.durations.sent)
        stack.callback(told.close)
    return metrics


def _http(settings: Settings) -> aiohttp.ClientSession:
    """For everything that is asked: connections are kept, so that a failover makes none."""
    warm = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=trust(settings))
    return aiohttp.ClientSession(connector=warm, cookie_jar=aiohttp.DummyCookieJar())


def trust(settings: Settings) -> ssl.SSLContext | bool:
    """How edges are spoken to by https: as the client that this controller is, or as anybody."""
    identity = settings.identity
    return True if identity is None else client_context(identity.certificate, identity.authority)


def known_to_etcd(settings: Settings) -> ssl.SSLContext | None:
    """As who its members are asked."""
    identity = settings.etcd_identity
    return None if identity is None else client_context(identity.certificate, identity.authority)


def _bearer(settings: Settings, clock: Clock) -> Bearer | None:
    tokens, identity = settings.tokens, settings.identity
    if tokens is None or identity is None:
        return None
    context = client_context(identity.certificate, tokens.authority)
    endpoint = TokenEndpoint(url=tokens.url, client=tokens.client, scope=tokens.scope, context=context)
    return Bearer(endpoint.ask, clock, random.random)


def _watches(settings: Settings, asked: Mapping[str, Providers], clock: Clock, metrics: Metrics) -> Mapping[str, ProviderWatch]:
    """One for each service; they begin one after the other."""
    every, begins = calm(sum(one.questions for one in asked.values())), timedelta()
    found: dict[str, ProviderWatch] = {}
    for name, one in asked.items():
        watch = found[name] = ProviderWatch(
            service=name,
            clock=clock,
            servers=one.servers,
            replicas=one.replicas,
            capacities=one.capacities,
            floors={site: instances.floor for site, instances in settings.services[name].capacity.items()},
            every=every,
            begins=begins,
        )
        metrics.watch_providers(watch)
        begins += one.questions * APART
    return found


def _zone(helms: Sequence[Helm], settings: Settings, loops: Mapping[str, Loop], clock: Clock, metrics: Metrics) -> ZoneWatch:
    """Every authority, and the name servers of those that the settings name one of."""
    names = {group: [one.name for one in table.names] for group, table in settings.groups.items()}
    sites = {address: Site(site) for table in settings.groups.values() for site, address in table.addresses.items()}
    watch = ZoneWatch(
        probe=ZoneProbe(
            authorities=[helm.authority for helm in helms],
            nameservers={
                authority: Nameservers(host=place.host, port=place.port, names=names, sites=sites)
                for authority, place in settings.authorities.nameservers().items()
            },
            clock=clock,
        ),
        leads={group: loops[table.lead] for group, table in settings.groups.items()},
        clock=clock,
    )
    metrics.watch_zone(watch)
    return watch


def _edges(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> Mapping[Site, Probe]:
    """Asked for `/healthz`, which answers for its own site alone: readiness needs the writer, wherever that is. One question serves all
    services: half of their shortest interval later it is old news."""
    keep = min(service.policy.probe_interval for service in settings.services.values()) / 2
    return {site: SharedProbe(_healthy(seen, http, clock), clock, keep) for site, seen in settings.sites.items()}


def _healthy(seen: SiteSettings, http: aiohttp.ClientSession, clock: Clock) -> Probe:
    return HttpProbe(session=http, url=f"{seen.edge}/healthz", clock=clock, host=seen.edge_name, name=seen.edge_name)


def _traffic(settings: Settings, http: aiohttp.ClientSession, clock: Clock) -> TrafficWatch | None:
    agent = settings.sites[settings.site].agent
    if agent is None:
        return None
    probe = TrafficProbe(session=http, url=f"{agent}/status", clock=clock, limits=Limits(), track=Track())
    return TrafficWatch(probe=probe, clock=clock)


def _rudders(helms: Sequence[Helm], service: ServiceSettings, settings: Settings, *, urgent: bool) -> tuple[Rudder, ...]:
    """The service's hands on every authority, one for each group that it leads."""
    return tuple(helm.rudder(group, urgent=urgent) for helm in helms for group in settings.led_by(service.name))


def _observer(
    service: ServiceSettings,
    settings: Settings,
    databases: Databases,
    edges: Mapping[Site, Probe],
    traffic: TrafficWatch | None,
    clock: Clock,
) -> Observer:
    return Observer(
        vantage=settings.site,
        edges=edges,
        databases={site: SqlProbe(database, clock) for site, database in databases.items()},
        policy=service.policy,
        clock=clock,
        traffic=partial(traffic.word, service.name) if traffic else lambda: None,
    )


def _executor(
    service: ServiceSettings,
    settings: Settings,
    store: Store,
    databases: Databases,
    helms: Sequence[Helm],
    asked: Providers,
    http: aiohttp.ClientSession,
    bearer: Bearer | None,
    clock: Clock,
    metrics: Metrics,
) -> Executor:
    actions = Actions(
        service=service.name,
        databases=databases,
        authorities=_rudders(helms, service, settings, urgent=True),
        canaries={site: _canary(service.canary, site, seen, http, bearer, clock) for site, seen in settings.sites.items()},
        managed=asked.replicas,
        capacities=asked.capacities,
        floors={site: instances.floor for site, instances in service.capacity.items()},
        clock=clock,
    )
    return MeasuredExecutor(coordination=store, actions=actions, clock=clock, durations=metrics.durations)


def _canary(
    canary: Canary | Readiness, site: Site, seen: SiteSettings, http: aiohttp.ClientSession, bearer: Bearer | None, clock: Clock
) -> Probe:
    """What proves that a site serves. Readiness is answered by the own service or not at all: no other site answers for this one. An edge
    that is dialled by address is asked for it by the name that the service's clients use, certificate included."""
    match canary:
        case Readiness(host=host):
            name = None if seen.edge_name is None else host
            return HttpProbe(session=http, url=f"{seen.edge}/readyz", clock=clock, host=host, name=name)
        case Canary():
            return CanaryProbe(
                session=http,
                site=site,
                url=f"{seen.edge}/v1/payments",
                debtor=canary.debtor,
                creditor=canary.creditor,
                currency=canary.currency,
                new_key=_canary_key,
                clock=clock,
                name=seen.edge_name,
                bearer=bearer,
            )
        case _:
            assert_never(canary)


def _canary_key() -> str:
    return f"canary-{uuid4()}"


def databases_of(service: ServiceSettings, settings: Settings, stack: AsyncExitStack) -> Databases:
    """Every site's node of a service, closed with the stack."""
    databases = {site: PostgresDatabase(_node(service, site)) for site in settings.sites}
    for database in databases.values():
        stack.push_async_callback(database.close)
    return databases


def _node(service: ServiceSettings, site: Site) -> Node:
    control, stream = naming.control_role(service.name), naming.stream_role(service.name)
    return Node(
        service=service.name,
        site=site,
        sessions=Sessions(database_address(service, service.databases[site], control, service.control_password), site=site),
        publishers={
            publisher: database_address(service, seen, stream, service.stream_password)
            for publisher, seen in service.streams[site].items()
        },
    )


def database_address(service: ServiceSettings, seen: DatabaseSettings, user: str, password: str) -> Address:
    """A service's database as somebody dials it."""
    return Address(
        host=seen.host,
        port=seen.port,
        database=naming.database(service.name),
        user=user,
        password=password,
        options=seen.options,
    )
