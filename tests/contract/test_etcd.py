"""What only a real etcd, and only a broken path to it, can show."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest

from controller.coordination.chain import verify
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.coordination.transaction import Answer, LeaseLapsed, Put, Range, Txn
from controller.core.model import Epoch, Posture, Site
from controller.errors import Transient
from controller.ports import Clock, Control, Draft

if TYPE_CHECKING:
    from tests.contract.conftest import Door, Members

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

READ = Txn(reads=(Range(key="/nothing"),))
AWS, AZURE = Site("aws"), Site("azure")


def posture(service: str) -> Posture:
    """Any posture."""
    return Posture(service=service, epoch=Epoch(1), writer=AWS, reign=Epoch(1), must_cut=frozenset({AZURE}), weights={AWS: 1.0})


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(handle: Handler) -> AsyncIterator[str]:
    """Something at a port that is not etcd."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and keep silent until the other side gives up."""
    await reader.read()
    writer.close()


async def say_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request as some other web server would."""
    await reader.read(1 << 16)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def client(*urls: str, deadline: float = 1.0) -> AsyncIterator[Etcd]:
    """A client that is closed afterwards."""
    etcd = Etcd(urls, deadline=timedelta(seconds=deadline))
    try:
        yield etcd
    finally:
        await etcd.close()


async def took(work: Awaitable[Answer]) -> float:
    """Seconds until it was done."""
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def test_a_silent_member_delays_one_read_and_no_other(etcd_member: "Members") -> None:
    """The own site's member hangs: one call's deadline is lost, then the client stays with the member that answers."""
    async with listener(say_nothing) as silent, client(silent, *etcd_member.urls) as etcd:
        assert await took(etcd.transact(READ)) < 0.5
        assert await took(etcd.transact(READ)) < 0.15


async def test_silence_everywhere_ends_at_the_deadline(etcd_member: "Members") -> None:
    """Nobody answers: the operation ends when it said it would, with an error that names who was asked."""
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(listener(say_nothing)) for _ in range(2)]
        etcd = await stack.enter_async_context(client(*silent, deadline=0.7))
        began = time.perf_counter()
        with pytest.raises(Transient) as failure:
            await etcd.transact(READ)
        assert time.perf_counter() - began < 0.9
        assert all(url in str(failure.value) for url in silent)


async def test_a_refusing_member_and_a_stranger_are_stepped_past(etcd_member: "Members") -> None:
    """A closed port and some other web server cost nothing but a moment."""
    async with listener(say_hello) as stranger, client("http://127.0.0.1:9", stranger, *etcd_member.urls) as etcd:
        assert (await etcd.transact(READ)).found == ((),)


async def test_one_lost_answer_is_settled_inside_the_commit(etcd_member: "Members", door: "Door", steady_clock: Clock) -> None:
    """The transaction is sent again, recognized as done, and the journal holds the entry once."""
    async with client(door.url) as etcd:
        store = Store(etcd, controller="lost-one", clock=steady_clock)
        await store.found(posture("lost_one"))
        known = await store.read("lost_one")
        assert known is not None
        await store.open_session()
        before, door.lose = door.passed, 1
        control = await store.commit(known, take=True, journal=[Draft(kind="claimed", body={})])
        assert door.passed - before == 2
        assert control.ownership is not None and control.ownership.session == store.session.lease
        read = await store.read("lost_one")
        assert read is not None and read.ownership == control.ownership
        entries = await store.journal("lost_one")
        assert [entry.kind for entry in entries] == ["founded", "claimed"] and verify(entries) is None


async def test_a_write_that_cannot_be_recognized_is_sent_once(etcd_member: "Members", door: "Door") -> None:
    """Without a comparison a second sending would apply twice, so a lost answer is the caller's to settle."""
    async with client(door.url) as etcd:
        door.lose = 1
        with pytest.raises(Transient):
            await etcd.transact(Txn(writes=(Put(key="/once", value="x"),)))
        assert door.passed == 1
        (found,) = (await etcd.transact(Txn(reads=(Range(key="/once"),)))).found
        assert found[0].value == "x"


async def test_a_lapsed_lease_is_told_apart(etcd_member: "Members") -> None:
    """Writing under, renewing and revoking a lease that is gone are answers, not failures."""
    async with client(*etcd_member.urls) as etcd:
        lease = await etcd.grant(timedelta(seconds=2))
        assert await etcd.renew(lease)
        await etcd.revoke(lease)
        assert not await etcd.renew(lease)
        await etcd.revoke(lease)
        with pytest.raises(LeaseLapsed):
            await etcd.transact(Txn(unchanged={"/leased": 0}, writes=(Put(key="/leased", value="x", lease=lease),)))


async def test_a_session_is_kept_in_the_background_and_ended_at_once(etcd_member: "Members", steady_clock: Clock) -> None:
    """Nobody calls for twice the term and the session lives; an orderly stop does not make the others wait for a lapse."""
    async with client(*etcd_member.urls) as etcd, client(*etcd_member.urls) as other:
        store, reader = (Store(kv, controller=name, clock=steady_clock) for kv, name in ((etcd, "kept"), (other, "kept-reader")))
        await store.found(posture("kept"))
        lease = await store.open_session()
        store.session.start()
        await asyncio.sleep(4)
        seen = await reader.read("kept")
        assert seen is not None and seen.sessions["kept"] == lease
        await store.session.stop()
        seen = await reader.read("kept")
        assert seen is not None and "kept" not in seen.sessions


async def leader_of(members: "Members") -> int:
    """Index of the member that leads."""
    async with aiohttp.ClientSession() as http:
        for _ in range(100):
            for index, url in enumerate(members.urls):
                async with http.post(f"{url}/v3/maintenance/status", json={}) as response:
                    status = await response.json()
                if "leader" in status and status["leader"] == status["header"]["member_id"]:
                    return index
            await asyncio.sleep(0.1)
    raise AssertionError("no member leads")


async def insist(store: Store, known: Control, kind: str) -> Control:
    """Commit with the same words until it is answered."""
    give_up = time.monotonic() + 10
    while True:
        try:
            return await store.commit(known, take=True, journal=[Draft(kind=kind, body={})])
        except Transient:
            assert time.monotonic() < give_up, "no member took over in time"


async def test_three_members_go_on_without_their_leader(etcd_group: "Members", steady_clock: Clock) -> None:
    """The leader freezes in the middle of the work: the same commit, repeated, stands exactly once, also after the thaw."""
    lead = await leader_of(etcd_group)
    urls = [etcd_group.urls[lead], *(url for index, url in enumerate(etcd_group.urls) if index != lead)]
    async with client(*urls) as etcd:
        store = Store(etcd, controller="trio", clock=steady_clock)
        await store.found(posture("trio"))
        control = await store.read("trio")
        assert control is not None
        control = await store.commit(control, take=True, journal=[Draft(kind="before", body={})])
        token = control.ownership.token if control.ownership else 0
        etcd_group.freeze(lead)
        try:
            for kind in ("during", "after"):
                control = await insist(store, control, kind)
        finally:
            etcd_group.thaw(lead)
        await asyncio.sleep(0.5)  # what the frozen member still holds arrives now, and must change nothing
        assert control.ownership is not None and control.ownership.token > token
        entries = await store.journal("trio")
        assert [entry.kind for entry in entries] == ["founded", "before", "during", "after"] and verify(entries) is None
