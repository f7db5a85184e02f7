"""Warm sessions of a controller to one database."""

import asyncio
import gc
import os
import signal
import time
from datetime import timedelta

import psycopg
import pytest

from controller.postgres.session import Session, Sessions
from tests.protocol.descriptors import none_left
from tests.protocol.trio import AWS, Trio

SOON = timedelta(seconds=5)
WHO = ("SELECT pg_backend_pid()", ())


async def _backends(sessions: Sessions, count: int) -> list[int]:
    pids = []
    for _ in range(count):
        async with sessions.lease() as session:
            pids.append((await session.run(WHO, deadline=SOON))[0][0][0])
        await asyncio.sleep(0.05)
    return pids


async def test_three_are_warm_and_used_in_turn(trio: Trio) -> None:
    """One use makes the others behind the scenes; none is left alone until it is stale."""
    sessions = Sessions(trio.nodes[AWS].sessions.address, site=AWS)
    await _backends(sessions, 6)
    pids = await _backends(sessions, 6)
    assert len(set(pids[:3])) == 3
    assert pids[:3] == pids[3:]
    async with sessions.lease(), sessions.lease(), sessions.lease():
        pass
    await sessions.close()


async def test_a_server_that_ended_one_ended_all(trio: Trio) -> None:
    """After a restart one use fails and the next is served: stale sessions tried one by one would be misses in a row."""
    sessions = Sessions(trio.nodes[AWS].sessions.address, site=AWS)
    pids = set(await _backends(sessions, 6))
    await trio.sql(AWS, "SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", list(pids))
    with pytest.raises(psycopg.Error):
        await _backends(sessions, 1)
    assert not pids & set(await _backends(sessions, 3))
    await sessions.close()


async def test_a_deadline_of_ours_ends_one_alone(trio: Trio) -> None:
    """A slow answer says nothing about the other sessions: in noise they are what keeps the next question quick."""
    sessions = Sessions(trio.nodes[AWS].sessions.address, site=AWS)
    pids = set(await _backends(sessions, 6))
    slow: list[Session] = []
    with pytest.raises(psycopg.Error):
        async with sessions.lease() as session:
            slow.append(session)
            await session.run(("SELECT pg_sleep(5)", ()), deadline=timedelta(seconds=0.2))
    left = await _backends(sessions, 2)
    assert set(left) < pids
    await sessions.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # psycopg's pipeline, whose end meets a socket that is shut
async def test_a_deadline_fires_where_no_descriptor_is_left(trio: Trio) -> None:
    """In a flood of connections the database goes dark: a cut that asked for a descriptor first would wait as long as the flood lasts."""
    session = await Session.connect(trio.nodes[AWS].sessions.address, SOON, dialled=AWS)
    ((pid,),) = (await session.run(WHO, deadline=SOON))[0]
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with none_left(), pytest.raises(psycopg.Error):
            async with asyncio.timeout(5):
                await session.run(WHO, deadline=timedelta(seconds=0.2))
        assert time.monotonic() - began < 2
    finally:
        os.kill(pid, signal.SIGCONT)
        await session.close()
        del session
        gc.collect()
