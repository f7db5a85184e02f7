"""The settings files of one site's processes, as text. Pure: ports in, TOML out."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import edge_tls, estate, site_clouds
from lab.cabling import SITES, Cabling, Door
from lab.edge_identity import AUTHORITY, CERTIFICATE, SOCKET, edge_name
from lab.fleet import FLEET, PAYMENTS, VAULT
from lab.vendors import AUTHORITIES, VENDORS

SERVICE = PAYMENTS
"""Leads the others where traffic goes."""
WRITER = "azure"
"""Where the writer starts."""

LOCAL = "127.0.0.1"
ZONE = "trimaran.test"
NAMES: Mapping[str, int] = {f"payments.{ZONE}": 2, f"payments-slow.{ZONE}": 30}
"""DNS names that clients of the service know, and their TTL in seconds."""

GROUP = "everywhere"
"""Steering group of whatever runs at all three sites: here the payments service leads, and alone goes with, it."""
WEIGHTED: Mapping[str, int] = {f"everywhere.{ZONE}": 2, f"everywhere-slow.{ZONE}": 30}
"""The group's weighted names, which alone are steered."""
VAULT_NAMES = (f"{VAULT}.{ZONE}",)
"""DNS names of the vault; it has the TTL of the weighted name."""
ALIASES: Mapping[str, str] = {**dict(zip(NAMES, WEIGHTED, strict=True)), **dict(zip(VAULT_NAMES, WEIGHTED, strict=False))}
"""Each name of a service stands for a weighted one: more services would add names here, and none to steer."""

HOSTS: Mapping[str, Sequence[str]] = {PAYMENTS: tuple(NAMES), VAULT: VAULT_NAMES}
"""By service: names that clients ask for it by."""

ADDRESSES: Mapping[str, str] = {"aws": "192.0.2.1", "azure": "192.0.2.2", "gcp": "192.0.2.3"}
"""What the names are answered with (RFC 5737: documentation only); the load generator routes each to a site's edge."""

CURRENCY = "EUR"

PATIENCE = ("[tuning]", "request_deadline = 0.75")
"""Of a service whose clients wait a second. A new connection with TLS takes three round trips of it, and the answer comes one way more:
told later, a client has given up, and its connection with it. In a crowd the next one costs both ends more than the answer."""

TOKEN_FILE = "operator.token"  # noqa: S105  the name of the file is no secret
"""Holds what an order to a controller must carry; one for all three, beside the folders of their settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """What a controller has to know of the authorities beside their ports."""

    ids: Mapping[str, str]
    """The zone as each authority names it, by place."""
    nameservers: Mapping[str, int]
    """Port of each authority's name server on this machine, by place."""
    authority_file: Path
    """Who vouches for the API that is spoken to over https."""


def account_id(name: str) -> uuid.UUID:
    """The same id for the same account in every run."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://{ZONE}/accounts/{name}")


CANARY = (account_id("canary debtor"), account_id("canary creditor"))

PROVEN: Mapping[str, str] = {
    PAYMENTS: f'canary = {{ debtor = "{CANARY[0]}", creditor = "{CANARY[1]}", currency = "{CURRENCY}" }}',
    VAULT: f'readiness = {{ host = "{VAULT}.{ZONE}" }}',
}
"""How controllers prove that a site serves, by service: nobody but the vault's clients may put numbers into it."""


def service_settings(cabling: Cabling, site: str, *door: str) -> str:
    """Settings of the payments service beside this site's edge; `door`: lines that say who it is and who may come in."""
    lines = [f'site = "{site}"', f'service = "{SERVICE}"', *_listen(cabling.direct(site, Door.SERVICE)), *PATIENCE, *door]
    for other in SITES:
        lines += _address(f"databases.{other}", cabling.port(site, other, Door.DATABASE))
    return "\n".join(lines) + "\n"


def edge_settings(cabling: Cabling, site: str, place: Path, services: Sequence[str] = FLEET) -> str:
    """Settings of this site's edge, whose own files are at `place`; `services`: those that there are."""
    lines = [f'site = "{site}"', f'service = "{SERVICE}"', f"posture_file = {_path(place / 'posture.json')}"]
    doors = {"clients": Door.HEALTH, "handed": Door.PEER, "local": Door.SERVICE, "agent": Door.AGENT}
    for table, door in doors.items():
        lines += _address(table, cabling.direct(site, door))
    lines += [*edge_tls.towards_clients(place, cabling.direct(site, Door.EDGE)), *edge_tls.towards_the_service(place, PAYMENTS)]
    if VAULT in services:
        lines += [*_address(f"companions.{VAULT}", cabling.direct(site, Door.VAULT)), f"hosts = {json.dumps(list(HOSTS[VAULT]))}"]
        lines += edge_tls.towards_the_service(place, VAULT, f"companions.{VAULT}")
    for other in _others(site):
        lines += [*_address(f"peers.{other}", cabling.port(site, other, Door.PEER)), f'name = "{edge_name(other)}"']
    lines += ["[identity]", f"certificate = {_path(place / CERTIFICATE)}", f"authority = {_path(place / AUTHORITY)}"]
    lines += ["[haproxy]", f"socket = {_path(place / SOCKET)}", "threads = 1"]
    return "\n".join([*lines, "[etcd]", f"endpoints = {json.dumps(_etcd(cabling, site))}"]) + "\n"


