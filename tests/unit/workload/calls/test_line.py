"""A way to another service, for parts that are put together before it can be asked."""

from datetime import timedelta

import pytest

from workload.calls.answer import Question, Reason, Unavailable
from workload.calls.line import Line
from workload.calls.settings import CalleeSettings
from workload.telemetry.propagation import outgoing_headers
from workload.telemetry.steps import Kind, Trail, follow

pytestmark = pytest.mark.asyncio

NOBODY = CalleeSettings.model_validate({"instances": {"aws": {"host": "127.0.0.1", "port": 1}}, "attempts": 1})
QUESTION = Question(method="GET", path="/v1/x", within=timedelta(seconds=2), idempotent=True)


async def test_before_and_after_it_is_open_nobody_is_reached() -> None:
    """A value like any other failure: whoever asks while the process ends degrades as documented."""
    heard: list[str] = []
    line = Line("vault", NOBODY, None, own_site="aws", on_outcome=heard.append)
    outcomes = [await line.ask(QUESTION)]
    async with line.open():
        assert line.breakers == {"aws": False}
        outcomes.append(await line.ask(QUESTION))
    outcomes.append(await line.ask(QUESTION))
    assert [one.reason for one in outcomes if isinstance(one, Unavailable)] == [Reason.UNREACHABLE] * 3
    assert (heard, line.breakers) == (["unreachable"], {})


async def test_a_call_is_a_step_of_the_request_that_it_is_made_for() -> None:
    """With the service's name and what became of it; what is sent along says that the step asks, not the request."""
    trail = Trail(trace=1, caller=None, sampled=True, clock=lambda: 0, wall=0)
    sent: list[str] = []

    def outgoing() -> dict[str, str]:
        headers = dict(outgoing_headers())
        sent.append(headers["traceparent"])
        return headers

    line = Line("vault", NOBODY, None, own_site="aws", outgoing=outgoing)
    async with line.open():
        with follow(trail, "request"):
            await line.ask(QUESTION)
    call, request = trail.steps
    assert (call.name, call.kind, call.notes, call.outcome) == ("call", Kind.CLIENT, {"service": "vault"}, "unreachable")
    assert call.parent is request and sent == [f"00-{1:032x}-{call.id:016x}-01"]
