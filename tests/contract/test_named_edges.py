"""An edge that is dialled by address shows a certificate that names the domain alone: it is asked, and believed, by that name."""

import asyncio
import ssl
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from controller.core.model import Part, Posture, Site
from controller.ports import Probe, ProbeResult
from controller.probing.canary_probe import CanaryProbe
from controller.probing.certificate_probe import HttpsCertificate
from controller.probing.http_probe import HttpProbe
from controller.providers.memory.clock import SteppedClock
from controller.settings import Settings, read_settings
from controller.stacks import toml
from controller.stacks.contract import understood
from controller.stacks.settings import document as from_stacks
from controller.wiring import assembled
from controller.wiring_checkup import put_together
from tests.unit.stacks.samples import DOMAIN, outputs
from tests.unit.stacks.test_settings import choices, read
from tests.unit.test_settings import ENVIRON, document, spelled

pytestmark = pytest.mark.asyncio

HOST, NAME, OTHER = "127.0.0.1", "api.pay.example.com", "vault.pay.example.com"
STRANGER = "api.shop.example.com"
DEADLINE = timedelta(seconds=5)


@dataclass(slots=True)
class Edge:
    """A listener on loopback with a certificate for some names and for no address."""

    url: str = ""
    port: int = 0
    authority: Path = Path()
    shaken: list[str | None] = field(default_factory=list)
    """Names of handshakes."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and `Host` of requests."""

    async def answer(self, request: web.Request) -> web.Response:
        """Every question is answered well."""
        self.asked.append((request.path, request.headers["Host"]))
        return web.Response(status=201 if request.method == "POST" else 200, headers={"Served-By": "aws"})


