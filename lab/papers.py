"""Everybody's papers in one lab, as files: services, edges, clients and controllers, and whom each of them believes.

Three authorities, as long-lived as the lab. The fleet's issues to services and edges towards services; the doors' is whom clients believe;
the clients' is whom edges and the issuer of tokens believe. A client with a certificate of the fleet's could speak to services past every
edge, and a service with one of the clients' could pay.
"""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import edge_tls
from lab.cabling import SITES
from lab.clouds.certificates import Papers as Certificates
from lab.clouds.certificates import mint
from lab.issuer_tokens import ClientSettings
from lab.service_identity import Authority, Papers, client_name, service_host
from lab.workspace import Workspace
from workload.access.identity import Identity, client_context, edge_name, service_name
from workload.payments.operations import ACCOUNTS, ERASE, READ, WRITE
from workload.payments.reviews import SCOPE as REVIEW
from workload.vault.callers import Scope

MERCHANTS = tuple(f"merchant-{number}" for number in range(1, 9))
"""Who pays: few clients with many devices each, as in the field, where a client is a company's server and not a person's phone."""

WALLETS = ("wallet-1", "wallet-2")
"""Who keeps numbers in the vault and has them given out."""

REVIEWER, OFFICER = "reviewer", "officer"
"""Decides about held payments; has subjects erased."""


def controller_client(site: str) -> str:
    """As which client a site's controller pays its canaries."""
    return f"controller-{site}"


SCOPES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(MERCHANTS, (WRITE, READ)),
    **dict.fromkeys(WALLETS, (Scope.TOKENIZE.value, Scope.REVEAL.value, Scope.READ.value, Scope.ERASE.value)),
    **{controller_client(site): (WRITE,) for site in SITES},
    REVIEWER: (REVIEW,),
    OFFICER: (ACCOUNTS, ERASE, Scope.ERASE.value),
}
"""What each client may ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where everything lies."""

    place: Path
    issuer: Certificates
    """Of the issuer of tokens itself, and who vouches for it."""
    edges: Mapping[str, Mapping[str, bytes]] = field(repr=False)
    """By site: what has to stand beside its edge's other files."""

    @property
    def fleet(self) -> Path:
        """Whom services believe."""
        return self.place / "fleet.pem"

    @property
    def doors(self) -> Path:
        """Whom clients believe at edges."""
        return self.place / "doors.pem"

    @property
    def clients(self) -> Path:
        """Whom edges and the issuer believe."""
        return self.place / "clients.pem"

    def service(self, site: str, service: str) -> Path:
        """A service's certificate with its key, its own at every site."""
        return self.place / site / f"{service}.pem"

    def client(self, client: str) -> Path:
        """A client's, or a controller's."""
        return self.place / "clients" / f"{client}.pem"

    def towards(self, site: str, service: str) -> ssl.SSLContext:
        """TLS by which the lab asks a service at this site directly, about itself: as one of the fleet, past its edge."""
        own = Identity(certificate=self.service(site, service), authority=self.fleet)
        return client_context(own, service_name(service))

    def registrations(self) -> Mapping[str, ClientSettings]:
        """Every client as the issuer knows it."""
        return {client: ClientSettings(scopes=tuple(scopes), uri=client_name(client)) for client, scopes in SCOPES.items()}


def issue_papers(workspace: Workspace, services: Iterable[str], hosts: Iterable[str]) -> Archive:
    """New authorities, whose keys are kept nowhere, and everybody's papers. `hosts`: names by which clients ask for services."""
    place, named = workspace.directory("papers"), tuple(hosts)
    fleet, doors, clients = Authority("Trimaran lab fleet"), Authority("Trimaran lab doors"), Authority("Trimaran lab clients")
    own = {client: clients.issue(client_name(client)) for client in SCOPES}
    edges = {}
    for site in SITES:
        towards_services = {edge_name(site): fleet.issue(edge_name(site))}
        door = doors.issue(f"trimaran://door/{site}", *named)
        edges[site] = edge_tls.files(site, towards_services, door, own[controller_client(site)])
    archive = Archive(place=place, issuer=mint(workspace.directory("papers", "issuer")), edges=edges)
    for site in SITES:
        workspace.directory("papers", site)
        for service in services:
            _keep(archive.service(site, service), fleet.issue(service_name(service), service_host(service)))
    workspace.directory("papers", "clients")
    for client, papers in own.items():
        _keep(archive.client(client), papers)
    for file, authority in ((archive.fleet, fleet), (archive.doors, doors), (archive.clients, clients)):
        file.write_bytes(authority.pem)
    return archive


def _keep(file: Path, papers: Papers) -> None:
    """For this user alone: the key is in it."""
    file.touch(mode=0o600)
    file.write_bytes(papers.certificate)
