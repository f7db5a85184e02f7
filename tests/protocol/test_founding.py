"""Founding on real servers: again, after kills, twice at once, and where somebody else was first."""

import asyncio
from dataclasses import replace
from itertools import count, cycle

import psycopg
import pytest

from controller.core import naming
from controller.errors import Refused, Transient, TrimaranError
from controller.founding.found import Outcome, found, look
from controller.founding.step import Stage, Step
from lab.postgres import PostgresServer
from tests.protocol.bank import PASSWORD, Bank
from tests.protocol.trio import AWS, GCP, SITES


async def test_three_empty_databases_become_a_service(bank: Bank) -> None:
    """And the same again changes nothing at all."""
    first = await bank.found()
    await bank.streams()
    assert first.carried_out > 40 and first.found_done == 0
    before = {site: bank.ask(site, "SELECT trimaran.fingerprint()") for site in SITES}
    assert await bank.found() == Outcome(carried_out=0, found_done=0)
    await bank.streams()
    assert before == {site: bank.ask(site, "SELECT trimaran.fingerprint()") for site in SITES}
    assert len({str(found) for found in before.values()}) == 1, "one fingerprint everywhere"


async def test_roles_are_let_in_by_their_passwords_and_have_what_they_need(bank: Bank) -> None:
    """The password that was given, though it was never sent; everybody else is kept out."""
    await bank.found()
    for role in bank.wanted.processes:
        assert bank.ask(GCP, "SHOW default_transaction_read_only", user=role) == [("on",)]
    with psycopg.connect(bank.servers[GCP].dsn(), autocommit=True) as admin:
        ((public,),) = admin.execute("SELECT has_database_privilege('public', %s, 'CONNECT')", (bank.service,)).fetchall()
        kept = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()
    assert not public and len(kept) == 4 and all(password.startswith("SCRAM-SHA-256$4096:") for (password,) in kept)


async def test_looking_changes_nothing(bank: Bank) -> None:
    """And tells the same number of steps that are carried out then."""
    passwords = dict.fromkeys(bank.wanted.roles, PASSWORD)
    left = await look(bank.wanted, bank.doors, passwords)
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        assert not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()
    assert (await bank.found()).carried_out == len(left)
    assert await look(bank.wanted, bank.doors, passwords) == ()


class Interrupted(Exception):
    """A founding is over."""


async def test_it_goes_on_wherever_it_ended(bank: Bank) -> None:
    """Ended after the first step, after the next ones, and so on until nothing is left to interrupt."""
    tries = 0
    for last in count(1, 5):
        told: list[Step] = []

        def tell(_stage: Stage, step: Step, _was: bool, told: list[Step] = told, last: int = last) -> None:
            told.append(step)
            if len(told) == last:
                raise Interrupted

        try:
            await found(bank.wanted, bank.doors, dict.fromkeys(bank.wanted.roles, PASSWORD), tell)
            break
        except Interrupted:
            tries += 1
    assert tries > 5
    await bank.streams()


async def test_it_survives_kills_at_any_moment(bank: Bank) -> None:
    """Servers end its sessions, in the middle of statements too, a little later in each try: answers are lost, and what was sent may
    have been done."""
    query = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'trimaran' AND pid <> pg_backend_pid()"""

    async def kill_once(server: PostgresServer, after: float) -> None:
        await asyncio.sleep(after)
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as admin:
            while not (await (await admin.execute(query)).fetchall())[0][0]:
                await asyncio.sleep(0.005)  # it is between two sessions there

    failures, after = 0, 0.01
    for server in cycle(bank.servers.values()):
        killing = asyncio.create_task(kill_once(server, after))
        try:
            await bank.found()
            break
        except (TrimaranError, psycopg.Error):
            failures += 1
            after *= 1.3  # so that it comes to an end
        finally:
            killing.cancel()
            await asyncio.wait([killing])
    assert failures > 3
    assert (await bank.found()) == Outcome(carried_out=0, found_done=0)
    await bank.streams()


async def test_who_has_lost_its_lock_goes_no_further(bank: Bank) -> None:
    """A firewall forgets the session that keeps others out, and somebody else begins: what is sent from then on would be sent by two."""
    stages: list[str] = []

    def tell(stage: Stage, _step: Step, _was: bool) -> None:
        if stage.name == "slots" and "slots" not in stages:
            with psycopg.connect(bank.servers[GCP].dsn(), autocommit=True) as admin:
                admin.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'trimaran' AND datname = 'postgres' AND pid <> pg_backend_pid()"""
                )
        stages.append(stage.name)

    with pytest.raises(Transient):
        await found(bank.wanted, bank.doors, dict.fromkeys(bank.wanted.roles, PASSWORD), tell)
    assert "slots" in stages and "streams" not in stages
    await bank.found()
    await bank.streams()


async def test_two_at_once_do_not_meet(bank: Bank) -> None:
    """One of them founds, the other is told; nothing is made twice."""
    ended = await asyncio.gather(bank.found(), bank.found(), return_exceptions=True)
    refused = [one for one in ended if isinstance(one, Refused)]
    assert all("by somebody else" in one.value for one in refused)
    if len(refused) == 2:
        await bank.found()
    await bank.streams()


async def test_what_is_not_ours_is_left_alone(bank: Bank) -> None:
    """A table of somebody else's in the database, a role, the database itself: refused, and nothing was changed anywhere."""
    with psycopg.connect(bank.servers[GCP].dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {bank.service}")
        admin.execute(f"CREATE ROLE {bank.service}_app")
    with pytest.raises(Refused) as refused:
        await bank.found()
    assert f"gcp: role {bank.service}_app is there and not ours" in refused.value.value
    assert f"gcp: database {bank.service} is postgres's" in refused.value.value
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        assert not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()


async def test_a_database_with_tables_of_others_is_refused(bank: Bank) -> None:
    """Although it is called as ours and is owned as ours."""
    control = naming.control_role(bank.service)
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {control}; COMMENT ON ROLE {control} IS 'trimaran: {bank.service}'")
        admin.execute(f"CREATE DATABASE {bank.service} OWNER {control}")
    with psycopg.connect(bank.servers[AWS].dsn(bank.service), autocommit=True) as within:
        within.execute("CREATE TABLE public.theirs (a integer)")
    with pytest.raises(Refused, match=r"is not empty: public\.theirs"):
        await bank.found()


async def test_a_server_that_is_dialled_twice_is_refused(bank: Bank) -> None:
    """By a slip, gcp's address is aws's."""
    bank.doors = {**bank.doors, GCP: replace(bank.doors[GCP], administrator=bank.doors[AWS].administrator)}
    with pytest.raises(Refused, match="gcp: it is the same server as aws's"):
        await bank.found()
