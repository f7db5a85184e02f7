"""Trace ids on the wire: W3C Trace Context between callers and services, and what the edge says about itself.

The edge is HAProxy. Builds of it that distributions ship cannot send spans (a filter that must be compiled in, or a second process behind
SPOE), so it only adds three headers, in place of any that the client sent, and the service tells the edge's span from them:

    Edge-Span      id of the edge's own span, 16 hexadecimal digits
    Edge-Site      where that edge stands
    Edge-Received  microseconds since 1970 when it had the request's head

A tracestate is not passed on: it is a text that clients may choose, and would be shown.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from workload.telemetry.numbers import hides_number
from workload.telemetry.steps import Hop, here

TRACEPARENT = "traceparent"
EDGE_SPAN, EDGE_SITE, EDGE_RECEIVED = "edge-span", "edge-site", "edge-received"

_WANTED = {name.encode(): name for name in (TRACEPARENT, EDGE_SPAN, EDGE_SITE, EDGE_RECEIVED)}
_W3C = TraceContextTextMapPropagator()
_SPAN = re.compile(r"[0-9a-f]{16}")
_SITE = re.compile(r"[a-z][a-z-]{0,30}")
_MICROSECONDS = re.compile(r"[0-9]{15,17}")

FARTHEST = 60 * 10**9
"""Nanoseconds that an edge's clock may be away from ours, the request's way included, before its word counts for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who called, as Trace Context names it."""

    trace: int
    span: int
    sampled: bool


def read_headers(headers: Iterable[tuple[bytes, bytes]], wall: int) -> tuple[Caller | None, Hop | None]:
    """The caller and the edge, None each when nothing can be believed. `headers` as ASGI has them, names in lower case.

    `wall`: nanoseconds since 1970. Never raises: whatever a client sends here must not cost it its payment.
    """
    found: dict[str, str] = {}
    for raw, value in headers:
        name = _WANTED.get(raw)
        if name is not None:
            # Said twice is said by two, and one of them is not who it should be (W3C Trace Context 3.2.1).
            found[name] = "" if name in found else value.decode("latin-1")
    if not found:
        return None, None
    return _caller(found), _hop(found, wall)


def outgoing_headers() -> Mapping[str, str]:
    """What a call made now says about who makes it; empty when this request is not followed."""
    under_way = here()
    if under_way is None:
        return {}
    return {TRACEPARENT: format_traceparent(under_way.trail.trace, under_way.id, sampled=under_way.trail.sampled)}


def format_traceparent(trace_id: int, span_id: int, *, sampled: bool) -> str:
    """Version 00 of the header."""
    return f"00-{trace_id:032x}-{span_id:016x}-{sampled:02x}"


def _caller(found: Mapping[str, str]) -> Caller | None:
    said = found.get(TRACEPARENT)
    if not said:
        return None
    context = trace.get_current_span(_W3C.extract({TRACEPARENT: said}, Context())).get_span_context()
    if not context.is_valid or _shows_a_number(context.trace_id, context.span_id):
        return None
    return Caller(trace=context.trace_id, span=context.span_id, sampled=context.trace_flags.sampled)


def _shows_a_number(trace_id: int, span_id: int) -> bool:
    # Ids are shown as they are. A client that puts a card number into one would see it kept by us: its trace begins anew instead.
    return hides_number(f"{trace_id:032x}") or hides_number(f"{span_id:016x}")


def _hop(found: Mapping[str, str], wall: int) -> Hop | None:
    span, site, received = (found.get(name, "") for name in (EDGE_SPAN, EDGE_SITE, EDGE_RECEIVED))
    if not (_SPAN.fullmatch(span) and _SITE.fullmatch(site) and _MICROSECONDS.fullmatch(received)):
        return None
    at = int(received) * 1000
    if abs(wall - at) > FARTHEST or not int(span, 16) or hides_number(span):
        return None
    # Another site's clock may be ahead: the edge had the request before we had it, whatever it says.
    return Hop(span=int(span, 16), site=site, received=min(at, wall))
