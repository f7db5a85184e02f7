"""What one watching process is told: an order, and for a whole controller its settings file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from controller.settings import Settings, password_variable, read_settings
from lab import site_clouds
from lab.addresses import LOCAL
from lab.site_settings import ADDRESSES, CANARY, CURRENCY, ZONE

IN_ENVIRONMENT = "TRIMARAN_BENCH_PASSWORD"
"""Variable with the password of every role on the bench's servers."""

GROUPS = 8
"""Ways of being placed that services have between them."""


class Way(StrEnum):
    """What is watched, and how."""

    SHARED = "shared"
    """Edges; one question serves all services."""
    ALONE = "alone"
    """Edges; every service asks for itself. Nothing does that: it shows what sharing is worth."""
    DATABASES = "databases"
    """Three databases for each service, and nothing else."""
    WHOLE = "whole"
    """Everything that a controller does for a service in peace: edges, databases, ticks over etcd, the caretaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to watch. All of it is on this machine."""

    way: Way
    services: int
    """With databases of their own; of the ways that ask no database: with an observer of their own."""
    members: int = 0
    """Further services, in the steering groups that the first ones lead. Whole only."""
    vantage: str
    edges: Mapping[str, int]
    """Port by site."""
    servers: Mapping[str, int]
    """Port by site, of the PostgreSQL that has the site's database of every service."""
    names: Sequence[str]
    """Services that were founded on these servers. Of more that are to be watched, several have the same databases, each watched by
    itself and over sessions of its own. Whole: never more than these."""
    writer: str
    etcd: Sequence[str]
    pause: float = 0.0
    """Seconds between the beginnings of two observers; none for a whole controller, which begins with all of them at once."""
    notes: str
    """File that the process leaves its notes in, one a line."""


def spelled(order: Order) -> str:
    """What `read_order` reads."""
    return json.dumps(asdict(order))


def read_order(text: str) -> Order:
    """The order as it was spelled. Raises ValueError or TypeError."""
    found = json.loads(text)
    return Order(**{**found, "way": Way(found["way"])})


def settings_of(order: Order, file: Path, password: str) -> Settings:
    """Those of a controller that has this order to carry out, by way of a settings file as every controller's. Raises SettingsError."""
    names = order.names[: order.services]
    file.write_text("\n".join(_lines(order, names)) + "\n")
    return read_settings(file, {password_variable(name, role): password for name in names for role in ("control", "stream")})


def _lines(order: Order, names: Sequence[str]) -> list[str]:
    """TOML."""
    databases = {site: {"host": LOCAL, "port": port} for site, port in order.servers.items()}
    debtor, creditor = map(str, CANARY)
    service: Mapping[str, object] = {
        "mode": "automatic",
        "writer": order.writer,
        "shares": dict.fromkeys(databases, 1.0),
        "canary": {"debtor": debtor, "creditor": creditor, "currency": CURRENCY},
        "databases": databases,
        "streams": {site: {other: seen for other, seen in databases.items() if other != site} for site in databases},
    }
    lines = [
        f'site = "{order.vantage}"',
        *("[listen]", f'host = "{LOCAL}"', "port = 9"),
        *("[etcd]", f"endpoints = {json.dumps(order.etcd)}"),
        *site_clouds.lines("sites", {site: {"edge": f"http://{LOCAL}:{port}"} for site, port in order.edges.items()}),
        *site_clouds.lines("services", dict.fromkeys(names, service)),
    ]
    for place, (lead, members) in enumerate(dealt(order.members, names).items()):
        lines += [f"[groups.g{place}]", f'lead = "{lead}"', f"members = {json.dumps(members)}"]
        lines += [
            f'names = [{{ name = "g{place}.g.{ZONE}", ttl = 30 }}]',
            *(f'addresses.{site} = "{at}"' for site, at in ADDRESSES.items()),
        ]
    return lines


def dealt(members: int, leads: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """So many services without a database of their own, by the service whose posture their steering group follows."""
    number = min(GROUPS, len(leads)) if members else 0
    return {leads[group]: [f"member{member}" for member in range(group, members, number)] for group in range(number)}
