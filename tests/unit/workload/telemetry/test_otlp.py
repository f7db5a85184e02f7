"""Steps as spans: who is in whom, when, where, how it ended, and nothing that nobody may see."""

from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.unit.workload.telemetry.requests import WALL, Clock
from workload.telemetry.otlp import spans_of
from workload.telemetry.redaction import REDACTED
from workload.telemetry.steps import MOST_STEPS, Hop, Kind, Step, Trail, follow, step

PAYMENTS = Resource({"service.name": "payments", "site": "aws"})
CARD = "4111111111111111"


def told(trail: Trail) -> Mapping[str, ReadableSpan]:
    """The spans by their names."""
    return {span.name: span for span in spans_of(trail, PAYMENTS)}


def trail(clock: Clock, **changes: object) -> Trail:
    """A request that somebody sent."""
    usual = {"trace": 0xA, "caller": 0xB, "sampled": True, "clock": clock.steady, "wall": clock.wall()}
    return Trail(**{**usual, **changes})  # type: ignore[arg-type]


def test_a_request_is_a_tree_below_the_edge_and_the_caller() -> None:
    """Client, edge, request, step; times are those of the wall."""
    clock = Clock()
    hop = Hop(span=0xE, site="gcp", received=WALL + clock.now - 4_000_000)
    seen = trail(clock, edge=hop)
    with follow(seen, "POST /v1/payments") as request:
        clock.passes(1)
        with step("database", Kind.CLIENT, site="azure") as database:
            clock.passes(2)
    assert isinstance(database, Step)
    spans = told(seen)
    parents = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    assert parents == {"edge": 0xB, "POST /v1/payments": 0xE, "database": request.id}
    assert {span.get_span_context().trace_id for span in spans.values()} == {0xA}  # type: ignore[union-attr]
    assert spans["database"].get_span_context().span_id == database.id  # type: ignore[union-attr]
    assert (spans["database"].start_time, spans["database"].end_time) == (WALL + 5_001_000_000, WALL + 5_003_000_000)
    assert (spans["edge"].start_time, spans["edge"].end_time) == (hop.received, WALL + 5_003_000_000)
    kinds = {name: span.kind for name, span in spans.items()}
    assert kinds == {"edge": SpanKind.SERVER, "POST /v1/payments": SpanKind.SERVER, "database": SpanKind.CLIENT}
    assert spans["edge"].resource.attributes["service.name"] == "edge"
    assert spans["database"].resource is PAYMENTS and spans["database"].attributes == {"site": "azure"}


def test_without_edge_and_caller_a_request_is_the_top() -> None:
    """Nobody asked for it."""
    seen = trail(Clock(), caller=None)
    with follow(seen, "request"):
        pass
    [span] = spans_of(seen, PAYMENTS)
    assert span.parent is None and span.kind is SpanKind.SERVER


def test_outcomes_are_errors() -> None:
    """By the name of what went wrong."""
    seen = trail(Clock())
    with follow(seen, "request") as request, step("barrier") as barrier:
        barrier.fail("OutcomeUnknown")
    assert request.outcome == ""
    spans = told(seen)
    assert (spans["barrier"].status.status_code, spans["barrier"].status.description) == (StatusCode.ERROR, "OutcomeUnknown")
    assert spans["request"].status.status_code is StatusCode.UNSET


def test_no_span_holds_a_number() -> None:
    """The second wall stands here too: in names, notes, names of notes and outcomes."""
    seen = trail(Clock())
    with follow(seen, "request"), step(f"open {CARD}", number=int(CARD)) as opened:
        opened.note(**{CARD: f"card {CARD}"})
        opened.fail(f"{CARD} is unknown")
    told_all = " ".join(span.to_json() for span in spans_of(seen, PAYMENTS))
    assert CARD not in told_all and told_all.count(REDACTED) == 5


def test_steps_that_were_too_many_are_told_as_a_number() -> None:
    """So that nobody takes the tree for whole."""
    seen = trail(Clock())
    with follow(seen, "request"):
        for _ in range(MOST_STEPS + 3):
            with step("again"):
                pass
    assert told(seen)["request"].attributes == {"dropped_steps": 3}
