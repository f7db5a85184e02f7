"""How one process is put together."""

import time

import pytest
from starlette.types import Receive, Scope, Send

from tests.unit.workload.asgi import ask
from tests.unit.workload.payments.test_forgetting import SUBJECT, Steps, step
from workload.durable.errors import OutcomeUnknown
from workload.limits.rank import Rank
from workload.limits.request import Asked
from workload.payments.settings import Settings
from workload.payments.wiring import Assembly

LOCAL = "127.0.0.1"
TOLD = {
    "site": "aws",
    "service": "payments",
    "open_to_everybody": True,
    "listen": {"host": LOCAL, "port": 1},
    "databases": {site: {"host": LOCAL, "port": 1} for site in ("aws", "azure")},
    "screening": {"callee": {"instances": {"aws": {"host": LOCAL, "port": 1}}}},
}


def test_whatever_no_payment_rests_on_takes_no_session_of_payments() -> None:
    """At the writer's site each payment would take two of them, its own and its profile's; with the database slow each read keeps one
    after its caller has left, and payments are refused for want of a session."""
    assembly = Assembly(Settings.model_validate(TOLD), "secret")
    screening, knowledge = assembly.payments._screening, assembly.gate.limits._knowledge
    pools = (screening._profiles._sessions, knowledge._sessions)  # type: ignore[union-attr]
    assert len({id(pool) for pool in pools}) == 2
    assert not {id(pool) for pool in pools} & {id(pool) for pool in assembly.database.sessions.values()}


def test_nothing_is_read_here_before_payments_are_made() -> None:
    """Whose a token is, is the vault's to say. Here anybody's question for such a path, also one without a right to anything, would go
    before first payments."""
    asked = Asked(method="GET", path="/v1/tokens/4f/subject")
    assert Assembly(Settings.model_validate(TOLD), "secret").gate.limits.admit(asked) is Rank.LIST


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "shrinks"), [(OutcomeUnknown("late"), True), (step("begun", 200), False)], ids=["a failure", "under way"]
)
async def test_a_night_of_erasures_leaves_the_morning_its_places(answer: object, shrinks: bool) -> None:
    """Each is told as under way when its request's time is over, late by design: nothing in that says that too many are inside."""
    assembly = Assembly(Settings.model_validate(TOLD), "secret")
    gate, now = assembly.gate, time.monotonic()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal now
        now += 0.9
        await Steps(*(answer for _ in range(99)), seconds=0.3).app(scope, receive, send)

    gate._app, gate.limits._monotonic = application, lambda: now
    before = gate.limits.places
    for _ in range(60):
        told = await ask(gate, "DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "request of the subject"})
        assert told.status == 503
    assert (gate.limits.places < before) is shrinks
