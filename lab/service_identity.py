"""Who services, edges and clients are in the lab: certificates that name them by URI, of authorities that live as long as one lab.

Two authorities: the fleet's issues to services and edges and to nobody else, the clients' to whoever may come in with a certificate.
A client with a certificate of the fleet's could speak to services past every edge.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

from controller.issuing import authority, names
from controller.issuing.authority import Papers as Papers
from controller.issuing.authority import Subject
from controller.issuing.names import client_name as client_name
from lab.addresses import LOCAL
from workload.access.identity import edge_name, service_name

DOMAIN = "trimaran.test"
LIFE = timedelta(days=30)


class Authority:
    """Issues certificates until it is forgotten; its key is kept nowhere. Clocks of the lab are turned, and its own is not."""

    def __init__(self, name: str) -> None:
        self._made = authority.Authority.made(name, now=datetime.now(UTC), life=LIFE)

    @property
    def pem(self) -> bytes:
        """What is given to whoever trusts it."""
        return self._made.pem

    def issue(self, uri: str, *hosts: str) -> Papers:
        """A certificate for both ends of a connection, with this name; `hosts`: DNS names for those who look for one."""
        subject = Subject(called=uri.rpartition("/")[2], uris=(uri,), hosts=hosts, addresses=(IPv4Address(LOCAL),))
        return self._made.issue(subject, now=datetime.now(UTC), life=LIFE)


def service_host(service: str) -> str:
    """The DNS name in a service's certificate: HAProxy compares no other kind."""
    return names.service_host(service, DOMAIN)


def issue_fleet(services: Iterable[str], sites: Iterable[str]) -> Mapping[str, Papers]:
    """Papers by name, such as `trimaran://service/vault`: of every service, and of every site's edge towards services."""
    fleet = Authority("Trimaran lab fleet")
    found = {service_name(service): fleet.issue(service_name(service), service_host(service)) for service in services}
    return found | {edge_name(site): fleet.issue(edge_name(site)) for site in sites}


def issue_clients(clients: Iterable[str], *hosts: str) -> tuple[Papers, Mapping[str, Papers]]:
    """What an edge shows to clients for the names `hosts`, and every client's own papers by the client's name. The authority that
    clients are believed for is that of their papers."""
    door, issuer = Authority("Trimaran lab door"), Authority("Trimaran lab clients")
    return door.issue("trimaran://door", *hosts), {client: issuer.issue(client_name(client)) for client in clients}
