"""Who may call, from a client's TLS connection to the service: a real issuer, real HAProxy, uvicorn as services run it."""

import asyncio
import json
import socket
import ssl
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey

from controller.core.model import Health
from lab.clouds.certificates import mint
from lab.edge_identity import CONFIGURATION
from lab.haproxy import edge_place
from lab.issuer import ISSUER
from lab.issuer_tokens import ClientSettings
from lab.service_identity import client_name, issue_clients
from lab.workspace import python_environment
from tests.contract.access_worlds import CLIENTS, LOCAL, PAYMENTS, WRITE, World, issuing, worlds
from tests.contract.edge_worlds import DRAIN
from workload.access.peer import thumbprint_of

pytestmark = pytest.mark.asyncio

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REMOVED = "http-request del-header Client-Cert-Thumbprint"


@pytest_asyncio.fixture(loop_scope="module")
async def house(built: World) -> World:
    """The same, found well: while a test on a loop of its own ran, nobody here answered HAProxy's checks."""
    await built.edges.until("aws", {"payments/local": Health.HEALTHY, "payments/peer-azure": Health.HEALTHY})
    return built


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built() -> AsyncIterator[World]:
    """Two sites, for tests that leave everything as it was."""
    async with worlds("access", "aws", "azure") as given:
        yield given


def told(world: World, client: str) -> dict[str, str]:
    """The header by which an edge tells of a client's certificate."""
    return {"Client-Cert-Thumbprint": thumbprint_of(world.issuing.clients[client].der)}


def kind(answer: tuple[int, dict[str, Any]]) -> str:
    """Of the problem that was answered."""
    return str(answer[1]["type"]).rpartition(":")[2]


