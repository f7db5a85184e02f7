"""The layer around a service: what is counted, followed and told, and what never is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.unit.workload.telemetry.requests import WALL, Clock, ask
from workload import problems
from workload.durable.errors import OutcomeUnknown
from workload.metrics import ServiceMetrics
from workload.telemetry.logs import processors
from workload.telemetry.middleware import Clocks, Observed
from workload.telemetry.rates import Rates
from workload.telemetry.sampling import Sampling, Verdict
from workload.telemetry.settings import TelemetrySettings
from workload.telemetry.steps import Trail, step

CARD = "4111111111111111"
SETTINGS = TelemetrySettings()


class Seen:
    """A service with the layer around it, and all that came of it."""

    def __init__(self, app: ASGIApp, clock: Clock, ratio: float) -> None:
        self.metrics = ServiceMetrics("payments")
        self.shown: list[tuple[Trail, Verdict, list[str]]] = []
        sampling = Sampling(ratio=ratio, slow=SETTINGS.slow, asked_per_second=5, failed_per_second=5)
        self.app = Observed(
            app,
            site="aws",
            rates=Rates(self.metrics),
            sampling=sampling,
            show=lambda trail, verdict: self.shown.append((trail, verdict, [one.name for one in trail.steps])),
            clocks=Clocks(steady=clock.steady, wall=clock.wall),
        )

    def value(self, name: str, **labels: str) -> float | None:
        """A number of the metrics."""
        return self.metrics.registry.get_sample_value(f"payments_{name}", labels)


def service(clock: Clock) -> FastAPI:
    """A small one, with everything that can happen to a request."""
    app = FastAPI()
    problems.install(app)

    @app.get("/v1/payments/{id}")
    async def read_payment(id: str) -> dict[str, str]:
        with step("barrier", site="aws"):
            clock.passes(300 if id == "slow" else 5)
        if id == "unknown":
            raise OutcomeUnknown("the barrier stayed closed")
        if id == "defect":
            raise RuntimeError(f"cannot read {CARD}")
        return {"id": "shown"}

    @app.post("/v1/payments")
    async def make_payment(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/readyz")
    async def write_path_works() -> dict[str, bool]:
        raise OutcomeUnknown("no writer")

    return app


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged, as JSON, and as it would be written."""
    written: list[dict[str, Any]] = []
    old = structlog.get_config()

    def keep(_logger: object, _method: str, event: Any) -> Any:
        written.append(json.loads(event))
        raise structlog.DropEvent

    structlog.configure(processors=[*processors(), keep], cache_logger_on_first_use=False)
    yield written
    structlog.configure(**old)


def seen(clock: Clock, ratio: float = 0.0) -> Seen:
    """The service, seen."""
    return Seen(service(clock), clock, ratio)


