"""Whose way is shown when a run is over, a usual payment's and the slowest one's of the failover, and which steps it lacks. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.fleet import VAULT
from lab.record import Acknowledged, Attempted, Failed, Line, Offered
from lab.spans import CLIENT, Node, Row, Span, rows, span_of, trace_of, tree

STEPS = ("edge", "POST /v1/payments", "call", "database", "statement", "barrier")
"""What every payment goes through once it left its client, as spans name it; the call is that to screening."""

BEFORE, DURING = "a usual payment, before the fault", "the slowest payment of the failover"
SOURCED = "a payment from a token that was new to payments"
"""Of such a one payments asks the vault whose the token is; one from a token that is known needs no question."""

_SECOND = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One acknowledged payment, from the first wish to the answer."""

    offered: Offered
    acknowledged: Acknowledged
    attempts: tuple[Span, ...] = field(repr=False)
    """The client's own, in order; the last one was answered."""

    @property
    def took(self) -> float:
        """Seconds that the payer waited, repetitions and pauses included."""
        return self.acknowledged.t - self.offered.t


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One payment's way, to be shown."""

    what: str
    """Why this one is shown."""
    key: str
    trace: str
    took: float
    """Seconds."""
    attempts: int
    site: str
    """Whose address the answer came from."""
    lines: tuple[Row, ...]
    missing: tuple[str, ...]
    """Steps that nobody told of in the attempt that was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the traces of one run tell."""

    told: int
    """Spans that the collector has."""
    followed: int
    """Acknowledged payments of which a service told anything."""
    slowest: float | None
    """Seconds that the slowest payment of the failover took, told of or not."""
    shown: tuple[Way, ...]
    lacking: tuple[str, ...]
    """What could not be shown, in words; empty when both ways are whole."""


def ways(lines: Sequence[Line], told: Sequence[Span], *, fault_at: float, until: float, wall_offset: float) -> Ways:
    """The ways of one run. `fault_at`, `until`: when it broke and when it was healed, on the record's clock; `wall_offset`: seconds to
    add to that clock for seconds since 1970.

    Of the payments that nothing is missing of: the one in the middle of those acknowledged before the fault, and the slowest of those
    acknowledged after it; and of those from a token, at any time, one for which payments asked the vault. What is told of a slow payment
    alone, without its being sampled, has the steps of its own service only.
    """
    of_traces = _by_trace(told)
    paid = list(settled(lines, wall_offset))
    after = [one for one in paid if fault_at <= one.acknowledged.t <= until]
    known = [one for one in paid if trace_of(one.offered.key) in of_traces]
    before = sorted((one for one in known if one.acknowledged.t < fault_at and len(one.attempts) == 1), key=_took)
    during = sorted((one for one in known if fault_at <= one.acknowledged.t <= until), key=_took)
    first = sorted((one for one in known if one.offered.source is not None), key=_took)
    chosen = {
        BEFORE: _middle([one for one in before if one.offered.source is None], of_traces, STEPS),
        SOURCED: _middle(first, of_traces, (*STEPS, VAULT)),
        DURING: _last(during, of_traces),
    }
    shown = [_way(what, one, of_traces) for what, one in chosen.items() if one]
    sourced = any(one.offered.source is not None for one in paid)
    wanted = [what for what in chosen if what != SOURCED or sourced]
    return Ways(
        told=len(told),
        followed=len(known),
        slowest=max((one.took for one in after), default=None),
        shown=tuple(shown),
        lacking=tuple(_lacking(shown, wanted)),
    )


def settled(lines: Iterable[Line], wall_offset: float) -> Iterator[Paid]:
    """Every acknowledged payment of the record, in the order of its acknowledgements."""
    offered: dict[str, Offered] = {}
    asked: dict[tuple[str, int], Attempted] = {}
    attempts: defaultdict[str, list[Span]] = defaultdict(list)
    for line in lines:
        match line:
            case Offered():
                offered[line.key] = line
            case Attempted():
                asked[line.key, line.attempt] = line
            case Failed():
                begun = asked.pop((line.key, line.attempt), None)
                began = line.t if begun is None else begun.t
                attempts[line.key].append(_attempt(line, began + wall_offset, line.t + wall_offset, line.why))
            case Acknowledged() if line.key in offered:
                end = line.t + wall_offset
                told = (*attempts.pop(line.key, ()), _attempt(line, end - line.latency, end, ""))
                yield Paid(offered=offered[line.key], acknowledged=line, attempts=told)
            case _:
                pass


