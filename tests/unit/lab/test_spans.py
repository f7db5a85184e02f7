"""One payment's way: whole, in order, and from what the client and the services say of it."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.collector_process import RATIO
from lab.spans import Span, read_spans, rows, span_of, trace_of, traceparent, tree, waterfall

MS = 10**6
KEY = "k-1"


def span(id: str, parent: str, begin: int, end: int, name: str = "step", **changes: object) -> Span:
    """A step of the payments service, in milliseconds."""
    usual: dict[str, object] = {
        "trace": trace_of(KEY), "id": id, "parent": parent, "name": name, "service": "payments", "site": "aws",
        "begin": begin * MS, "end": end * MS,
    }  # fmt: skip
    return Span(**{**usual, **changes})  # type: ignore[arg-type]


SPANS = (
    span("d", "c", 4, 9, "barrier", notes={"epoch": 1, "site": "azure"}),
    span("c", "b", 2, 10, "POST /v1/payments"),
    span("b", "a", 1, 10, "edge", service="edge"),
    span("e", "c", 3, 4, "database", outcome="Busy"),
    span("x", "", 0, 1, trace=trace_of("other")),
)
CLIENT = span("a", "", 0, 12, "payment", service="client", site="")


def test_a_trace_is_a_tree_in_the_order_of_time() -> None:
    """Whatever order the spans came in, and nobody else's among them."""
    lines = rows(tree([*SPANS, CLIENT], trace_of(KEY)))
    assert [(line.depth, line.name) for line in lines] == [
        (0, "payment"), (1, "edge"), (2, "POST /v1/payments"), (3, "database"), (3, "barrier"),
    ]  # fmt: skip
    assert [(line.begin_ms, line.took_ms) for line in lines] == [(0, 12), (1, 9), (2, 8), (3, 1), (4, 5)]
    assert (lines[3].outcome, lines[4].said, lines[0].where) == ("Busy", "epoch 1", "client")


def test_what_nobody_asked_for_stands_at_the_top() -> None:
    """Its asker's span was not kept, or never sent."""
    lines = rows(tree(SPANS[:2], trace_of(KEY)))
    assert [(line.depth, line.name) for line in lines] == [(0, "POST /v1/payments"), (1, "barrier")]


def test_a_step_that_two_told_of_is_one() -> None:
    """An edge that asked two sites: each of them tells its span."""
    twice = [*SPANS, span("b", "a", 1, 25, "edge", service="edge"), span("f", "b", 11, 25, "POST /v1/payments", site="gcp")]
    lines = rows(tree([*twice, CLIENT], trace_of(KEY)))
    assert [line.took_ms for line in lines if line.name == "edge"] == [24]
    assert [line.where for line in lines if line.depth == 2] == ["payments aws", "payments gcp"]


def test_spans_that_are_inside_each_other_end() -> None:
    """Ids are other people's: a circle has no top and is not shown."""
    assert tree([span("a", "b", 0, 1), span("b", "a", 0, 1), span("c", "c", 0, 1)], trace_of(KEY))[0].span.id == "c"


@given(st.text(max_size=40), st.integers(1, 9))
def test_a_payment_has_one_trace_and_a_span_for_each_attempt(key: str, attempt: int) -> None:
    """All attempts of a payment are shown, or none."""
    version, trace, id, flags = traceparent(key, attempt, 0.5).split("-")
    assert (version, trace, id) == ("00", trace_of(key), span_of(key, attempt))
    assert flags == traceparent(key, attempt + 1, 0.5)[-2:]
    assert id != span_of(key, attempt + 1)
    assert traceparent(key, attempt, 0.0).endswith("00") and traceparent(key, attempt, 1.0).endswith("01")


def test_lines_are_read_as_they_were_written() -> None:
    """The last one may be half a line; any other must be whole."""
    said = {
        "trace": "t", "span": "s", "parent": "", "name": "n", "service": "payments", "site": "aws", "begin": 1, "end": 2,
        "outcome": "", "notes": {"epoch": 1},
    }  # fmt: skip
    line = json.dumps(said) + "\n"
    [read] = read_spans([line, line[:20]])
    assert (read.id, read.begin, read.notes) == ("s", 1, {"epoch": 1})
    with pytest.raises(json.JSONDecodeError):
        read_spans([line[:20] + "\n"])


class Parsed(HTMLParser):
    """Elements that are open, and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_picture_shows_every_line_and_nothing_of_it_is_markup() -> None:
    """Names are other people's."""
    lines = rows(tree([*SPANS, CLIENT, span("h", "a", 1, 2, "<b>bold</b>")], trace_of(KEY)))
    parsed = Parsed()
    parsed.feed(waterfall(lines))
    assert parsed.open == []
    text = " ".join(parsed.texts)
    assert all(line.name in text for line in lines) and "5.0 ms" in text
    assert waterfall([]) == "" and rows([]) == []


def test_the_runs_that_are_looked_at_have_payments_to_show() -> None:
    """Which payments are followed is the same in every run of that name: some must be offered in the few seconds of calm."""
    for run, offered in (("demo", 500), ("seen", 250)):
        followed = [number for number in range(offered) if traceparent(f"{run}-{number}", 1, RATIO).endswith("01")]
        assert len(followed) >= 5, run
