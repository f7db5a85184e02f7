"""Card numbers in wrong places, sent to the three services as their processes are put together, but for databases: of those none answers.

Quick, and without a lab: what it cannot see, edges, databases and a dying cloud, `tests/lab/test_no_card_numbers.py` does.
"""

import asyncio
import io
import json
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest
import structlog

from lab.collector_process import CollectorProcess, start_collector
from lab.workspace import Workspace
from tests.contract.access_worlds import served
from tests.contract.openapi_worlds import LOCAL, Issuer
from tests.lab.number_plants import PLANTS, Plant, filled
from tests.lab.number_search import Search, planted
from tests.protocol.vault_site import UNUSED
from workload.payments import wiring as payments
from workload.payments.operations import OPERATIONS as PAYMENTS
from workload.payments.settings import Settings as PaymentsSettings
from workload.screening import wiring as screening
from workload.screening.operations import OPERATIONS as SCREENING
from workload.screening.settings import Settings as ScreeningSettings
from workload.telemetry.logs import processors
from workload.vault import wiring as vault
from workload.vault.callers import OPERATIONS as VAULT
from workload.vault.settings import Settings as VaultSettings

ACCOUNTS = (str(UUID(int=0x018F_0000_0000_7000_8000_0000_0000_0001)), str(UUID(int=0x018F_0000_0000_7000_8000_0000_0000_0002)))
SITES = ("aws", "azure", "gcp")
OPERATIONS = {"payments": PAYMENTS, "vault": VAULT, "screening": SCREENING}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Three services, and whoever may ask everything of them."""

    ports: Mapping[str, int]
    tokens: Mapping[str, str]
    collector: CollectorProcess
    http: aiohttp.ClientSession

    async def send(self, plant: Plant) -> tuple[int, str]:
        """Status, and everything that is answered."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.tokens[plant.service]}", **plant.headers}
        url, body = f"http://{LOCAL}:{self.ports[plant.service]}{plant.path}", plant.body.encode() or None
        async with self.http.request(plant.method, url, headers=headers, data=body) as answer:
            return answer.status, f"{await answer.text()} {json.dumps(dict(answer.headers))}"

    async def traces(self) -> str:
        """What the collector has, once both services that had errors have sent theirs."""
        async with asyncio.timeout(10):
            while {"payments", "vault"} - {span.service for span in self.collector.spans()}:
                await asyncio.sleep(0.05)  # another process writes
        return self.collector.file.read_text()

    async def metrics(self) -> str:
        """What each of them counted."""
        texts = []
        for port in self.ports.values():
            async with self.http.get(f"http://{LOCAL}:{port}/metrics") as answer:
                texts.append(await answer.text())
        return "\n".join(texts)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """All three, with a collector."""
    async with AsyncExitStack() as stack:
        workspace = stack.enter_context(Workspace("numbers-astray"))
        collector, issuer = await start_collector(workspace), Issuer(folder=folder)
        ports = {service: workspace.port() for service in OPERATIONS}
        databases = {site: {"host": LOCAL, "port": workspace.port()} for site in SITES}

        def told(service: str) -> dict[str, object]:
            listen = {"host": LOCAL, "port": ports[service]}
            common = {"service": service, "site": "aws", "listen": listen, "access": issuer.access(service)}
            telemetry = tomllib.loads(collector.settings())["telemetry"]
            return {
                **common,
                "telemetry": {**telemetry, "ratio": 1},
            }  # a refusal is neither traced nor logged unless it is sampled

        score = screening.Assembly(ScreeningSettings.model_validate(told("screening")))
        pay = payments.Assembly(PaymentsSettings.model_validate({**told("payments"), "databases": databases}), "-")
        keep = vault.Assembly(VaultSettings.model_validate({**UNUSED, **told("vault"), "databases": databases}), "-", ())
        for running in (score.layers.running(), pay.running(), keep.running()):
            await stack.enter_async_context(running)
        for service, app in (("screening", score.application), ("payments", pay.application), ("vault", keep.application)):
            await stack.enter_async_context(served(app, ports[service], None))
        tokens = {one: issuer.token(one, frozenset(may.scope for may in every)) for one, every in OPERATIONS.items()}
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(ports=ports, tokens=tokens, collector=collector, http=http)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the services write, as their processes do."""
    text = io.StringIO()
    structlog.configure(processors=list(processors()), logger_factory=structlog.PrintLoggerFactory(text))
    yield text
    structlog.reset_defaults()


async def test_no_service_tells_a_number_that_was_sent_astray(tmp_path: Path, log: io.StringIO) -> None:
    """Not in its answer, not in its log, not in a trace and not in a metric; and nothing of it is taken for good."""
    wrong, cards = [], {planted(number): plant for number, plant in enumerate(PLANTS)}
    async with world(tmp_path) as three:
        for card, plant in cards.items():
            status, said = await three.send(filled(plant, card, ACCOUNTS))
            wrong += [f"{plant.name}: answered {one.around!r}" for one in Search([card]).within(said.encode(), "answer")]
            if plant.is_refused and plant.name != "host" and status // 100 != 4:  # the name of the host is the edge's matter
                wrong.append(f"{plant.name}: {status} {said}")
        told = {"traces": await three.traces(), "metrics": await three.metrics(), "log": log.getvalue()}
    for place, text in told.items():
        wrong += [f"{cards[one.digits].name} in {place}: {one.around!r}" for one in Search(cards).within(text.encode(), place)]
    assert wrong == []
    assert '"event": "request"' in told["log"] and "vault_requests_total" in told["metrics"]
