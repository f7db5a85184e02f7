"""What plans took, sent to a collector of traces as OpenTelemetry's spans. Nobody waits for it.

What is told lies in a bounded queue, and a thread of the SDK's own sends it once a second by OTLP over HTTP. A collector that is dead, or a
black hole, holds that thread until its deadline, and the newest is dropped when the queue is full: no failover is a millisecond later.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import requests
import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from controller.core.spans import Span

log = structlog.get_logger()

SCOPE = InstrumentationScope("controller.tracing")
QUEUE, EVERY, DEADLINE = 2048, timedelta(seconds=1), timedelta(seconds=2)
FAREWELL = timedelta(seconds=0.2)
"""For what was told last to leave a process that ends. It has a second in all."""


class Count(Protocol):
    """Is told what became of how many spans."""

    def __call__(self, fate: str, spans: int, /) -> None:
        """`fate`: sent, or lost."""


class _Told(SpanExporter):
    """Says once when the collector stops taking spans, and once when it takes them again."""

    def __init__(self, exporter: SpanExporter, count: Count) -> None:
        self._exporter, self._count, self._answers = exporter, count, True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        taken = result is SpanExportResult.SUCCESS
        self._count("sent" if taken else "lost", len(spans))
        if taken is not self._answers:
            self._answers = taken
            log.warning("traces are sent again" if taken else "the collector of traces takes nothing; nobody waits for it")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


@dataclass(frozen=True, slots=True)
class Tracer:
    """A collector at the whole URL `endpoint`, told of spans by calling it."""

    _processor: BatchSpanProcessor
    _resource: Resource

    def __call__(self, span: Span, /) -> None:
        """Take a span to be sent; never waits, never raises."""
        self._processor.on_end(readable(span, self._resource))

    def close(self) -> None:
        """Send what waits, as far as that goes within `FAREWELL`."""
        last = threading.Thread(target=self._processor.shutdown, name="last traces", daemon=True)
        last.start()
        last.join(FAREWELL.total_seconds())


def tracer(endpoint: str, *, site: str, count: Count) -> Tracer:
    """Its thread runs until it is closed."""
    logging.getLogger("opentelemetry").propagate = False  # a line for each message that is lost, and none of them JSON
    session = requests.Session()
    session.trust_env = False  # a proxy of the environment is no place for what happens in here
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=DEADLINE.total_seconds(), session=session)
    processor = BatchSpanProcessor(
        _Told(exporter, count),
        max_queue_size=QUEUE,
        schedule_delay_millis=EVERY.total_seconds() * 1000,
        max_export_batch_size=256,
    )
    return Tracer(processor, Resource({"service.name": "trimaran-controller", "site": site}))


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """As the SDK's exporters take it."""

    def context(of: int) -> SpanContext:
        return SpanContext(span.trace, of, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=span.name,
        context=context(span.id),
        parent=None if span.parent is None else context(span.parent),
        resource=resource,
        attributes=dict(span.notes),
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.failure) if span.failure else Status(StatusCode.UNSET),
        start_time=_nanoseconds(span.began),
        end_time=_nanoseconds(span.ended),
        instrumentation_scope=SCOPE,
    )


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000
