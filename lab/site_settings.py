"""The settings files of one site's processes, as text. Pure: ports in, TOML out."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import site_clouds
from lab.cabling import SITES, Cabling, Door
from lab.vendors import AUTHORITIES

SERVICE = "payments"
WRITER = "azure"
"""Where the writer starts."""

LOCAL = "127.0.0.1"
ZONE = "trimaran.test"
NAMES: Mapping[str, int] = {f"payments.{ZONE}": 2, f"payments-slow.{ZONE}": 30}
"""DNS names of the service and their TTL in seconds."""

ADDRESSES: Mapping[str, str] = {"aws": "192.0.2.1", "azure": "192.0.2.2", "gcp": "192.0.2.3"}
"""What the names are answered with (RFC 5737: documentation only); the load generator routes each to a site's edge."""

CURRENCY = "EUR"

TOKEN_FILE = "operator.token"  # noqa: S105  the name of the file is no secret
"""Holds what an order to a controller must carry; one for all three, beside the folders of their settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """What a controller has to know of the authorities beside their ports."""

    ids: Mapping[str, str]
    """The zone as each authority names it, by place."""
    authority_file: Path
    """Who vouches for the API that is spoken to over https."""


def account_id(name: str) -> uuid.UUID:
    """The same id for the same account in every run."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://{ZONE}/accounts/{name}")


CANARY = (account_id("canary debtor"), account_id("canary creditor"))


def service_settings(cabling: Cabling, site: str) -> str:
    """Settings of the payments service beside this site's edge."""
    lines = [f'site = "{site}"', f'service = "{SERVICE}"', *_listen(cabling.direct(site, Door.EDGE))]
    for other in SITES:
        lines += _address(f"databases.{other}", cabling.port(site, other, Door.DATABASE))
    return "\n".join(lines) + "\n"


def controller_settings(cabling: Cabling, site: str, zones: Zones, policy: Sequence[str] = ()) -> str:
    """Settings of this site's controller; `policy` are further lines of its policy table."""
    endpoints = [_url(cabling.port(site, other, Door.ETCD)) for other in (site, *(s for s in SITES if s != site))]
    lines = [
        f'site = "{site}"',
        *_listen(cabling.direct(site, Door.CONTROLLER)),
        f'token_file = "../{TOKEN_FILE}"',
        "[etcd]",
        f"endpoints = {json.dumps(endpoints)}",
    ]
    for other in SITES:
        lines += [f"[sites.{other}]", f'edge = "{_url(cabling.port(site, other, Door.EDGE))}"']
    lines += _service(cabling, site)
    lines += _dns(cabling, site, zones)
    if policy:
        lines += [f"[services.{SERVICE}.policy]", *policy]
    return "\n".join(lines) + "\n"


def _service(cabling: Cabling, site: str) -> list[str]:
    debtor, creditor = CANARY
    shares = ", ".join(f"{other} = 1.0" for other in SITES)
    lines = [
        f"[services.{SERVICE}]",
        'mode = "automatic"',
        f'writer = "{WRITER}"',
        f"shares = {{ {shares} }}",
        f'canary = {{ debtor = "{debtor}", creditor = "{creditor}", currency = "{CURRENCY}" }}',
    ]
    for other in SITES:
        lines += _address(f"services.{SERVICE}.databases.{other}", cabling.port(site, other, Door.DATABASE))
    for follower in SITES:
        for publisher in SITES:
            if publisher != follower:
                dialled = cabling.port(follower, publisher, Door.DATABASE)
                lines += _address(f"services.{SERVICE}.streams.{follower}.{publisher}", dialled)
    return lines


def _dns(cabling: Cabling, site: str, zones: Zones) -> list[str]:
    names = ", ".join(f'{{ name = "{name}", ttl = {ttl} }}' for name, ttl in NAMES.items())
    addresses = ", ".join(f'{other} = "{address}"' for other, address in ADDRESSES.items())
    ports = {place: cabling.port(site, place, Door.API) for place in AUTHORITIES}
    return [
        *site_clouds.lines("clouds", site_clouds.clouds(ports, str(zones.authority_file))),
        *site_clouds.lines("authorities", site_clouds.authorities(ZONE, zones.ids)),
        f"[groups.{SERVICE}]",
        f'lead = "{SERVICE}"',
        f"names = [{names}]",
        f"addresses = {{ {addresses} }}",
    ]


def _listen(port: int) -> list[str]:
    return _address("listen", port)


def _address(table: str, port: int) -> list[str]:
    return [f"[{table}]", f'host = "{LOCAL}"', f"port = {port}"]


def _url(port: int) -> str:
    return f"http://{LOCAL}:{port}"