async def test_a_good_answer_is_counted_and_forgotten(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """Rate and duration by the route's template; no line, and nothing to export."""
    one = seen(clock)
    assert (await ask(one.app, "/v1/payments/42")).status == 200
    assert one.value("requests_total", method="GET", route="/v1/payments/{id}", status="2xx") == 1
    assert one.value("request_seconds_sum", method="GET", route="/v1/payments/{id}") == pytest.approx(0.005)
    [(trail, verdict, steps)] = one.shown
    assert (verdict, steps, trail.steps, lines) == (Verdict.UNREMARKABLE, ["barrier", "GET /v1/payments/{id}"], [], [])


@pytest.mark.parametrize(("id", "status", "why"), [("slow", 200, "slow"), ("unknown", 503, "failed")])
async def test_what_is_slow_or_fails_is_shown(clock: Clock, lines: list[dict[str, Any]], id: str, status: int, why: str) -> None:
    """With every step it took, though nobody could know beforehand; and one line that leads to the trace."""
    one = seen(clock)
    assert (await ask(one.app, f"/v1/payments/{id}")).status == status
    [(trail, verdict, _)] = one.shown
    request = trail.steps[-1]
    assert verdict.value == why and [step.name for step in trail.steps] == ["barrier", "GET /v1/payments/{id}"]
    assert request.outcome == ("503" if status == 503 else "")
    [line] = lines
    assert (line["event"], line["why"], line["status"]) == ("request", why, status)
    assert (line["trace_id"], line["span_id"]) == (f"{trail.trace:032x}", f"{request.id:016x}")


async def test_a_sampled_request_is_shown_whatever_becomes_of_it(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """By its id, or because its caller wants it."""
    assert (await ask((one := seen(clock, ratio=1.0)).app, "/v1/payments/42")).status == 200
    asked = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    await ask((two := seen(clock)).app, "/v1/payments/42", headers=asked)
    assert [one.shown[0][1], two.shown[0][1]] == [Verdict.SAMPLED] * 2
    trail = two.shown[0][0]
    assert (f"{trail.trace:032x}", f"{trail.caller:016x}") == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert len(lines) == 2


async def test_an_edge_in_front_is_part_of_the_trail(clock: Clock) -> None:
    """It says when it had the request."""
    one = seen(clock, ratio=1.0)
    received = (WALL + clock.now) // 1000 - 4000
    await ask(one.app, "/v1/payments/42", headers={"Edge-Span": "ab" * 8, "Edge-Site": "gcp", "Edge-Received": str(received)})
    edge = one.shown[0][0].edge
    assert edge is not None and (edge.site, edge.received) == ("gcp", received * 1000)


async def test_a_defect_is_counted_shown_and_still_a_defect(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """The exception goes on to the server, whose business it is; its message is nowhere."""
    one = seen(clock)
    with pytest.raises(RuntimeError):
        await ask(one.app, "/v1/payments/defect")
    assert one.value("requests_total", method="GET", route="/v1/payments/{id}", status="5xx") == 1
    [(trail, verdict, _)] = one.shown
    assert (verdict, trail.steps[-1].outcome) == (Verdict.FAILED, "RuntimeError")
    assert CARD not in json.dumps(lines)


async def test_a_request_without_an_answer_is_one_of_its_own(clock: Clock) -> None:
    """The service ended it, or the client hung up."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        return

    one = Seen(silent, clock, 0.0)
    await ask(one.app, "/v1/payments/42")
    assert one.value("requests_total", method="GET", route="none", status="none") == 1
    assert one.shown[0][1] is Verdict.FAILED


async def test_labels_are_bounded_whatever_is_sent(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """Paths and methods of the client's own making are no label, no step and no line."""
    one = seen(clock, ratio=1.0)
    for number in range(50):
        await ask(one.app, f"/v1/{CARD}/{number}", method=f"M{number}")
        await ask(one.app, f"/v1/payments/{number}")
    told = one.metrics.render().decode() + json.dumps(lines)
    assert CARD not in told
    assert one.value("requests_total", method="other", route="none", status="4xx") == 50
    assert one.metrics.render().decode().count("payments_requests_total{") == 2
    assert not [step for trail, _, _ in one.shown for step in trail.steps if CARD in step.name + str(step.notes)]


async def test_probes_are_counted_and_not_followed(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """All of them fail at once when the writer is gone, and would take every place that errors have."""
    one = seen(clock, ratio=1.0)
    for _ in range(20):
        assert (await ask(one.app, "/readyz")).status == 503
    assert one.value("requests_total", method="GET", route="/readyz", status="5xx") == 20
    assert (one.shown, lines) == ([], [])


async def test_an_outage_is_told_by_a_few(clock: Clock, lines: list[dict[str, Any]]) -> None:
    """A hundred errors in one moment are a hundred in the counter, and five in traces and lines."""
    one = seen(clock)
    for _ in range(100):
        await ask(one.app, "/v1/payments/unknown")
        clock.now -= 5_000_000  # the handler's own time: all of them fail at the same moment
    assert one.value("requests_total", method="GET", route="/v1/payments/{id}", status="5xx") == 100
    assert [verdict for _, verdict, _ in one.shown].count(Verdict.FAILED) == len(lines) == 5
    assert [verdict for _, verdict, _ in one.shown].count(Verdict.SUPPRESSED) == 95


async def test_what_is_no_request_passes() -> None:
    """Lifespan and WebSocket are not HTTP."""
    passed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    one = Seen(app, Clock(), 1.0)
    await one.app({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert (passed, one.shown) == (["lifespan"], [])
