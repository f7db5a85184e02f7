"""What plans took leaves as spans of one trace, and nobody waits for whoever collects them."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import StatusCode

from controller.core.spans import DETECTION, Span
from controller.tracing import FAREWELL, QUEUE, readable, tracer
from tests.unit.core.worlds import AZURE
from tests.unit.room import room

pytestmark = pytest.mark.asyncio

BEGAN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
SPAN = Span(plan="p-7", name="cut", began=BEGAN, ended=BEGAN + timedelta(milliseconds=250), notes={"epoch": 4}, failure="it hung")


async def test_a_failover_is_one_trace_with_every_step_of_its_journal() -> None:
    """Detection, each step that the journal has a result of, and the plan that they all lie below and within."""
    async with room() as given:
        given.kill(AZURE)
        await given.tick(60)
        _, told = await given.get("/v1/services/payments/journal")
        entries = [entry for entry in told["entries"] if entry["kind"].startswith("step.")]
        (plan,) = {entry["body"]["plan"] for entry in entries if entry["kind"] == "step.cut"}
        steps = sorted(entry["kind"].removeprefix("step.") for entry in entries if entry["body"]["plan"] == plan)
        spans = [span for site in given.spans.values() for span in site if span.plan == plan]
        (whole,) = (span for span in spans if span.whole)
        below = [span for span in spans if not span.whole]
        assert sorted(span.name for span in below) == sorted([DETECTION, *steps])
        assert {(span.trace, span.parent) for span in below} == {(whole.trace, whole.id)}
        assert len({span.id for span in spans}) == len(spans)
        assert all(whole.began <= span.began and span.ended <= whole.ended for span in below if span.name != DETECTION)
        (seen,) = (span for span in below if span.name == DETECTION)
        assert seen.ended == whole.began and timedelta(seconds=0.2) < seen.ended - seen.began < timedelta(seconds=3)


async def test_a_span_says_what_was_done_and_what_became_of_it() -> None:
    """As the exporter takes it."""
    told = readable(SPAN, Resource({"site": "aws"}))
    context = told.get_span_context()
    assert context is not None and (context.trace_id, context.span_id) == (SPAN.trace, SPAN.id)
    assert told.parent is not None and (told.parent.trace_id, told.parent.span_id) == (SPAN.trace, SPAN.parent)
    assert told.start_time is not None and told.end_time is not None
    assert told.end_time - told.start_time == 250_000_000
    assert told.start_time == int(BEGAN.timestamp()) * 10**9
    assert (told.status.status_code, told.status.description) == (StatusCode.ERROR, "it hung")
    assert told.attributes == {"epoch": 4}


async def test_a_collector_is_told() -> None:
    """By OTLP over HTTP, at the latest when the process ends."""
    taken: list[str] = []
    counted: list[tuple[str, int]] = []

    async def take(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        taken.extend(span.name for part in message.resource_spans for scope in part.scope_spans for span in scope.spans)
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/traces", take)
    async with TestServer(application) as server:
        tell = tracer(str(server.make_url("/v1/traces")), site="aws", count=lambda *what: counted.append(what))
        tell(SPAN)
        await asyncio.to_thread(tell.close)
        async with asyncio.timeout(10):
            while not counted:
                await asyncio.sleep(0.01)
    assert taken == ["cut"] and counted == [("sent", 1)]


async def test_a_collector_that_hangs_holds_nobody() -> None:
    """It takes the connection and never answers: more than the queue holds is told of in no time, and the end waits its moment only."""
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        tell = tracer(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1/traces", site="aws", count=lambda *_: None)
        began = time.monotonic()
        for _ in range(QUEUE * 2):
            tell(SPAN)
        told = time.monotonic() - began
        tell.close()
        ended = time.monotonic() - began - told
    for left in set(threading.enumerate()) - before:
        assert left.daemon
        left.join(10)
        assert not left.is_alive(), "its deadline ends it"
    assert told < 2.0, "each would have waited for an answer"
    assert ended < FAREWELL.total_seconds() + 0.5


async def test_a_controller_without_a_collector_loads_nothing_for_one() -> None:
    """The SDK costs a start a good part of its time."""
    code = "import sys, controller.wiring; print(*sorted(name for name in sys.modules if 'otlp' in name))"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    told, _ = await child.communicate()
    assert (child.returncode, told.strip()) == (0, b"")