@asynccontextmanager
async def listening(folder: Path, *names: str) -> AsyncIterator[Edge]:
    """One edge while it runs."""
    authority, edge = trustme.CA(), Edge(authority=folder / "authority.pem")
    authority.cert_pem.write_to_path(str(edge.authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    context.sni_callback = lambda _, name, __: edge.shaken.append(name)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", edge.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
    edge.port = runner.addresses[0][1]
    edge.url = f"https://{HOST}:{edge.port}"
    try:
        yield edge
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asking(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    """Believes the edge's authority, and looks at names."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(edge.authority)))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


Make = Callable[[aiohttp.ClientSession, Edge, str | None], Probe]


def healthz(session: aiohttp.ClientSession, edge: Edge, name: str | None) -> Probe:
    """As edges are asked whether their site lives."""
    return HttpProbe(session=session, url=f"{edge.url}/healthz", clock=SteppedClock(), host=name, name=name)


def canary(session: aiohttp.ClientSession, edge: Edge, name: str | None) -> Probe:
    """As a payment proves that a site serves."""
    return CanaryProbe(
        session=session,
        site=Site("aws"),
        url=f"{edge.url}/v1/payments",
        debtor="d",
        creditor="c",
        currency="EUR",
        new_key=lambda: "canary-1",
        clock=SteppedClock(),
        name=name,
    )


@pytest.mark.parametrize("make", [healthz, canary])
async def test_an_edge_is_believed_by_the_name_in_its_certificate(make: Make, tmp_path: Path) -> None:
    """Asked by address alone it could be anybody; by another domain's name it is somebody else."""
    async with listening(tmp_path, NAME) as edge, asking(edge) as session:
        by_address = await make(session, edge, None).measure(DEADLINE)
        by_another = await make(session, edge, STRANGER).measure(DEADLINE)
        assert not by_address.ok and "CERTIFICATE_VERIFY_FAILED" in by_address.detail
        assert not by_another.ok and STRANGER in by_another.detail
        assert edge.asked == [], "nothing is asked of who is not believed, and no token is shown"
        by_name = await make(session, edge, NAME).measure(DEADLINE)
        assert by_name.ok, by_name.detail
        assert edge.shaken[-1] == NAME and {host for _, host in edge.asked} == {NAME}


async def test_a_warm_connection_is_kept_for_the_name_that_it_was_made_for(tmp_path: Path) -> None:
    """Believed once as one name, an edge is not believed as another one that its certificate does not have."""
    async with listening(tmp_path, NAME) as edge, asking(edge) as session:
        assert (await healthz(session, edge, NAME).measure(DEADLINE)).ok
        assert (await healthz(session, edge, NAME).measure(DEADLINE)).ok
        assert edge.shaken == [NAME], "one handshake for both"
        assert not (await healthz(session, edge, OTHER).measure(DEADLINE)).ok


async def test_a_look_at_a_certificate_asks_for_it_by_name(tmp_path: Path) -> None:
    """And says so when it is another one's, with its dates all the same."""
    async with listening(tmp_path, NAME) as edge:
        trust = ssl.create_default_context(cafile=str(edge.authority))

        def look(name: str | None) -> HttpsCertificate:
            return HttpsCertificate(host=HOST, port=edge.port, trust=trust, deadline=DEADLINE, name=name)

        believed, by_address, by_another = [await look(name)() for name in (NAME, None, STRANGER)]
    assert believed.mistrusted == "" and edge.shaken[0] == NAME
    assert HOST in by_address.mistrusted and STRANGER in by_another.mistrusted
    assert believed.ends == by_address.ends == by_another.ends


def settings(edge: Edge, folder: Path, edge_name: str | None) -> Settings:
    """Of a controller that dials all edges by this one's address, and looks after a service that shares them."""
    given = document()
    for table in ("clouds", "authorities", "groups"):
        del given[table]
    payments = given["services"]["payments"]
    for table in ("capacity", "replicas", "servers"):
        del payments[table]
    shared = {key: value for key, value in payments.items() if key != "canary"} | {"readiness": {"host": OTHER}}
    shared["databases"] = {site: {**at, "port": at["port"] + 10} for site, at in payments["databases"].items()}
    given["services"]["vault"] = shared
    named = {} if edge_name is None else {"edge_name": edge_name}
    given["sites"] = {site: {"edge": edge.url, **named} for site in given["sites"]}
    given["identity"] = {"certificate": "own.pem", "authority": edge.authority.name}
    (folder / "own.pem").write_bytes(trustme.CA().issue_cert("controller@example.com").private_key_and_cert_chain_pem.bytes())
    path = folder / "aws.toml"
    path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
    vault = {f"TRIMARAN_VAULT_{role}_PASSWORD": "x" for role in ("CONTROL", "STREAM")}
    return read_settings(path, {**ENVIRON, **vault})


async def measured(given: Settings) -> dict[str, ProbeResult]:
    """What a controller's own probes say about aws: its edge, and each service's canary."""
    async with assembled(given, SteppedClock()) as assembly:
        loops = assembly.loops
        probes: dict[str, Probe] = {name: loop.executor.actions.canaries[Site("aws")] for name, loop in loops.items()}  # type: ignore[attr-defined]
        targets = loops["payments"].observer._targets  # type: ignore[attr-defined]
        (probes["edge"],) = (one.probe for one in targets if (one.site, one.part) == ("aws", Part.EDGE))
        answers = await asyncio.gather(*(one.measure(DEADLINE) for one in probes.values()))
    return dict(zip(probes, answers, strict=True))


async def test_a_controller_asks_by_the_name_in_its_settings(tmp_path: Path) -> None:
    """Its edge and its payments by the edge's name, the service that shares it by that service's own; without the setting nobody is
    believed."""
    async with listening(tmp_path, NAME, OTHER) as edge:
        found = await measured(settings(edge, tmp_path, NAME))
        assert all(one.ok for one in found.values()), found
        assert sorted(edge.asked) == [("/healthz", NAME), ("/readyz", OTHER), ("/v1/payments", NAME)]
        assert set(edge.shaken) == {NAME, OTHER}
        edge.asked.clear()
        assert not any(one.ok for one in (await measured(settings(edge, tmp_path, None))).values()) and not edge.asked


async def nothing(_: str) -> Posture | None:
    """No posture."""
    return None


async def test_the_doctor_looks_at_every_name_that_an_edge_is_asked_by(tmp_path: Path) -> None:
    """A certificate that lost one of them lets that service's clients in no more, while all probes of the other are well."""
    async with listening(tmp_path, NAME) as edge:
        given = settings(edge, tmp_path, NAME)
        looks = put_together(given, given.services, DEADLINE, nothing).certificates
        shown = {place: await look() for place, look in looks.items() if place.startswith("edge of aws")}
    assert shown["edge of aws"].mistrusted == ""
    assert OTHER in shown[f"edge of aws as {OTHER}"].mistrusted


def written(edge: Edge, folder: Path, edge_authority: str | None) -> Settings:
    """As `trimaran settings from-stacks` writes them and a node reads them, with this edge in every edge's place, and without clouds."""
    given: dict[str, Any] = tomllib.loads(toml.text(from_stacks(understood(outputs()), choices(edge_authority=edge_authority))))
    for table in ("clouds", "authorities", "groups", "tokens"):
        del given[table]
    for service in given["services"].values():
        del service["capacity"], service["servers"]
    given["sites"] = {site: {"edge": edge.url, "edge_name": seen["edge_name"]} for site, seen in given["sites"].items()}
    return read(toml.text(given), folder, edge.authority.read_bytes())


async def test_edges_of_a_private_authority_are_believed_when_settings_name_it(tmp_path: Path) -> None:
    """By probes and by the doctor. Unnamed it vouches for nobody here, although its file lies on the node, and nothing is asked."""
    async with listening(tmp_path, f"api.{DOMAIN}", f"vault.{DOMAIN}") as edge:
        for named, ok in (("authority.pem", True), (None, False)):
            given = written(edge, tmp_path, named)
            assert {name: one.ok for name, one in (await measured(given)).items()} == dict.fromkeys(
                ("payments", "vault", "edge"), ok
            )
            assert bool(edge.asked) is ok
            edge.asked.clear()
            looks = put_together(given, given.services, DEADLINE, nothing).certificates
            shown = [await look() for place, look in looks.items() if place.startswith("edge of")]
            assert [one.mistrusted == "" for one in shown] == [ok] * 6
