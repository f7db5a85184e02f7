"""What an edge needs for TLS towards its clients and its service, beyond what every edge of the lab has: lines of its settings, and files.

Each of both layers can be left out, so that what it costs can be measured.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.addresses import LOCAL
from lab.service_identity import Papers, service_host
from workload.access.identity import edge_name

SERVICE, FLEET, DOOR, CLIENTS = "service.pem", "fleet.pem", "door.pem", "clients.pem"
"""Files beside the edge's others: who it is to its service and who vouches for that, what it shows to clients and who vouches for them."""


def towards_clients(place: Path, port: int) -> Sequence[str]:
    """Lines of the settings of an edge whose files are at `place`: its door with TLS."""
    papers = [f'certificate = "{place / DOOR}"', f'authority = "{place / CLIENTS}"']
    return ["[secure]", f'host = "{LOCAL}"', f"port = {port}", *papers]


def towards_the_service(place: Path, service: str, table: str = "local") -> Sequence[str]:
    """Lines of the same: mutual TLS to its own service, or to the one that another table is about."""
    papers = [f'certificate = "{place / SERVICE}"', f'authority = "{place / FLEET}"']
    return [f"[{table}.tls]", f'name = "{service_host(service)}"', *papers]


def files(site: str, fleet: Mapping[str, Papers], door: Papers, clients: Papers) -> Mapping[str, bytes]:
    """What has to stand beside the edge's other files; `clients`: the papers of any client, for its authority."""
    own = fleet[edge_name(site)]
    return {SERVICE: own.certificate, FLEET: own.authority, DOOR: door.certificate, CLIENTS: clients.authority}
