"""One service calling another over real connections: by its name, within the time, and with a reason when there is no answer."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.service_identity import issue_fleet
from tests.contract.access_worlds import LOCAL, identity_of, served
from workload.access.identity import Identity, client_context, server_context, service_name
from workload.access.peer import peer_of
from workload.calls import wiring
from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.breaker import Breaker
from workload.calls.callee import Callee
from workload.calls.deadline import HEADER, Deadlines
from workload.calls.instance import Connections, Instance
from workload.calls.settings import CalleeSettings

pytestmark = pytest.mark.asyncio

PAYMENTS, VAULT, SCREENING = (service_name(service) for service in ("payments", "vault", "screening"))


@dataclass
class Vault:
    """The service that is called."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    hold: float = 0.0

    async def answer(self, request: Request) -> Response:
        """Say who asked, and how much time that left."""
        peer = peer_of(request.scope)
        self.asked.append({"names": sorted(peer.names) if peer else [], "left": request.headers.get(HEADER)})
        await asyncio.sleep(self.hold)
        return JSONResponse(self.asked[-1])

    async def fail(self, request: Request) -> Response:
        """As overloaded services do."""
        self.asked.append({})
        return Response("x", status_code=503)

    async def talk(self, request: Request) -> Response:
        """Without end, nearly."""
        return Response(b"x" * (2 * 1024 * 1024))

    def application(self) -> Deadlines:
        """With the door for deadlines."""
        routes = [Route("/v1/x", self.answer), Route("/v1/busy", self.fail), Route("/v1/much", self.talk)]
        return Deadlines(Starlette(routes=routes), monotonic=asyncio.get_running_loop().time)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Everybody's papers, and a vault that runs."""

    vault: Vault
    port: int
    identities: dict[str, Identity]

    @asynccontextmanager
    async def calling(self, identity: Identity | None = None, name: str | None = VAULT, **changes: Any) -> AsyncIterator[Callee]:
        """The vault, as payments calls it."""
        patient = {"attempts": 1, "connect": 1.0, "attempt": 1.0}  # a busy machine is no failure
        table = {"name": name, "instances": {"aws": {"host": LOCAL, "port": self.port}}, **patient, **changes}
        settings = CalleeSettings.model_validate(table)
        async with wiring.calling(settings, identity or self.identities[PAYMENTS], own_site="aws") as callee:
            yield callee


def question(path: str = "/v1/x", within: float = 2.0, *, idempotent: bool = True) -> Question:
    """Something to ask."""
    return Question(method="GET", path=path, within=timedelta(seconds=within), idempotent=idempotent)


@asynccontextmanager
async def fleets(folder: Path, listens_as: str = VAULT) -> AsyncIterator[Fleet]:
    """A vault's address, behind which somebody shows the certificate of `listens_as`."""
    papers = issue_fleet(["payments", "vault", "screening"], [])
    identities = {name: identity_of(one, folder, name.rpartition("/")[2]) for name, one in papers.items()}
    vault, port = Vault(), _free_port()
    async with served(vault.application(), port, server_context(identities[listens_as])):
        yield Fleet(vault=vault, port=port, identities=identities)


def _free_port() -> int:
    with socket.create_server((LOCAL, 0)) as found:
        return int(found.getsockname()[1])


def unavailable(outcome: Outcome) -> Unavailable:
    """The same, which must be none."""
    assert isinstance(outcome, Unavailable), outcome
    return outcome


async def test_both_sides_know_each_other_by_name(tmp_path: Path) -> None:
    """The callee sees who asks, and what time is left of it."""
    async with fleets(tmp_path) as fleet, fleet.calling() as vault:
        outcome = await vault.ask(question())
        assert isinstance(outcome, Answered) and (outcome.status, outcome.site) == (200, "aws")
        found = outcome.document()
        assert found["names"] == [PAYMENTS] and 1900 < int(found["left"]) <= 2000


async def test_another_service_in_the_vaults_place_is_told_nothing(tmp_path: Path) -> None:
    """Screening's certificate is the fleet's too: the handshake ends before a byte of the question is sent."""
    async with fleets(tmp_path, listens_as=SCREENING) as fleet, fleet.calling() as vault:
        outcome = unavailable(await vault.ask(question()))
        assert (outcome.reason, outcome.reached, fleet.vault.asked) == (Reason.UNREACHABLE, False, [])


async def test_without_the_look_at_the_name_it_would_hear_everything(tmp_path: Path) -> None:
    """What the safeguard is worth: the same handshake, authority and all, and screening answers in the vault's place."""
    async with fleets(tmp_path, listens_as=SCREENING) as fleet:
        context = client_context(fleet.identities[PAYMENTS], VAULT)
        context.sslobject_class = ssl.SSLObject
        connections = Connections(context, connect=timedelta(seconds=1), most=1)
        instance = Instance(site="aws", url=f"https://{LOCAL}:{fleet.port}", breaker=Breaker(threshold=1, rest=1))
        try:
            assert isinstance(await connections.attempt(instance, question(), timedelta(seconds=2)), Answered)
        finally:
            await connections.close()
        assert len(fleet.vault.asked) == 1


async def test_somebody_of_another_fleet_is_told_nothing(tmp_path: Path) -> None:
    """The right name, of an authority that nobody here trusts."""
    (tmp_path / "other").mkdir()
    stranger = identity_of(issue_fleet(["payments"], [])[PAYMENTS], tmp_path / "other", "payments")
    async with fleets(tmp_path) as fleet, fleet.calling(stranger) as vault:
        assert unavailable(await vault.ask(question())).reason is Reason.UNREACHABLE
        assert fleet.vault.asked == []


