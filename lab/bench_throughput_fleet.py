"""Whom payments have to do with while throughput is measured: the issuer of tokens, screening, a vault, a collector of traces."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from lab import collector, issuer
from lab.addresses import LOCAL
from lab.authorities import await_ready
from lab.bench_throughput_layers import SCREENING, VAULT, Ways, screening_settings, vault_settings
from lab.clouds.certificates import mint
from lab.errors import LabError
from lab.founding import Passwords
from lab.issuer_tokens import ClientSettings
from lab.processes import Supervised, launch_module
from lab.service_identity import Papers, client_name, issue_clients, issue_fleet
from lab.site_settings import SERVICE, WRITER
from lab.workspace import Workspace
from workload.access.door import THUMBPRINT
from workload.access.identity import Identity, client_context, edge_name, service_name
from workload.access.peer import thumbprint_of
from workload.calls.sockets import make_socket

MERCHANT = "merchant"
SCOPES: Mapping[str, str] = {SERVICE: "payments:write", VAULT: "vault:tokenize"}
"""What the merchant may, at which service."""

UNSCREENED = "payments_screened_total"
"""With the label `absent`: the configured default stood in."""

READY = timedelta(seconds=20)
ASK = aiohttp.ClientTimeout(total=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All of them, running."""

    ways: Ways
    edge: Identity
    """By which the edge of the writer's site speaks to services."""
    headers: Mapping[str, Mapping[str, str]] = field(repr=False)
    """What the edge says of the merchant to each service: its token, and the certificate that it is bound to."""
    processes: Mapping[str, Supervised]
    """Those that do work for payments, by service."""


async def raise_fleet(workspace: Workspace, databases: Mapping[str, int], vault: Passwords) -> Fleet:
    """Start them, with papers for everybody. Raises LabError."""
    folder = workspace.directory("papers")
    fleet, (_, clients) = issue_fleet((SERVICE, SCREENING, VAULT), (WRITER,)), issue_clients((MERCHANT,))
    for service in (SERVICE, SCREENING, VAULT):
        file_papers(fleet[service_name(service)], folder, service)
    edge = file_papers(fleet[edge_name(WRITER)], folder, "edge")
    merchant = file_papers(clients[MERCHANT], folder, MERCHANT)
    issued = await _start_issuer(workspace, folder, merchant)
    ways = Ways(
        databases=databases,
        issuer=issued,
        issuer_authority=folder / "authority.pem",
        screening=workspace.port(),
        vault=workspace.port(),
        collector=await _start_collector(workspace),
        papers=folder,
    )
    settings = workspace.directory("settings")
    (settings / "screening.toml").write_text(screening_settings(ways.screening, ways))
    (settings / "vault.toml").write_text(vault_settings(ways.vault, ways))
    secret = {"VAULT_APP_PASSWORD": vault.app}
    processes = {
        SCREENING: launch_module(workspace, SCREENING, "workload.screening", "--settings", settings / "screening.toml"),
        VAULT: launch_module(
            workspace, VAULT, "lab.bench_throughput_vault", "--settings", settings / "vault.toml", environment=secret
        ),
    }
    for service, port in ((SCREENING, ways.screening), (VAULT, ways.vault)):
        await await_up(processes[service], port, client_context(edge, service_name(service)))
    shown = {THUMBPRINT: thumbprint_of(clients[MERCHANT].der)}
    tokens = {service: await _token(issued, merchant, folder, scope) for service, scope in SCOPES.items()}
    headers = {service: {**shown, "Authorization": f"Bearer {token}"} for service, token in tokens.items()}
    return Fleet(ways=ways, edge=edge, headers=headers, processes=processes)


def file_papers(papers: Papers, folder: Path, name: str) -> Identity:
    """The same as files in the folder."""
    certificate, authority = folder / f"{name}.pem", folder / f"{name}-authority.pem"
    certificate.touch(mode=0o600)
    certificate.write_bytes(papers.certificate)
    authority.write_bytes(papers.authority)
    return Identity(certificate=certificate, authority=authority)


async def await_up(process: Supervised, port: int, tls: ssl.SSLContext | None) -> None:
    """Return once the service says that it is ready. Raises LabError with its log."""
    until, url = time.monotonic() + READY.total_seconds(), f"http{'s' if tls else ''}://{LOCAL}:{port}/readyz"
    said = "nothing"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket), timeout=ASK) as http:
        while time.monotonic() < until and process.alive:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(url, ssl=tls or True) as answer:
                    if answer.status == 200:
                        return
                    said = await answer.text()
            await asyncio.sleep(0.05)
    raise LabError(f"{process.label} does not become ready: {said[:300]}\n{process.tail(5)}")


async def read_unscreened(port: int, tls: ssl.SSLContext | None) -> int:
    """For how many payments nobody was there to screen them, by the service's own count so far. Raises LabError."""
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket), timeout=ASK) as http:
            async with http.get(f"http{'s' if tls else ''}://{LOCAL}:{port}/metrics", ssl=tls or True) as answer:
                return count_unscreened(await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"port {port} does not show its metrics: {error!r}") from error


def count_unscreened(metrics: str) -> int:
    """The same in a page of metrics; none where nothing is screened."""
    families = text_string_to_metric_families(metrics)
    samples = (sample for family in families for sample in family.samples)
    return int(sum(one.value for one in samples if one.name == UNSCREENED and "absent" in one.labels.values()))


async def _start_issuer(workspace: Workspace, folder: Path, merchant: Identity) -> int:
    minted = mint(folder)
    settings = issuer.Settings(
        certificate=minted.certificate,
        key=minted.key,
        clients_authority=merchant.authority,
        clients={MERCHANT: ClientSettings(scopes=tuple(SCOPES.values()), uri=client_name(MERCHANT))},
    )
    return await _start(workspace, "issuer", "lab.issuer", settings.model_dump_json())


async def _start_collector(workspace: Workspace) -> int:
    settings = collector.Settings(file=workspace.directory("traces") / "spans.jsonl")
    return await _start(workspace, "collector", "lab.collector", settings.model_dump_json())


async def _start(workspace: Workspace, label: str, module: str, settings: str) -> int:
    """A program of the lab, and the port that it tells."""
    file = workspace.directory("settings") / f"{label}.json"
    file.write_text(settings)
    told = await await_ready(launch_module(workspace, label, module, "--settings", file))
    return int(told["port"])


async def _token(port: int, merchant: Identity, folder: Path, scope: str) -> str:
    """The merchant's, for one service. Raises LabError."""
    tls = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    tls.load_cert_chain(merchant.certificate)
    form = {"grant_type": "client_credentials", "client_id": MERCHANT, "scope": scope}
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket), timeout=ASK) as http:
            async with http.post(f"https://{LOCAL}:{port}/token", data=form, ssl=tls) as answer:
                return str((await answer.json())["access_token"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        raise LabError(f"the issuer gives no token for {scope}: {error!r}") from error