@pytest.mark.asyncio(loop_scope="module")
async def test_who_holds_the_tokens_certificate_pays(house: World) -> None:
    """Through issuer, edge and door; the edge tells the SHA-256 of the very certificate, in the form that tokens have it."""
    status, said = await house.pay("aws", await house.token(), "merchant")
    assert (status, said["client"]) == (201, "merchant")
    assert said["told"] == told(house, "merchant")["Client-Cert-Thumbprint"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("client", ["thief", None], ids=["another certificate", "none"])
async def test_a_stolen_token_cannot_be_replayed(house: World, client: str | None) -> None:
    """Over another connection it opens nothing, whatever header its thief sends along."""
    token = await house.token()
    assert (await house.pay("aws", token, "merchant"))[0] == 201
    for headers in ({}, told(house, "merchant")):
        answer = await house.pay("aws", token, client, headers)
        assert (answer[0], kind(answer)) == (401, "wrong-certificate")


async def test_without_the_removal_a_thief_would_tell_the_certificate_himself() -> None:
    """What the safeguard is worth: no certificate, the owner's thumbprint as a header, and the payment is made."""
    async with worlds("access-harm", "aws", "azure", without={REMOVED: ""}) as given:
        token = await given.token()
        assert (await given.pay("aws", token, None))[0] == 401
        assert (await given.pay("aws", token, None, told(given, "merchant")))[0] == 201


@pytest.mark.asyncio(loop_scope="module")
async def test_who_shows_no_token_is_told_how_to(house: World) -> None:
    """With a certificate, and without."""
    for client in ("merchant", None):
        answer = await house.pay("aws", None, client)
        assert (answer[0], kind(answer)) == (401, "no-token")


def resumed(address: tuple[str, int], context: ssl.SSLContext, request: bytes) -> tuple[bool, bytes]:
    """The same request twice, the second time in the session of the first: was it resumed, and what was answered."""
    session, answer = None, b""
    for _ in range(2):
        with socket.create_connection(address, 5) as plain:
            with context.wrap_socket(plain, server_hostname=LOCAL, session=session) as secured:
                secured.sendall(request)
                answer = b""
                while part := secured.recv(65536):
                    answer += part
                session, was_resumed = secured.session, bool(secured.session_reused)
    return was_resumed, answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_connection_is_still_the_certificates(house: World, version: ssl.TLSVersion) -> None:
    """No certificate is sent again; the edge has it from the session."""
    context = house.context("merchant")
    context.maximum_version = context.minimum_version = version
    request = (
        f"POST {PAYMENTS} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\nContent-Length: 2\r\n"
        f"Authorization: Bearer {await house.token()}\r\n\r\n{{}}"
    )
    was_resumed, answer = await asyncio.to_thread(resumed, (LOCAL, house.secure["aws"]), context, request.encode())
    assert was_resumed and b" 201 " in answer.splitlines()[0], answer


@pytest.mark.asyncio(loop_scope="module")
async def test_a_certificate_of_somebody_else_is_not_taken(house: World) -> None:
    """The handshake ends: an authority that anybody may ask would let anybody have any name."""
    _, strangers = issue_clients(["stranger"])
    context = house.context(None)
    file = house.folder / "stranger.pem"
    file.write_bytes(strangers["stranger"].certificate)
    context.load_cert_chain(file)
    with pytest.raises(aiohttp.ClientError):
        async with house.http.post(f"https://{LOCAL}:{house.secure['aws']}{PAYMENTS}", data=b"{}", ssl=context) as answer:
            await answer.read()


@pytest.mark.asyncio(loop_scope="module")
async def test_without_tls_only_the_site_itself_may_be_asked_about(house: World) -> None:
    """Health checks go on; a payment is refused before anybody reads it, and nothing that was sent is passed on."""
    plain = f"http://{house.edges.settings['aws'].clients}"
    for path in ("/healthz", "/readyz"):
        async with house.http.get(plain + path) as answer:
            assert answer.status == 200
    async with house.http.post(plain + PAYMENTS, data=b"{}", headers={"Authorization": "Bearer x"}) as answer:
        assert answer.status == 403 and "tls-required" in await answer.text()


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_speaks_to_the_service_past_the_edge(house: World) -> None:
    """Its own door wants a certificate of the fleet, which no client has."""
    for client in ("merchant", None):
        context = house.context(client)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises(aiohttp.ClientError):
            async with house.http.post(f"https://{LOCAL}:{house.services['aws']}{PAYMENTS}", data=b"{}", ssl=context) as answer:
                await answer.read()


@pytest.mark.asyncio(loop_scope="module")
async def test_haproxy_takes_the_configuration_without_a_warning(house: World) -> None:
    """With TLS on both sides."""
    edge = house.edges.edges["aws"]
    place, account = edge_place(edge.workspace, "aws"), edge.binary.account
    checked = await asyncio.create_subprocess_exec(
        edge.binary.path, "-c", "-f", place / CONFIGURATION, stdout=PIPE, stderr=STDOUT,
        user=account.uid if account else None, group=account.gid if account else None, cwd="/",
    )  # fmt: skip
    said, _ = await asyncio.wait_for(checked.communicate(), 20)
    assert (checked.returncode, b"WARNING" in said) == (0, False), said


async def test_a_service_of_another_name_is_not_spoken_to() -> None:
    """A certificate of the fleet, and not the payments service's: the edge hands it nothing."""
    renamed = {
        "verifyhost payments": "verifyhost other",
        "sni str(payments": "sni str(other",
        "check-sni payments": "check-sni other",
    }
    with pytest.raises(AssertionError, match="payments/local"):
        async with worlds("access-other", "aws", "azure", without=renamed):
            pass


async def test_what_is_handed_over_keeps_its_clients_certificate() -> None:
    """The client came to aws, azure pays: its service hears which certificate aws's edge saw."""
    async with worlds("access-handed", "aws", "azure") as given:
        await given.edges.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
        status, said = await given.pay("aws", await given.token(), "merchant")
        assert (status, said["site"], said["client"]) == (201, "azure", "merchant")
        answer = await given.pay("aws", await given.token(), "thief", told(given, "merchant"))
        assert (answer[0], kind(answer)) == (401, "wrong-certificate")


async def test_the_issuers_faults_and_changes_turn_no_client_away_for_long() -> None:
    """Away: tokens go on. A new key: believed at once. Wrong keys: refused, and believed again once the right ones are back."""
    async with worlds("access-issuer", "aws", "azure") as given:
        token, ring = await given.token(), given.access["aws"].ring
        await given.issuing.control(given.http, "PUT", "faults", [{"kind": "refuse"}])
        await asyncio.sleep(0.25)
        await ring.refetch()
        assert (await given.pay("aws", token, "merchant"))[0] == 201
        await given.issuing.control(given.http, "PUT", "faults", [])
        await given.issuing.control(given.http, "POST", "rotate")
        await asyncio.sleep(0.25)
        assert (await given.pay("aws", await given.token(), "merchant"))[0] == 201
        await given.issuing.control(given.http, "PUT", "faults", [{"kind": "lie", "operation": "jwks"}])
        await asyncio.sleep(0.25)
        await ring.refetch()
        answer = await given.pay("aws", token, "merchant")
        assert (answer[0], kind(answer)) == (401, "unknown-token")
        await given.issuing.control(given.http, "PUT", "faults", [])
        await asyncio.sleep(0.25)
        assert (await given.pay("aws", token, "merchant"))[0] == 201


async def test_an_issuer_that_hangs_keeps_nobody_waiting_for_known_keys() -> None:
    """Its silence is noticed by the question for keys alone."""
    async with worlds("access-hang", "aws", "azure") as given:
        token = await given.token()
        await given.issuing.control(given.http, "PUT", "faults", [{"kind": "hang"}])
        began = time.monotonic()
        assert (await given.pay("aws", token, "merchant"))[0] == 201
        assert time.monotonic() - began < 1
        await given.issuing.control(given.http, "PUT", "faults", [])


async def test_the_issuer_gives_tokens_to_those_who_prove_who_they_are(tmp_path: Path) -> None:
    """By certificate; with another client's certificate, without one, or for a scope that was not granted: nothing."""
    _, clients = issue_clients(CLIENTS)
    async with aiohttp.ClientSession() as http, issuing(tmp_path, clients) as given:

        def shown(client: str | None) -> ssl.SSLContext:
            context = ssl.create_default_context(cafile=str(given.certificates.authority))
            if client is not None:
                file = tmp_path / f"{client}.pem"
                file.write_bytes(clients[client].certificate)
                context.load_cert_chain(file)
            return context

        status, body = await given.ask(http, shown("merchant"), client_id="merchant")
        assert (status, body["scope"], body["token_type"]) == (200, WRITE, "Bearer")
        for client in ("thief", None):
            assert await given.ask(http, shown(client), client_id="merchant") == (400, {**REFUSED})
        status, body = await given.ask(http, shown("merchant"), client_id="merchant", scope="vault:reveal")
        assert (status, body["error"]) == (400, "invalid_scope")


REFUSED = {
    "error": "invalid_client",
    "error_description": "The client cannot authenticate with methods: ('private_key_jwt', 'tls_client_auth')",
}


async def test_a_statement_opens_the_issuer_once(tmp_path: Path) -> None:
    """The same one again, one for another issuer, one of another key, one that lasts too long: refused. So is one that was signed before
    the issuer began: it was perhaps used at the one that ran before, which remembers nothing any more."""
    key, (_, clients) = ECKey.generate_key("P-256"), issue_clients(CLIENTS)
    till = ClientSettings(scopes=(WRITE,), key={name: str(value) for name, value in key.as_dict(private=False).items()})
    async with aiohttp.ClientSession() as http, issuing(tmp_path, clients, till=till) as given:
        context, now = ssl.create_default_context(cafile=str(given.certificates.authority)), time.time()

        async def ask(id: str, by: ECKey = key, **changes: Any) -> tuple[int, str]:
            said = {"iss": "till", "sub": "till", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": id, **changes}
            signed = jwt.encode({"alg": "ES256"}, said, by)
            status, body = await given.ask(http, context, client_assertion_type=ASSERTION, client_assertion=signed)
            return status, str(body.get("error_description"))

        assert (await ask("1"))[0] == 200
        assert await ask("1") == (400, "the statement was used before")
        assert (await ask("2", aud="https://other.test"))[0] == 400
        assert (await ask("3", by=ECKey.generate_key("P-256")))[0] == 400
        assert (await ask("4", exp=now + 3600))[0] == 400
        assert (await ask("5", iat=None))[0] == (await ask("6", iat=now + 10))[0] == 400
        assert "before this issuer began" in (await ask("7", iat=now - 60))[1]
        assert (await ask("8"))[0] == 200
    (again := tmp_path / "again").mkdir()
    async with aiohttp.ClientSession() as http, issuing(again, clients, till=till) as given:
        context = ssl.create_default_context(cafile=str(given.certificates.authority))
        assert "before this issuer began" in (await ask("1"))[1], "a second time, at an issuer that was started again"


async def test_the_issuer_is_a_program_of_its_own(tmp_path: Path) -> None:
    """Says where it can be asked, shows what it is, and ends when it is told."""
    certificates = mint(tmp_path)
    settings = {
        "certificate": str(certificates.certificate),
        "key": str(certificates.key),
        "clients": {"merchant": {"scopes": [WRITE], "uri": client_name("merchant")}},
    }
    (tmp_path / "issuer.json").write_text(json.dumps(settings))
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lab.issuer", "--settings", tmp_path / "issuer.json", stdout=PIPE, env=python_environment()
    )
    try:
        assert program.stdout is not None
        ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 20))
        context = ssl.create_default_context(cafile=str(certificates.authority))
        async with aiohttp.ClientSession() as http:
            url = f"https://{LOCAL}:{ready['port']}"
            async with http.get(f"{url}/.well-known/openid-configuration", ssl=context) as answer:
                found = await answer.json()
            async with http.get(found["jwks_uri"], ssl=context) as answer:
                keys = (await answer.json())["keys"]
        assert (found["issuer"], found["token_endpoint"]) == (ISSUER, f"{url}/token")
        assert [(key["kty"], key["use"], key["alg"], "d" in key) for key in keys] == [("EC", "sig", "ES256", False)]
    finally:
        program.terminate()
        assert await asyncio.wait_for(program.wait(), 10) == 0
