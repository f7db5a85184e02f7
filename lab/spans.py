"""The way of one payment as a tree: from the client's record and the spans that services sent. Pure.

The client names the trace after its idempotency key, so its own part needs no collector: the record, which is kept anyway, says when it
asked and when it was answered.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from lab.report_svg import RIGHT, WIDTH

CLIENT = "client"

NAMES, ROW = 330, 24
"""Width of the names' column and height of a line."""

_SHARES = 1 << 64
_UNSAID = frozenset({"site", "http.request.method", "http.route"})
"""Notes that a line's name and place say already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One step of somebody's, as it was told. Times are nanoseconds since 1970 by the clock of whoever told it."""

    trace: str
    id: str
    parent: str
    """Empty: nobody asked for it."""
    name: str
    service: str
    site: str
    begin: int
    end: int
    outcome: str = ""
    """Empty when it went well."""
    notes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step with the steps inside it, in order of their beginning."""

    span: Span
    children: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of what is shown. Milliseconds, from the beginning of the first line."""

    depth: int
    name: str
    where: str
    begin_ms: float
    took_ms: float
    outcome: str
    said: str


def trace_of(key: str) -> str:
    """The id of a payment's trace, the same for all its attempts."""
    return hashlib.sha256(b"trace " + key.encode()).hexdigest()[:32]


def span_of(key: str, attempt: int) -> str:
    """The id of the client's own span of one attempt."""
    return hashlib.sha256(f"attempt {attempt} {key}".encode()).hexdigest()[:16]


def traceparent(key: str, attempt: int, share: float) -> str:
    """What a client sends along (W3C Trace Context); that share of payments is asked to be shown, every attempt of each. It is the share
    that services choose by themselves, by the same half of the trace's id."""
    trace = trace_of(key)
    return f"00-{trace}-{span_of(key, attempt)}-{int(int(trace[16:], 16) < share * _SHARES):02x}"


def read_spans(lines: Iterable[str]) -> list[Span]:
    """What a collector wrote. A last line that it did not finish is left out; raises ValueError for any other that cannot be read."""
    return [_read(line) for line in lines if line.endswith("\n")]


def _read(line: str) -> Span:
    said = json.loads(line)
    texts = {name: str(said[name]) for name in ("trace", "parent", "name", "service", "site", "outcome")}
    return Span(id=str(said["span"]), begin=int(said["begin"]), end=int(said["end"]), notes=said["notes"], **texts)


def tree(spans: Iterable[Span], trace: str) -> tuple[Node, ...]:
    """The trace's steps, each inside the one that asked for it; one whose asker said nothing stands at the top.

    A span that was told twice, as an edge's is when it asked two sites, is one that lasted as long as both said.
    """
    found: dict[str, Span] = {}
    for span in spans:
        if span.trace == trace:
            known = found.get(span.id)
            found[span.id] = span if known is None else _merged(known, span)
    inside: dict[str, list[Span]] = {}
    for span in found.values():
        inside.setdefault(span.parent if span.parent in found and span.parent != span.id else "", []).append(span)

    def node(span: Span) -> Node:
        return Node(span=span, children=nodes(span.id))

    def nodes(parent: str) -> tuple[Node, ...]:
        return tuple(node(span) for span in sorted(inside.get(parent, ()), key=lambda span: (span.begin, -span.end)))

    return nodes("")


def _merged(one: Span, other: Span) -> Span:
    longest = max(one, other, key=lambda span: span.end)
    return replace(longest, begin=min(one.begin, other.begin), notes={**one.notes, **other.notes})


def rows(top: Sequence[Node]) -> list[Row]:
    """The tree as lines, from the top."""
    if not top:
        return []
    zero = min(node.span.begin for node in top)
    found: list[Row] = []

    def walk(node: Node, depth: int) -> None:
        span = node.span
        said = ", ".join(f"{name} {value}" for name, value in sorted(span.notes.items()) if name not in _UNSAID)
        found.append(
            Row(
                depth=depth,
                name=span.name,
                where=f"{span.service} {span.site}".strip(),
                begin_ms=(span.begin - zero) / 1e6,
                took_ms=(span.end - span.begin) / 1e6,
                outcome=span.outcome,
                said=said,
            )
        )
        for child in node.children:
            walk(child, depth + 1)

    for node in top:
        walk(node, 0)
    return found


def waterfall(lines: Sequence[Row]) -> str:
    """The lines as a picture: what was inside what, when it began and how long it took."""
    if not lines:
        return ""
    end = max(*(line.begin_ms + line.took_ms for line in lines), 0.001)
    scale = (WIDTH - RIGHT - NAMES - 90) / end
    height, parts = ROW * len(lines) + 8, []
    for number, line in enumerate(lines):
        y, x = ROW * number + 4, NAMES + max(line.begin_ms, 0) * scale
        wide = max(line.took_ms * scale, 1.5)
        name = escape(f"{line.name}  ·  {line.where}" if line.where else line.name)
        note = f"{line.took_ms:.1f} ms{' ' + line.outcome if line.outcome else ''}"
        parts.append(f'<text class="name" x="{4 + 14 * line.depth}" y="{y + 14}">{name}<title>{escape(line.said)}</title></text>')
        shade = "failed" if line.outcome else "phase"
        parts.append(f'<rect class="{shade}" x="{x:.2f}" y="{y + 3}" width="{wide:.2f}" height="{ROW - 9}" rx="2"/>')
        parts.append(f'<text class="value" x="{x + wide + 5:.2f}" y="{y + 14}">{escape(note)}</text>')
    title = "The way of one payment"
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}"><title>{title}</title>{"".join(parts)}</svg>'
