"""The layers around a service: which there are, in which order, and that nobody is served by one that was told nothing."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from tests.unit.workload.access.rooms import MINE, OTHERS
from tests.unit.workload.asgi import ask
from workload.access.door import caller_of
from workload.access.operations import Operation
from workload.access.peer import Peer
from workload.gate import Gate
from workload.layer_settings import LayerSettings, LimitedSettings, is_loopback
from workload.layers import Layers
from workload.limits.assembly import build_limits
from workload.metrics import ServiceMetrics
from workload.process import CannotBegin

HERE = {"host": "127.0.0.1", "port": 1}
ACCESS = {"issuer": "https://issuer.test", "audience": "payments", "keys_url": "https://127.0.0.1:9/keys", "unbound": True}
PAPERS = {"certificate": "none.pem", "authority": "none.pem"}
WIDE = {"host": "10.0.0.1", "port": 1}
OPERATIONS = (Operation(method="POST", path="/v1/payments", scope="payments:write"),)
EDGE = Peer(names=frozenset({"trimaran://edge/aws"}), thumbprint=OTHERS)


def settings(**tables: object) -> LimitedSettings:
    """Of a service at aws."""
    return LimitedSettings.model_validate({"site": "aws", "listen": HERE, **tables})


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """The application: says who asks."""
    caller = caller_of(Request(scope)) if scope["path"].startswith("/v1/") else None
    await JSONResponse({"caller": caller and caller.subject, "scopes": sorted(caller.scopes) if caller else []})(
        scope, receive, send
    )


class House:
    """A service with its layers, which a test asks over a connection of its choice."""

    def __init__(self, **tables: object) -> None:
        self.settings, self.metrics = settings(**tables), ServiceMetrics("payments")
        self.layers = Layers(self.settings, OPERATIONS, self.metrics)
        self.app = self.layers.around(inside, gate=self._gate)

    def _gate(self, app: ASGIApp) -> ASGIApp:
        limits = build_limits(self.settings.limits, self.metrics)
        return Gate(app, deadline=timedelta(seconds=1), on_refusal=self.metrics.overloaded, limits=limits)

    async def ask(self, peer: Peer | None = None, path: str = "/v1/payments", **headers: str) -> tuple[int, Any]:
        """One request; status and kind of problem, or who was asked as."""

        async def over(scope: Scope, receive: Receive, send: Send) -> None:
            await self.app({**scope, "state": {"peer": peer}}, receive, send)

        answer = await ask(over, "POST", path, {}, {name.replace("_", "-"): value for name, value in headers.items()})
        return answer.status, answer.body.get("type", "").rpartition(":")[2] or answer.body["caller"]

    def counted(self, name: str, **labels: str) -> float:
        """A number of its metrics."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({}, "expected \\[access\\], or open_to_everybody"),
        ({"open_to_everybody": False}, "expected \\[access\\], or open_to_everybody"),
        ({"access": ACCESS, "open_to_everybody": True}, "either"),
        ({"open_to_everybody": True, "listen": WIDE}, "expected a loopback address"),
        ({"open_to_everybody": True, "listen": WIDE, "identity": PAPERS}, "expected a loopback address"),
        ({"open_to_everybody": True, "listen": {"host": "0.0.0.0", "port": 1}}, "expected a loopback address"),
        ({"access": ACCESS, "listen": WIDE}, "expected \\[identity\\]"),
        ({"access": ACCESS, "limits": {"client_header": "x-client"}}, "nobody vouches"),
    ],
)
def test_what_would_be_a_service_without_a_door_does_not_start(tables: dict[str, object], expected: str) -> None:
    """A table that was lost, an open service on an address that others reach, tokens that can be read on the way."""
    with pytest.raises(ValidationError, match=expected):
        settings(**tables)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", False),
        ("0.0.0.0", False),
        ("::", False),
        ("db", False),
    ],
)
def test_a_loopback_address_leads_to_this_machine_alone(host: str, expected: bool) -> None:
    """Every address is none, and a name may lead elsewhere tomorrow."""
    assert is_loopback(host) is expected


async def test_an_open_service_says_so_when_it_starts_and_to_whoever_asks() -> None:
    """Everybody is called that, may do everything, and the log has it."""
    house = House(open_to_everybody=True)
    assert await house.ask() == (200, "everybody")
    with capture_logs() as said:
        async with house.layers.running():
            pass
    assert [(one["log_level"], "OPEN TO EVERYBODY" in one["event"]) for one in said] == [("warning", True)]
    assert house.layers.situation() == {"open_to_everybody": True}


