"""A request's steps as OpenTelemetry's spans, and to a collector by OTLP over HTTP. The only file that knows the SDK.

No tracer provider is installed anywhere: a library that brings instrumentation of its own finds OpenTelemetry's no-op, and what is not a
step of ours is never sent. Spans are put together here, in the sender's thread, from steps that have ended; going through the SDK's own
tracer, every step of every request would pay for a span that nobody may ever want. `ReadableSpan` is what the SDK's exporters take.
"""

from collections.abc import Sequence
from datetime import timedelta

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from workload.telemetry.redaction import redact, redact_value
from workload.telemetry.steps import Kind, Step, Trail

KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
SCOPE = InstrumentationScope("workload.telemetry")
EDGE = Resource({"service.name": "edge"})


class Collector:
    """A collector at `endpoint`, the whole URL. A call takes the deadline at most, its retries included."""

    def __init__(self, endpoint: str, *, service: str, site: str, deadline: timedelta) -> None:
        session = requests.Session()
        session.trust_env = False  # a proxy of the environment is no place for what happens in here
        self._resource = Resource({"service.name": service, "site": site})
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=deadline.total_seconds(), session=session)

    def __call__(self, trails: Sequence[Trail], /) -> bool:
        """Were they taken?"""
        spans = [span for trail in trails for span in spans_of(trail, self._resource)]
        return self._exporter.export(spans) is SpanExportResult.SUCCESS


def spans_of(trail: Trail, resource: Resource) -> list[ReadableSpan]:
    """One span for each step, and the edge's when it said anything, as `docs/telemetry.md` shows them."""
    outermost = trail.edge.span if trail.edge else trail.caller
    spans = [_span(step, trail, outermost, resource) for step in trail.steps]
    edge = _edge_span(trail)
    return [*spans, edge] if edge else spans


def _span(step: Step, trail: Trail, outermost: int | None, resource: Resource) -> ReadableSpan:
    parent = step.parent.id if step.parent else outermost
    notes = {redact(name): redact_value(value) for name, value in step.notes.items()}
    if trail.dropped and step.parent is None:
        notes["dropped_steps"] = trail.dropped
    return ReadableSpan(
        name=redact(step.name),
        context=_context(trail, step.id),
        parent=None if parent is None else _context(trail, parent, remote=step.parent is None),
        resource=resource,
        attributes=notes,
        kind=KINDS[step.kind],
        status=Status(StatusCode.ERROR, redact(step.outcome)) if step.outcome else Status(StatusCode.UNSET),
        start_time=trail.at(step.began),
        end_time=trail.at(step.ended),
        instrumentation_scope=SCOPE,
    )


def _edge_span(trail: Trail) -> ReadableSpan | None:
    """The edge's span ends with the request: what it does with the answer afterwards it can tell nobody."""
    edge = trail.edge
    if edge is None:
        return None
    return ReadableSpan(
        name="edge",
        context=_context(trail, edge.span),
        parent=None if trail.caller is None else _context(trail, trail.caller, remote=True),
        resource=EDGE,
        attributes={"site": edge.site},
        kind=SpanKind.SERVER,
        start_time=edge.received,
        end_time=max(trail.at(step.ended) for step in trail.steps),
        instrumentation_scope=SCOPE,
    )


def _context(trail: Trail, span: int, *, remote: bool = False) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if trail.sampled else TraceFlags.DEFAULT)
    return SpanContext(trace_id=trail.trace, span_id=span, is_remote=remote, trace_flags=flags)