def controller_settings(
    cabling: Cabling,
    site: str,
    zones: Zones,
    papers: Sequence[str] = (),
    policy: Sequence[str] = (),
    services: Sequence[str] = FLEET,
) -> str:
    """Settings of this site's controller. `papers`: lines that say who it is as a client; `policy`: further lines of its policy tables;
    `services`: those that there are, of which it looks after the ones with a database."""
    lines = [
        f'site = "{site}"',
        *_listen(cabling.direct(site, Door.CONTROLLER)),
        f'token_file = "../{TOKEN_FILE}"',
        "[etcd]",
        f"endpoints = {json.dumps(_etcd(cabling, site))}",
    ]
    for other in SITES:
        lines += [f"[sites.{other}]", f'edge = "https://{LOCAL}:{cabling.port(site, other, Door.EDGE)}"']
        if other == site:
            lines += [f'agent = "{_url(cabling.direct(site, Door.AGENT))}"']
    lines += papers
    looked_after = [service for service in FLEET if service in services]
    for service in looked_after:
        lines += _service(cabling, site, service)
        if policy:
            lines += [f"[services.{service}.policy]", *policy]
    lines += _dns(cabling, site, zones, [service for service in looked_after if service != SERVICE])
    return "\n".join(lines) + "\n"


def _service(cabling: Cabling, site: str, service: str) -> list[str]:
    shares = ", ".join(f"{other} = 1.0" for other in SITES)
    lines = [
        f"[services.{service}]",
        'mode = "automatic"',
        f'writer = "{WRITER}"',
        f"shares = {{ {shares} }}",
        PROVEN[service],
    ]
    for other in SITES:
        lines += _address(f"services.{service}.databases.{other}", cabling.port(site, other, Door.DATABASE))
    for follower in SITES:
        for publisher in SITES:
            if publisher != follower:
                dialled = cabling.port(follower, publisher, Door.DATABASE)
                lines += _address(f"services.{service}.streams.{follower}.{publisher}", dialled)
    for other in SITES:
        for kind, table in estate.asked(service, other).items():
            lines += site_clouds.lines(f"services.{service}.{kind}", {other: table})
    return lines


def _dns(cabling: Cabling, site: str, zones: Zones, members: Sequence[str]) -> list[str]:
    names = ", ".join(f'{{ name = "{name}", ttl = {ttl} }}' for name, ttl in WEIGHTED.items())
    addresses = ", ".join(f'{other} = "{address}"' for other, address in ADDRESSES.items())
    ports = {place: cabling.port(site, place, Door.API) for place in AUTHORITIES}
    served = dict(site_clouds.authorities(ZONE, zones.ids))
    for place, vendor in VENDORS.items():
        served[vendor.setting] = {**served[vendor.setting], "nameserver": {"host": LOCAL, "port": zones.nameservers[place]}}
    return [
        *site_clouds.lines("clouds", site_clouds.clouds(ports, str(zones.authority_file))),
        *site_clouds.lines("authorities", served),
        f"[groups.{GROUP}]",
        f'lead = "{SERVICE}"',
        f"members = {json.dumps(members)}",
        f"names = [{names}]",
        f"addresses = {{ {addresses} }}",
    ]


def _others(site: str) -> tuple[str, ...]:
    return tuple(other for other in SITES if other != site)


def _etcd(cabling: Cabling, site: str) -> list[str]:
    """The members' client URLs, own site's first."""
    return [_url(cabling.port(site, other, Door.ETCD)) for other in (site, *_others(site))]


def _path(path: Path) -> str:
    return json.dumps(str(path))


def _listen(port: int) -> list[str]:
    return _address("listen", port)


def _address(table: str, port: int) -> list[str]:
    return [f"[{table}]", f'host = "{LOCAL}"', f"port = {port}"]


def _url(port: int) -> str:
    return f"http://{LOCAL}:{port}"
