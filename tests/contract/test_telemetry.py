"""Traces over real OTLP: from one service to the next, to a collector and into its file; and collectors that are dead, silent or full."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from fastapi import FastAPI

from lab.collector import PATH, Settings, run
from lab.spans import Span, read_spans, rows, tree
from tests.unit.workload.telemetry.requests import ask
from workload.metrics import ServiceMetrics
from workload.telemetry.export import Exporter, Fate
from workload.telemetry.observation import Observation
from workload.telemetry.otlp import Collector
from workload.telemetry.propagation import outgoing_headers
from workload.telemetry.settings import TelemetrySettings
from workload.telemetry.steps import Kind, Trail, follow, step

HOST = "127.0.0.1"
CARD = "4111111111111111"
CLIENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
SOON, DEADLINE = timedelta(milliseconds=20), timedelta(seconds=1)


@asynccontextmanager
async def collecting(file: Path, most_bytes: int = 2**20) -> AsyncIterator[str]:
    """The lab's collector for the length of the block; its address."""
    stop, up = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(Settings(file=file, most_bytes=most_bytes), stop, lambda port, _: up.set_result(port)))
    try:
        async with asyncio.timeout(5):
            yield f"http://{HOST}:{await up}{PATH}"
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


def observed(service: str, address: str) -> tuple[Observation, ServiceMetrics]:
    """A service that is seen, sending to `address`."""
    metrics = ServiceMetrics(service)
    settings = TelemetrySettings(collector=address, interval=SOON, deadline=DEADLINE)
    return Observation(settings, site="aws", metrics=metrics), metrics


def read(file: Path) -> list[Span]:
    """What the collector kept."""
    return read_spans(file.read_text().splitlines(keepends=True))


async def test_a_trace_goes_through_two_services_into_one_tree(tmp_path: Path) -> None:
    """Client, edge, payments, vault and the steps of both, each inside what asked for it; and no number on the way."""
    vault, payments = FastAPI(), FastAPI()

    @vault.get("/v1/tokens/{token}")
    async def describe_token(token: str) -> dict[str, str]:
        with step("barrier", site="azure", epoch=1, seen=f"{CARD} and {CARD}"):
            return {"token": token}

    file = tmp_path / "spans.jsonl"
    async with collecting(file) as address:
        seen_vault, _ = observed("vault", address)
        vault_app = seen_vault.around(vault)

        @payments.get("/v1/payments/{id}")
        async def read_payment(id: str) -> dict[str, str]:
            with step("call", Kind.CLIENT, service="vault"):
                await ask(vault_app, f"/v1/tokens/{CARD}", headers=dict(outgoing_headers()))
            return {"id": id}

        seen_payments, metrics = observed("payments", address)
        edge = {"Edge-Span": "e" * 16, "Edge-Site": "gcp", "Edge-Received": str(time.time_ns() // 1000 - 2000)}
        with seen_payments.running(), seen_vault.running():
            await ask(seen_payments.around(payments), f"/v1/payments/{CARD}", headers={**CLIENT, **edge})
            async with asyncio.timeout(5):
                while not file.read_text().count('"name":"barrier"') or not file.read_text().count('"name":"edge"'):
                    await asyncio.sleep(0.01)  # another thread sends
    lines = rows(tree(read(file), CLIENT["traceparent"][3:35]))
    assert [(line.depth, line.name, line.where) for line in lines] == [
        (0, "edge", "edge gcp"),
        (1, "GET /v1/payments/{id}", "payments aws"),
        (2, "call", "payments aws"),
        (3, "GET /v1/tokens/{token}", "vault aws"),
        (4, "barrier", "vault aws"),
    ]
    assert CARD not in file.read_text()
    assert metrics.registry.get_sample_value("payments_traces_total", {"fate": "sent"}) == 1


async def test_a_collector_refuses_what_it_cannot_read_and_what_has_no_room(tmp_path: Path) -> None:
    """400 for other people's messages, and a partial success for spans without room: counted, and the file stays as it was."""
    file = tmp_path / "spans.jsonl"
    async with collecting(file, most_bytes=10) as address, aiohttp.ClientSession() as http:
        async with http.post(address, data=b"\xff not protobuf") as answer:
            assert answer.status == 400
        assert await asyncio.to_thread(Collector(address, service="payments", site="aws", deadline=DEADLINE), [trail(1)])
        async with http.get(address.replace(PATH, "/status")) as answer:
            assert await answer.json() == {"taken": 0, "rejected": 1}
    assert file.read_text() == ""


def trail(number: int) -> Trail:
    """One request that is over."""
    one = Trail(trace=number, caller=None, sampled=True, clock=time.perf_counter_ns, wall=time.time_ns())
    with follow(one, "request"):
        pass
    return one


@contextmanager
def nobody() -> Iterator[str]:
    """An address where connections are refused."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    yield f"http://{HOST}:{port}{PATH}"


@contextmanager
def silent() -> Iterator[str]:
    """A collector that takes connections and says nothing."""
    with socket.create_server((HOST, 0), backlog=64) as listener:
        yield f"http://{HOST}:{listener.getsockname()[1]}{PATH}"


@pytest.mark.parametrize("away", [nobody, silent])
def test_a_collector_that_is_away_costs_nothing_but_its_traces(away: Callable[[], AbstractContextManager[str]]) -> None:
    """Every offer returns at once; what does not fit is dropped, what is not taken is lost, and all of it is counted."""
    fates: Counter[Fate] = Counter()
    lock = threading.Lock()

    def count(fate: Fate, number: int) -> None:
        with lock:
            fates[fate] += number

    offered, trails = 5_000, [trail(number) for number in range(1, 5_001)]
    with away() as address:
        send = Collector(address, service="payments", site="aws", deadline=timedelta(seconds=0.3))
        exporter = Exporter(send, count, capacity=100, interval=timedelta(milliseconds=5))
        exporter.start()
        began = time.perf_counter()
        for one in trails:
            exporter.offer(one)
        took = time.perf_counter() - began
        exporter.close(timedelta(seconds=5))
    assert took / offered < 100e-6, f"{took / offered * 1e6:.1f} microseconds for one offer"
    assert fates[Fate.SENT] == 0
    assert away is nobody or fates[Fate.DROPPED] >= offered - 500
    assert sum(fates.values()) >= offered - 100  # what still waited when the process ended


async def test_a_request_takes_as_long_without_a_collector_as_with_a_silent_one() -> None:
    """Seen from the client: hundreds of sampled requests while the collector hangs, none of which waits for it."""
    app = FastAPI()

    @app.get("/v1/payments/{id}")
    async def read_payment(id: str) -> dict[str, str]:
        return {"id": id}

    async def slowest(observation: Observation) -> float:
        around, times = observation.around(app), []
        with observation.running():
            for _ in range(300):
                began = time.perf_counter()
                await ask(around, "/v1/payments/1")
                times.append(time.perf_counter() - began)
        return sorted(times)[-3]

    with silent() as address:
        settings = TelemetrySettings(collector=address, ratio=1, interval=timedelta(milliseconds=5), deadline=DEADLINE)
        hanging = await slowest(Observation(settings, site="aws", metrics=ServiceMetrics("payments")))
    assert hanging < DEADLINE.total_seconds() / 4
