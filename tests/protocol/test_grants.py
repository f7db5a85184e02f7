"""What each login may call: the service pays and asks the barrier, streams copy rows, and whoever can log in for one can do no more."""

import psycopg
import pytest

from controller.core import naming
from tests.protocol.trio import AWS, Trio

MAY = """SELECT p.oid::regproc::text FROM pg_proc AS p
         WHERE p.pronamespace IN ('trimaran'::regnamespace, 'ledger'::regnamespace) AND has_function_privilege(%s, p.oid, 'EXECUTE')"""
PAYING = {f"trimaran.{name}" for name in ("identity", "admit", "guard", "barrier", "await_barrier")} | {
    "ledger.pay",
    "ledger.hold",
    "ledger.review",
    "ledger.await_held",
}


async def test_each_role_may_call_what_it_needs_and_nothing_else(trio: Trio) -> None:
    """Functions of the node, of the service, and of a later upgrade alike."""
    await trio.sql(AWS, "CREATE FUNCTION trimaran.later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    for role, may in ((naming.app_role(trio.service), PAYING), (naming.stream_role(trio.service), set())):
        assert {name for (name,) in await trio.sql(AWS, MAY, role)} == may
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await trio.sql(AWS, "SELECT trimaran.held_payments('', 10)", user=naming.stream_role(trio.service))