async def test_who_shows_no_certificate_is_not_heard(tmp_path: Path) -> None:
    """The vault's door wants one of the fleet's."""
    async with fleets(tmp_path) as fleet:
        context = ssl.create_default_context(cafile=str(fleet.identities[VAULT].authority))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            reader, writer = await asyncio.open_connection(LOCAL, fleet.port, ssl=context)
            try:
                writer.write(b"GET /v1/x HTTP/1.1\r\nHost: vault\r\n\r\n")
                if not await reader.read(1):
                    raise ConnectionError
            finally:
                writer.transport.abort()
        assert fleet.vault.asked == []


async def test_a_vault_that_is_gone_is_unreachable_at_once(tmp_path: Path) -> None:
    """Nothing was sent, and its caller goes on without it."""
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(fleets(tmp_path))
        async with fleet.calling() as vault:
            assert isinstance(await vault.ask(question()), Answered)
            await stack.aclose()
            outcome = unavailable(await vault.ask(question()))
            assert outcome.reason in (Reason.UNREACHABLE, Reason.SILENT)
            outcome = unavailable(await vault.ask(question()))
            assert (outcome.reason, outcome.reached) == (Reason.UNREACHABLE, False)


async def test_a_black_hole_costs_a_connection_attempt_and_then_nothing(tmp_path: Path) -> None:
    """It takes connections and says nothing. Five callers wait for a fifth of a second, the sixth is told at once."""
    async with fleets(tmp_path) as fleet:
        with socket.create_server((LOCAL, 0)) as hole:
            port = hole.getsockname()[1]
            async with fleet.calling(instances={"aws": {"host": LOCAL, "port": port}}, connect=0.2) as vault:
                loop = asyncio.get_running_loop()
                for _ in range(5):
                    began = loop.time()
                    outcome = unavailable(await vault.ask(question()))
                    assert (outcome.reason, outcome.reached) == (Reason.UNREACHABLE, False) and 0.15 < loop.time() - began < 1.5
                began = loop.time()
                assert unavailable(await vault.ask(question())).reason is Reason.OPEN and loop.time() - began < 0.05


async def test_a_vault_that_does_not_answer_costs_the_calls_time_and_no_more(tmp_path: Path) -> None:
    """It may have done what it was asked for: the caller is told that."""
    async with fleets(tmp_path) as fleet, fleet.calling() as vault:
        fleet.vault.hold = 1.0
        began = asyncio.get_running_loop().time()
        outcome = unavailable(await vault.ask(question(within=0.3)))
        assert (outcome.reason, outcome.reached) == (Reason.SILENT, True)
        assert asyncio.get_running_loop().time() - began < 0.6
        fleet.vault.hold = 0.0
        assert isinstance(await vault.ask(question()), Answered)


@asynccontextmanager
async def far(port: int, seconds: float) -> AsyncIterator[int]:
    """The same address, `seconds` away for as long as a connection is new."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        there, back = await asyncio.open_connection(LOCAL, port)
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass_on(reader, back))
            both.create_task(_pass_on(there, writer))

    server = await asyncio.start_server(relay, LOCAL, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while some := await reader.read(65536):
            writer.write(some)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_who_is_farther_away_than_a_question_allows_is_reached_by_the_next(tmp_path: Path) -> None:
    """The handshake that was begun is finished: cut off with its question, there would never be a connection."""
    async with fleets(tmp_path) as fleet, far(fleet.port, 0.2) as port:
        async with fleet.calling(instances={"aws": {"host": LOCAL, "port": port}}, threshold=1000) as vault:
            outcomes = [await vault.ask(question(within=0.1)) for _ in range(10)]
            assert isinstance(outcomes[0], Unavailable) and isinstance(outcomes[-1], Answered)


async def test_what_may_be_done_once_ends_with_its_call(tmp_path: Path) -> None:
    """It is not sent after its caller has been told that there is no answer."""
    async with fleets(tmp_path) as fleet, far(fleet.port, 0.2) as port:
        async with fleet.calling(instances={"aws": {"host": LOCAL, "port": port}}) as vault:
            assert unavailable(await vault.ask(question(within=0.1, idempotent=False))).reason is Reason.SILENT
            await asyncio.sleep(0.3)
            assert fleet.vault.asked == []


async def test_trouble_is_a_value(tmp_path: Path) -> None:
    """503, and more than anybody would read: no answer to build on, and no exception."""
    async with fleets(tmp_path) as fleet, fleet.calling() as vault:
        for path in ("/v1/busy", "/v1/much"):
            assert unavailable(await vault.ask(question(path))).reason is Reason.TROUBLED


async def test_a_call_that_is_asked_without_tls_needs_no_papers(tmp_path: Path) -> None:
    """To measure what TLS costs."""
    vault, port = Vault(), _free_port()
    settings = CalleeSettings.model_validate({"instances": {"aws": {"host": LOCAL, "port": port}}})
    async with served(vault.application(), port, None), wiring.calling(settings, None, own_site="aws") as callee:
        assert isinstance(await callee.ask(question()), Answered)
    named = CalleeSettings.model_validate({"name": VAULT, "instances": {"aws": {"host": LOCAL, "port": port}}})
    with pytest.raises(wiring.NoIdentity):
        async with wiring.calling(named, None, own_site="aws"):
            pass