def missing(one: Paid, spans: Sequence[Span], steps: Sequence[str] = STEPS) -> tuple[str, ...]:
    """Steps of the answered attempt that nobody told of, by their names or those of their services; `spans`: those of the payment's
    trace."""
    known = [*one.attempts, *spans]
    answered = span_of(one.offered.key, one.acknowledged.attempt)
    names = {name for node in tree(known, trace_of(one.offered.key)) for name in _below(node, answered, inside=False)}
    return tuple(step for step in steps if step not in names)


def _below(node: Node, id: str, *, inside: bool) -> Iterator[str]:
    inside = inside or node.span.id == id
    if inside:
        yield node.span.name
        yield node.span.service
    for child in node.children:
        yield from _below(child, id, inside=inside)


def _attempt(line: Acknowledged | Failed, began: float, end: float, outcome: str) -> Span:
    """The client's own part of one attempt; seconds since 1970."""
    return Span(
        trace=trace_of(line.key),
        id=span_of(line.key, line.attempt),
        parent=span_of(line.key, 0),
        name=f"attempt {line.attempt}",
        service=CLIENT,
        site="",
        begin=round(began * _SECOND),
        end=round(end * _SECOND),
        outcome=outcome,
        notes={"to": line.site} if line.site else {},
    )


def _payment(one: Paid) -> Span:
    """The payer's whole wait, around its attempts."""
    last = one.attempts[-1]
    return Span(
        trace=last.trace,
        id=last.parent,
        parent="",
        name="payment",
        service=CLIENT,
        site="",
        begin=last.end - round(one.took * _SECOND),
        end=last.end,
        notes={"attempts": len(one.attempts)},
    )


def _by_trace(told: Iterable[Span]) -> Mapping[str, list[Span]]:
    """Of traces that a service told of."""
    found: dict[str, list[Span]] = {}
    for span in told:
        found.setdefault(span.trace, []).append(span)
    return found


def _took(one: Paid) -> float:
    return one.took


def _whole(paid: Sequence[Paid], of_traces: Mapping[str, Sequence[Span]], steps: Sequence[str]) -> Sequence[Paid]:
    """Those that nothing is missing of, or all when there is none."""
    return [one for one in paid if not missing(one, of_traces[trace_of(one.offered.key)], steps)] or paid


def _middle(paid: Sequence[Paid], of_traces: Mapping[str, Sequence[Span]], steps: Sequence[str]) -> Paid | None:
    whole = _whole(paid, of_traces, steps)
    return whole[len(whole) // 2] if whole else None


def _last(paid: Sequence[Paid], of_traces: Mapping[str, Sequence[Span]]) -> Paid | None:
    whole = _whole(paid, of_traces, STEPS)
    return whole[-1] if whole else None


def _way(what: str, one: Paid, of_traces: Mapping[str, Sequence[Span]]) -> Way:
    trace = trace_of(one.offered.key)
    spans = [_payment(one), *one.attempts, *of_traces[trace]]
    return Way(
        what=what,
        key=one.offered.key,
        trace=trace,
        took=one.took,
        attempts=len(one.attempts),
        site=one.acknowledged.site,
        lines=tuple(rows(tree(spans, trace))),
        missing=missing(one, of_traces[trace], (*STEPS, VAULT) if what == SOURCED else STEPS),
    )


def _lacking(shown: Sequence[Way], wanted: Iterable[str]) -> Iterator[str]:
    """What a person has to know before believing that a picture is the whole way."""
    for what in wanted:
        way = next((one for one in shown if one.what == what), None)
        if way is None:
            yield f"{what}: no service told of one"
        elif way.missing:
            yield f"{what}: nobody told of {', '.join(way.missing)}"