async def test_with_an_access_table_nobody_is_inside_without_being_somebody() -> None:
    """401 without a token, 503 while there are no keys of the issuer, and what is open to anybody stays so."""
    house = House(access=ACCESS)
    assert await house.ask() == (401, "no-token")
    token = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.AAAA"
    assert (await house.ask(authorization=f"Bearer {token}"))[0] == 503
    assert (await house.ask(path="/healthz"))[0] == 200
    assert house.counted("payments_access_refused_total", kind="no-token") == 1
    assert house.layers.situation() == {"issuer_keys_age_seconds": None}


def _total(counter: Metric) -> float:
    return sum(sample.value for sample in counter.samples if sample.name.endswith("_total"))


async def test_a_deadline_that_is_over_is_refused_before_a_place_is_taken() -> None:
    """It counts from the arrival, and the gate, which would refuse it too, never hears of it."""
    house = House(open_to_everybody=True)
    assert await house.ask(deadline_ms="0") == (504, "deadline-over")
    assert not [one for one in house.metrics.registry.collect() if one.name == "payments_refusals" and _total(one)]


async def test_the_gate_counts_before_the_door_looks_at_a_token() -> None:
    """A flood of invented tokens costs places, not signatures: after three the client's own rate answers."""
    limits = {"client_header": "client-cert-thumbprint", "client": {"per_second": 0.01, "burst": 3}}
    house = House(access={**ACCESS, "edges": ["trimaran://edge/aws"]}, limits=limits)
    answers = [await house.ask(EDGE, client_cert_thumbprint=MINE) for _ in range(4)]
    assert [status for status, _ in answers] == [401, 401, 401, 429]
    assert (await house.ask(EDGE, client_cert_thumbprint=OTHERS))[0] == 401, "another client has a rate of its own"


async def test_nobody_spends_another_clients_rate_by_telling_its_certificate() -> None:
    """A service of the fleet that sets the edge's header is refused, and the client's bucket is as full as it was."""
    limits = {"client_header": "client-cert-thumbprint", "client": {"per_second": 0.01, "burst": 1}}
    house = House(access={**ACCESS, "edges": ["trimaran://edge/aws"]}, limits=limits)
    forger = Peer(names=frozenset({"trimaran://service/screening"}), thumbprint=OTHERS)
    for _ in range(5):
        assert await house.ask(forger, client_cert_thumbprint=MINE) == (401, "wrong-certificate")
    assert await house.ask(EDGE, client_cert_thumbprint=MINE) == (401, "no-token"), "not 429: nothing of it was spent"


async def test_refusals_are_seen_when_the_service_is_seen() -> None:
    """Counted by route and status class only with the table, and outside of everything that refuses."""
    seen, unseen = House(open_to_everybody=True, telemetry={}), House(open_to_everybody=True)
    for house in (seen, unseen):
        await house.ask(deadline_ms="0")
    labels = {"method": "POST", "route": "none", "status": "5xx"}
    assert (seen.counted("payments_requests_total", **labels), unseen.counted("payments_requests_total", **labels)) == (1, 0)


@pytest.mark.parametrize("tables", [{"identity": PAPERS}, {"access": {**ACCESS, "authority": "none.pem"}}])
def test_papers_that_cannot_be_used_are_named(tables: dict[str, object]) -> None:
    """By file, when the process starts and not when somebody calls."""
    told = settings(**{"open_to_everybody": "access" not in tables, **tables})
    with pytest.raises(CannotBegin, match=r"none\.pem"):
        Layers(told, OPERATIONS, ServiceMetrics("payments"))


async def test_what_keeps_the_keys_ends_with_the_process() -> None:
    """Nothing is left running after the block."""
    house = House(access=ACCESS)
    before = asyncio.all_tasks()
    async with house.layers.running():
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) > len(before)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("module", ["payments", "vault", "screening", "webhooks"])
def test_every_service_has_the_same_layers(module: str) -> None:
    """None can be started without somebody saying who may call it."""
    shape: type[LayerSettings] = __import__(f"workload.{module}.settings", fromlist=["Settings"]).Settings
    assert issubclass(shape, LayerSettings)
    assert "open_to_everybody" in json.dumps(shape.model_json_schema())


def test_a_program_that_cannot_begin_says_what_to_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and one line per problem, the file named in each."""
    from workload.payments.__main__ import main

    file = tmp_path / "payments.toml"
    good = 'site = "aws"\nservice = "payments"\n[listen]\nhost = "127.0.0.1"\nport = 1\n[databases.aws]\nhost = "127.0.0.1"\nport = 2\n'
    environment = {"PAYMENTS_APP_PASSWORD": "x"}
    file.write_text(good)
    assert main(["--settings", str(file)], environment) == 2
    assert f"{file}: (file): expected [access], or open_to_everybody" in capsys.readouterr().err
    file.write_text("open_to_everybody = true\n" + good + '[identity]\ncertificate = "none.pem"\nauthority = "none.pem"\n')
    assert main(["--settings", str(file)], environment) == 2
    assert f"{file}: identity: expected a certificate" in capsys.readouterr().err
