"""How one process is put together."""

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
