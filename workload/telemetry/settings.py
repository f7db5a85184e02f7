"""What a service needs to know about being seen. Every default is that of a service nobody collects traces of."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from workload.durable.settings import Seconds, Table

Share = Annotated[float, Field(ge=0, le=1)]
PerSecond = Annotated[float, Field(gt=0, le=1000)]


class TelemetrySettings(Table):
    """`[telemetry]` of a service's settings file."""

    collector: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")] | None = None
    """Whole URL of an OTLP/HTTP collector, such as `http://127.0.0.1:4318/v1/traces`. Without one, traces are only in the logs."""
    ratio: Share = 0.01
    """Of all traces, chosen by their ids: the same in every service, or traces have holes."""
    slow: Seconds = timedelta(seconds=0.25)
    """What took longer is shown, sampled or not."""
    asked_per_second: PerSecond = 20
    """Traces shown because their caller wants them sampled."""
    failed_per_second: PerSecond = 20
    """Errors shown, and as many slow requests; an outage is full of them, and has no processor to spare."""
    queue: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests that may wait for the collector."""
    interval: Seconds = timedelta(seconds=1)
    """Pause between two messages to the collector."""
    deadline: Seconds = timedelta(seconds=2)
    """Of one message, retries included."""
