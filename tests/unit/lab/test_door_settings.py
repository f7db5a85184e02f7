"""What the lab writes into settings files is what the processes read: papers that fit, tokens for the right service, one way in."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from edge.haproxy import render
from edge.settings import read_settings as read_edge
from lab.cabling import CLIENTS, ISSUER, SITES, Cabling, Door
from lab.door_settings import controller_papers, issuer_url, service_door
from lab.fleet import PAYMENTS, VAULT
from lab.papers import MERCHANTS, SCOPES, WALLETS, Archive, controller_client, issue_papers
from lab.service_identity import client_name
from lab.site_settings import HOSTS, edge_settings
from lab.workspace import Workspace
from workload.access.identity import Identity, edge_name, server_context, service_name
from workload.access.settings import AccessSettings
from workload.payments.operations import OPERATIONS, WRITE
from workload.vault.callers import OPERATIONS as VAULT_OPERATIONS


@dataclass
class Wires:
    """A cabling without links: every way has a port of its own."""

    def port(self, source: str, destination: str, door: Door) -> int:
        places = [*SITES, CLIENTS, ISSUER, "route53", "azuredns", "clouddns"]
        return 10_000 + 1000 * places.index(source) + 100 * places.index(destination) + list(Door).index(door)

    def direct(self, destination: str, door: Door) -> int:
        return self.port(destination, destination, door)


WIRES = cast(Cabling, Wires())


class Folders:
    """What of a workspace is needed here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def directory(self, *names: str) -> Path:
        place = self.path.joinpath(*names)
        place.mkdir(parents=True, exist_ok=True)
        return place


@pytest.fixture
def papers(tmp_path: Path) -> Archive:
    return issue_papers(
        cast(Workspace, Folders(tmp_path)), (PAYMENTS, VAULT), [host for hosts in HOSTS.values() for host in hosts]
    )


def test_a_service_is_itself_and_lets_in_tokens_for_itself_through_its_own_edge(papers: Archive) -> None:
    """Another site's edge is not believed, nor is another service's token."""
    lines = service_door(WIRES, papers, "aws", VAULT, {service_name(PAYMENTS): ("vault:subject",)})
    found = tomllib.loads("\n".join(lines))
    access = AccessSettings.model_validate(found["access"])
    assert (access.audience, access.edges, access.unbound) == (VAULT, (edge_name("aws"),), False)
    assert access.services == {service_name(PAYMENTS): ("vault:subject",)}
    assert access.keys_url == f"{issuer_url(WIRES, 'aws')}/jwks" and access.keys_file is not None
    server_context(Identity.model_validate(found["identity"]))
    assert (
        access.keys_file
        != AccessSettings.model_validate(tomllib.loads("\n".join(service_door(WIRES, papers, "gcp", VAULT)))["access"]).keys_file
    ), "every process keeps its own"


def test_every_key_is_somebodys_own(papers: Archive) -> None:
    """One that is stolen at one site opens nothing at another, and only its owner's account can read it."""
    files = [papers.service(site, service) for site in SITES for service in (PAYMENTS, VAULT)]
    files += [papers.client(client) for client in SCOPES]
    assert len({file.read_bytes() for file in files}) == len(files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_nobody_may_ask_for_more_than_what_it_is_for(papers: Archive) -> None:
    """Merchants pay, wallets keep numbers, controllers pay canaries; every scope is one of an operation that exists."""
    known = {operation.scope for operation in (*OPERATIONS, *VAULT_OPERATIONS)}
    registered = papers.registrations()
    assert {scope for client in registered.values() for scope in client.scopes} <= known
    assert all(registered[controller_client(site)].scopes == (WRITE,) for site in SITES)
    assert not {scope for client in MERCHANTS for scope in registered[client].scopes if scope.startswith("vault:")}
    assert not {scope for client in WALLETS for scope in registered[client].scopes if scope.startswith("payments:")}
    assert {client.uri for client in registered.values()} == {client_name(client) for client in SCOPES}


def test_a_controller_is_a_client(papers: Archive) -> None:
    """Its token is asked for through its own site's way, and bound to its own certificate."""
    found = tomllib.loads("\n".join(controller_papers(WIRES, papers, "gcp")))
    assert found["identity"]["certificate"] == str(papers.client("controller-gcp"))
    assert found["tokens"]["client"] == "controller-gcp" and found["tokens"]["url"] == f"{issuer_url(WIRES, 'gcp')}/token"


def test_an_edge_takes_clients_over_tls_alone_and_knows_the_vault_by_its_name(papers: Archive, tmp_path: Path) -> None:
    """What comes to the service in the open is refused, and so is a check of the wrong service."""
    file = tmp_path / "edge.toml"
    file.write_text(edge_settings(WIRES, "aws", tmp_path))
    settings = read_edge(file)
    assert settings.secure is not None and settings.secure.port == WIRES.direct("aws", Door.EDGE)
    assert settings.clients.port == WIRES.direct("aws", Door.HEALTH)
    assert settings.local.tls is not None and settings.companions[VAULT].tls is not None
    assert settings.companions[VAULT].hosts == tuple(HOSTS[VAULT])
    told = render(settings)
    assert "tls-required" in told and f"hdr Host {HOSTS[VAULT][0]}" in told
