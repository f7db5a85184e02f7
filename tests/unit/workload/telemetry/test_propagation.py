"""Ids on the wire: read as the standard says, written as it is read, and never believed further than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workload.telemetry.requests import WALL, Clock
from tests.unit.workload.telemetry.test_numbers import cards
from workload.telemetry.propagation import FARTHEST, Caller, format_traceparent, outgoing_headers, read_headers
from workload.telemetry.steps import Step, Trail, draw_id, follow, step

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
CALLER = Caller(trace=int(TRACE, 16), span=int(SPAN, 16), sampled=True)
RECEIVED = WALL - 3_000_000
EDGE = {"edge-span": "00f067aa0ba902b7", "edge-site": "aws", "edge-received": str(RECEIVED // 1000)}


def read(headers: dict[str, str]) -> tuple[Caller | None, tuple[int, str, int] | None]:
    """The caller, and the edge as values."""
    caller, edge = read_headers([(name.encode(), value.encode("latin-1")) for name, value in headers.items()], WALL)
    return caller, None if edge is None else (edge.span, edge.site, edge.received)


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        (GOOD, CALLER),
        (f"01-{TRACE}-{SPAN}-01-what-will-be", CALLER),  # a later version: what is known of it counts
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)  # fmt: skip
def test_a_caller_is_read_as_the_standard_says(header: str, caller: Caller | None) -> None:
    """W3C Trace Context, section 3.2."""
    assert read({"traceparent": header})[0] == caller


@given(st.integers(0, 2**128 - 1).filter(bool), st.booleans())
def test_what_is_written_is_read_again(seed: int, sampled: bool) -> None:
    """From one service to the next."""
    trace, span = draw_id(128), draw_id(64)
    assert read({"traceparent": format_traceparent(trace, span, sampled=sampled)})[0] == Caller(
        trace=trace, span=span, sampled=sampled
    )


@given(cards().filter(lambda digits: len(digits) <= 16))
def test_an_id_that_is_a_card_number_is_not_taken(digits: str) -> None:
    """Ids are shown as they are, and a client may choose them."""
    assert read({"traceparent": f"00-{digits:0>32}-{SPAN}-01"})[0] is None
    assert read({"traceparent": f"00-{TRACE}-{digits:0>16}-01"})[0] is None
    assert read({**EDGE, "edge-span": f"{digits:0>16}"})[1] is None


def test_two_callers_are_none() -> None:
    """One of them is not who it should be."""
    caller, _ = read_headers([(b"traceparent", GOOD.encode()), (b"traceparent", GOOD.encode())], WALL)
    assert caller is None


def test_an_edge_is_believed_within_reason() -> None:
    """All three headers in their own form, a time near ours, and never later than now."""
    assert read(EDGE)[1] == (0x00F067AA0BA902B7, "aws", RECEIVED)
    ahead = str((WALL + FARTHEST // 2) // 1000)
    assert read({**EDGE, "edge-received": ahead})[1] == (0x00F067AA0BA902B7, "aws", WALL)
    for change in (
        {"edge-received": str((WALL - 2 * FARTHEST) // 1000)},
        {"edge-received": "4111111111111111"},
        {"edge-received": "soon"},
        {"edge-site": "4111 1111"},
        {"edge-span": "0" * 16},
        {"edge-span": "b7ad"},
    ):
        assert read({**EDGE, **change})[1] is None, change


def test_other_headers_are_nobodys_business() -> None:
    """Nothing is read out of them."""
    assert read({"tracestate": "a=4111111111111111", "authorization": "Bearer x", "content-type": "text"}) == (None, None)


@given(st.dictionaries(st.sampled_from(["traceparent", *EDGE]), st.text(st.characters(max_codepoint=255), max_size=80)))
def test_nothing_that_is_sent_is_an_error(headers: dict[str, str]) -> None:
    """Whatever a client writes there must not cost it its payment."""
    read(headers)


def test_a_call_says_who_makes_it() -> None:
    """The innermost step under way; nothing when nobody follows."""
    assert outgoing_headers() == {}
    clock = Clock()
    trail = Trail(trace=CALLER.trace, caller=None, sampled=True, clock=clock.steady, wall=clock.wall())
    with follow(trail, "request"), step("call") as call:
        said = outgoing_headers()
    assert isinstance(call, Step)
    assert read(dict(said))[0] == Caller(trace=CALLER.trace, span=call.id, sampled=True)
