"""Put together: what is shown reaches the collector, and what becomes of it is counted."""

from collections.abc import Sequence
from datetime import timedelta

from fastapi import FastAPI, Response

from tests.unit.workload.telemetry.requests import ask
from workload.metrics import ServiceMetrics
from workload.telemetry.observation import Observation
from workload.telemetry.settings import TelemetrySettings
from workload.telemetry.steps import Trail

ADDRESS = "http://127.0.0.1:4318/v1/traces"


def service() -> FastAPI:
    """Fails when it is told to."""
    app = FastAPI()

    @app.get("/v1/{status}")
    async def answer(status: int) -> Response:
        return Response(status_code=status)

    return app


async def test_traces_reach_the_collector_and_are_counted() -> None:
    """The sampled ones; those that failed beyond the allowance are counted as suppressed."""
    taken: list[Trail] = []

    def connect(address: str, settings: TelemetrySettings) -> "Taking":
        assert address == ADDRESS
        return Taking(taken)

    metrics = ServiceMetrics("payments")
    settings = TelemetrySettings(collector=ADDRESS, ratio=0, slow=timedelta(seconds=30), failed_per_second=2)
    observation = Observation(settings, site="aws", metrics=metrics, connect=connect)
    app = observation.around(service())
    with observation.running():
        for status in (200, 503, 503, 503):
            await ask(app, f"/v1/{status}")
    assert [trail.steps[-1].outcome for trail in taken] == ["503", "503"]
    counted = {
        fate: metrics.registry.get_sample_value("payments_traces_total", {"fate": fate}) for fate in ("sent", "suppressed")
    }
    assert counted == {"sent": 2, "suppressed": 1}


async def test_without_a_collector_nothing_waits_to_be_sent() -> None:
    """The numbers are there all the same."""
    metrics = ServiceMetrics("payments")
    observation = Observation(TelemetrySettings(ratio=1), site="aws", metrics=metrics)
    with observation.running():
        assert (await ask(observation.around(service()), "/v1/200")).status == 200
    assert metrics.registry.get_sample_value(
        "payments_requests_total", {"method": "GET", "route": "/v1/{status}", "status": "2xx"}
    )


class Taking:
    """A collector that takes everything."""

    def __init__(self, taken: list[Trail]) -> None:
        self._taken = taken

    def __call__(self, trails: Sequence[Trail]) -> bool:
        self._taken.extend(trails)
        return True
