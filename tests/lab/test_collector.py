"""The collector as a part of the lab: services can be told of it, and what they send is there to be read."""

import asyncio
import time
import tomllib
from datetime import timedelta

from lab.collector_process import RATIO, start_collector
from lab.workspace import Workspace
from workload.telemetry.otlp import Collector
from workload.telemetry.settings import TelemetrySettings
from workload.telemetry.steps import Trail, follow, step


async def test_what_a_service_sends_to_the_collector_it_was_told_of_is_read() -> None:
    """From the lines of its settings to the span in the file; before that there is none, and a dead collector takes nothing with it."""
    with Workspace("test-collector") as workspace:
        collector = await start_collector(workspace)
        assert collector.spans() == []
        settings = TelemetrySettings.model_validate(tomllib.loads(f"a = 1\n[b.c]\nd = 2\n{collector.settings()}")["telemetry"])
        assert settings.collector is not None and settings.ratio == RATIO
        send = Collector(settings.collector, service="vault", site="gcp", deadline=timedelta(seconds=2))
        trail = Trail(trace=7, caller=None, sampled=True, clock=time.perf_counter_ns, wall=time.time_ns())
        with follow(trail, "request"), step("barrier"):
            pass
        assert await asyncio.to_thread(send, [trail])
        assert [(span.service, span.site, span.name) for span in collector.spans()] == [
            ("vault", "gcp", "barrier"),
            ("vault", "gcp", "request"),
        ]
        collector.process.kill()
        assert not await asyncio.to_thread(send, [trail])
        assert len(collector.spans()) == 2
