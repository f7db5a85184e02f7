"""Puts a check-up together from a controller's settings. Part of `wiring`."""

import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from controller.checkup import Checkup, Patient
from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core import naming
from controller.core.checkup.finding import Finding
from controller.core.checkup.papers import Certificate
from controller.core.model import Posture, Site
from controller.postgres import door
from controller.postgres.examine import Examiner
from controller.probing.bearer import TokenEndpoint, client_context
from controller.probing.certificate_probe import FetchedCertificate, FileCertificate, HttpsCertificate
from controller.probing.delegation_probe import Delegation
from controller.probing.zone_probe import Nameservers
from controller.settings import Readiness, ServiceSettings, Settings
from controller.settings_token import is_loopback
from controller.wiring import database_address, known_to_etcd
from controller.wiring_clouds import authorities, providers

Services = Mapping[str, ServiceSettings]
Postures = Callable[[str], Awaitable[Posture | None]]


async def checkup(settings: Settings, services: Services, deadline: timedelta) -> tuple[Finding, ...]:
    """Look at these services, and at what they rest on, from where this process runs."""
    etcd = Etcd(settings.etcd, deadline=deadline, context=known_to_etcd(settings))
    store = Store(etcd, controller=settings.site, clock=SystemClock())

    async def posture(service: str) -> Posture | None:
        control = await store.read(service)
        return None if control is None else control.posture

    try:
        return await put_together(settings, services, deadline, posture).look()
    finally:
        await etcd.close()


def put_together(settings: Settings, services: Services, deadline: timedelta, posture: Postures) -> Checkup:
    """Everybody who is asked, and nobody asked yet."""
    names = {group: [one.name for one in table.names] for group, table in settings.groups.items()}
    sites = {address: Site(site) for table in settings.groups.values() for site, address in table.addresses.items()}
    first = next((name for listed in names.values() for name in listed), None)
    return Checkup(
        clock=SystemClock(),
        patients={name: _patient(service, settings) for name, service in services.items()},
        posture=posture,
        leads={group: table.lead for group, table in settings.groups.items()},
        authorities=authorities(settings.clouds, settings.authorities, settings.groups),
        nameservers={
            authority: Nameservers(host=place.host, port=place.port, names=names, sites=sites)
            for authority, place in settings.authorities.nameservers().items()
        },
        delegation=None if first is None else Delegation(name=first, deadline=deadline),
        certificates=dict(_certificates(settings, services, deadline)),
        renewals=dict(_renewals(settings, services)),
        issuer=_issuer(settings),
        deadline=deadline,
    )


def _patient(service: ServiceSettings, settings: Settings) -> Patient:
    asked = providers(service, settings)
    return Patient(
        databases={site: _examiner(service, site, settings) for site in settings.sites},
        policy=service.policy,
        servers=asked.servers,
        capacities=asked.capacities,
        floors={site: instances.floor for site, instances in service.capacity.items()},
    )


def _examiner(service: ServiceSettings, site: Site, settings: Settings) -> Examiner:
    control, stream = naming.control_role(service.name), naming.stream_role(service.name)
    own = service.databases[site]
    return Examiner(
        service=service.name,
        site=site,
        cloud=settings.sites[site].cloud,
        control=database_address(service, own, control, service.control_password),
        stream=database_address(service, own, stream, service.stream_password),
        dialled={
            publisher: database_address(service, seen, stream, service.stream_password)
            for publisher, seen in service.streams[site].items()
        },
        clock=SystemClock(),
    )


def _certificates(
    settings: Settings, services: Services, deadline: timedelta
) -> Iterator[tuple[str, Callable[[], Awaitable[Certificate]]]]:
    """This controller's own two, every edge's by each name that it is asked by, the issuer's, and every database's that is not on this
    machine."""
    identity, tokens = settings.identity, settings.tokens
    if identity is not None:
        yield "this controller", FileCertificate(path=identity.certificate)
    if settings.etcd_identity is not None:
        yield "this controller to etcd", FileCertificate(path=settings.etcd_identity.certificate)
    own = None if identity is None else identity.certificate
    trust = client_context(own, None if identity is None else identity.authority)
    for place, (site, host) in _doors(settings, services).items():
        yield place, _https(settings.sites[site].edge, trust, deadline, host)
    if tokens is not None:
        yield "the issuer", _https(tokens.url, client_context(own, tokens.authority), deadline)
    for name, service in services.items():
        for site, at in service.databases.items():
            if not is_loopback(at.host):
                fetch = partial(door.certificate, at.host, at.port, deadline=deadline)
                yield f"database of {name} at {site}", FetchedCertificate(fetch=fetch)


def _doors(settings: Settings, services: Services) -> Mapping[str, tuple[Site, str | None]]:
    """Every edge with a certificate, by each name that it is asked by."""
    found: dict[str, tuple[Site, str | None]] = {}
    for site, seen in settings.sites.items():
        if seen.edge.startswith("https://"):
            found[f"edge of {site}"] = site, seen.edge_name
        for host in sorted(_hosts(services) - {seen.edge_name}) if seen.edge_name is not None else ():
            found[f"edge of {site} as {host}"] = site, host
    return found


def _renewals(settings: Settings, services: Services) -> Iterator[tuple[str, str]]:
    """Of edges that `trimaran bootstrap` fills: those that are asked by a name of their own."""
    for place, (site, _) in _doors(settings, services).items():
        match settings.sites[site].cloud if settings.sites[site].edge_name is not None else None:
            case "aws" | "azure":
                way = f"trimaran bootstrap --only secrets --rotate {site}:edge/door, with the new one given; then start that edge anew"
                yield place, f"It comes there by {way} (docs/deploy.md, Edges' certificates)."
            case "gcp":
                yield (
                    place,
                    "Google renews it, by the records that its site asks the zone for (certificate_records): are they there?",
                )
            case None:
                pass


def _hosts(services: Services) -> frozenset[str]:
    """Names by which edges are asked for the services that share them."""
    return frozenset(one.canary.host for one in services.values() if isinstance(one.canary, Readiness))


def _https(url: str, trust: ssl.SSLContext, deadline: timedelta, name: str | None = None) -> HttpsCertificate:
    place = urlsplit(url)
    return HttpsCertificate(host=place.hostname or "", port=place.port or 443, trust=trust, deadline=deadline, name=name)


def _issuer(settings: Settings) -> Callable[[], Awaitable[object]] | None:
    tokens, identity = settings.tokens, settings.identity
    if tokens is None or identity is None:
        return None
    context = client_context(identity.certificate, tokens.authority)
    return TokenEndpoint(url=tokens.url, client=tokens.client, scope=tokens.scope, context=context).ask
