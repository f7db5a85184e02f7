"""Founding on real servers without a superuser, by administrators as vendors give them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from controller.core import naming
from controller.errors import Denied, Refused
from controller.founding.found import Outcome
from controller.founding.ground import LENT, ORIGINS, RDS_REPLICATION
from tests.protocol.bank import ADMINISTRATOR, PASSWORD, Bank, remove
from tests.protocol.trio import AWS


@contextmanager
def administered(bank: Bank, group: str, *, attribute: bool, lends: bool = False) -> Iterator[None]:
    """Every server has an administrator as that vendor gives one, and the bank is founded by it.

    What the group has is what the vendor documents (`docs/deploy.md`); `lends`: PostgreSQL's own roles one by one, too.
    """
    made = [group] if attribute else [group, RDS_REPLICATION]
    holding = ("postgres", "template1")
    rights = f"LOGIN CREATEROLE CREATEDB {'REPLICATION' if attribute else ''} PASSWORD '{PASSWORD}'"
    for server in bank.servers.values():
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            for role in made:
                admin.execute(f"CREATE ROLE {role}")
            admin.execute(f"GRANT {', '.join(LENT)} TO {group}")
            admin.execute(f"CREATE ROLE {ADMINISTRATOR} {rights}")
            admin.execute(f"GRANT {', '.join((*made, *(LENT if lends else ())))} TO {ADMINISTRATOR} WITH ADMIN OPTION")
        for database in holding:
            with psycopg.connect(server.dsn(database), autocommit=True) as within:
                within.execute(f"GRANT EXECUTE ON FUNCTION {ORIGINS} TO {group}")
    bank.doors = {
        site: replace(door, administrator=replace(door.administrator, user=ADMINISTRATOR, password=PASSWORD))
        for site, door in bank.doors.items()
    }
    try:
        yield
    finally:
        remove(bank.servers, bank.service, ())
        for server in bank.servers.values():
            for database in holding:
                with psycopg.connect(server.dsn(database), autocommit=True) as within:
                    within.execute(f"REVOKE EXECUTE ON FUNCTION {ORIGINS} FROM {group}")
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                # Who granted something cannot go before what it has granted.
                for role in (*bank.wanted.roles, ADMINISTRATOR, *made):
                    if admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("lends", [False, True], ids=["by the group", "one by one"])
@pytest.mark.parametrize("group", ["azure_pg_admin", "cloudsqlsuperuser"])
async def test_an_administrator_of_azure_or_google_founds(bank: Bank, group: str, lends: bool) -> None:
    """Without a superuser anywhere; what controllers need to elect and to cut, they may then."""
    with administered(bank, group, attribute=True, lends=lends):
        await bank.found()
        assert await bank.found() == Outcome(carried_out=0, found_done=0)
        await bank.streams()
        ((progress,),) = bank.ask(AWS, "SELECT bool_and(lsn IS NOT NULL) FROM trimaran.positions()")
        assert progress
        ((superusers,),) = bank.ask(
            AWS, "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname = ANY (%s)", list(bank.wanted.roles)
        )
        assert superusers == 0
        bank.ask(AWS, f"ALTER SUBSCRIPTION {bank.service}_e1_azure_aws DISABLE")
        assert bank.ask(AWS, "SELECT trimaran.await_stopped('5 s')") == [(True,)]


async def test_an_administrator_of_amazons_founds(bank: Bank) -> None:
    """There, who is a member of `rds_replication` may replicate; a server that is not Amazon's does not know that. So the first try ends at
    the first slot, and after what Amazon's server would have done by itself the second goes on."""
    with administered(bank, "rds_superuser", attribute=False):
        with pytest.raises(Denied, match="replication"):
            await bank.found()
        for server in bank.servers.values():
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                members = "SELECT pg_has_role(%s, %s, 'MEMBER')"
                for role in (naming.control_role(bank.service), naming.stream_role(bank.service)):
                    assert admin.execute(members, (role, RDS_REPLICATION)).fetchone() == (True,)
                    admin.execute(f"ALTER ROLE {role} REPLICATION")
        await bank.found()
        await bank.streams()


async def test_an_administrator_that_may_give_nothing_is_refused(bank: Bank) -> None:
    """A login of an ordinary person, who would end half-way."""
    for server in bank.servers.values():
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {ADMINISTRATOR} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
    bank.doors = {
        site: replace(door, administrator=replace(door.administrator, user=ADMINISTRATOR, password=PASSWORD))
        for site, door in bank.doors.items()
    }
    try:
        with pytest.raises(Refused) as refused:
            await bank.found()
        assert "owner can let nobody replicate" in refused.value.value and "pg_create_subscription" in refused.value.value
    finally:
        for server in bank.servers.values():
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                admin.execute(f"DROP ROLE {ADMINISTRATOR}")
