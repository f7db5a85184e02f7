"""Three real members over the links: a quorum that comes back, members that rejoin, and stores that agree."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from lab.binaries import EtcdBinary, find_etcd
from lab.errors import LabError
from lab.etcd import HISTORY, Comparison, EtcdCluster
from lab.etcd_gateway import NoAnswerError
from lab.links import Links
from lab.processes import kill
from lab.workspace import Workspace

SITES = ("aws", "azure", "gcp")
SOON = timedelta(milliseconds=200)


@asynccontextmanager
async def cluster(name: str, history: timedelta = HISTORY) -> AsyncIterator[tuple[EtcdCluster, Links]]:
    with Workspace(name) as workspace:
        links = await Links.start(workspace)
        members = await EtcdCluster.create(workspace, links, find_etcd(), SITES)
        members.history = history
        await members.start()
        try:
            yield members, links
        finally:
            await links.stop()


async def put(members: EtcdCluster, site: str, value: str, deadline: timedelta = timedelta(seconds=2)) -> None:
    """Write one key through this site's member."""
    body = {"key": _code("key"), "value": _code(value)}
    await members.members[site].gateway.post("/v3/kv/put", body, deadline)


async def put_until_done(members: EtcdCluster, site: str, value: str) -> None:
    """Write with short deadlines until it is done: a put sent while there is no leader is dropped, not queued."""
    while True:
        with suppress(NoAnswerError):
            await put(members, site, value, SOON)
            return
        await asyncio.sleep(0.02)


async def test_a_dead_leaders_site_costs_a_second_and_a_half_at_most() -> None:
    """The leader is cut off and killed: the others write again within 1.5 s, and the healed member catches up and agrees."""
    async with cluster("test-etcd-crash") as (members, links):
        await members.move_leader("azure")
        assert await members.leader() == "azure"
        await put(members, "azure", "before")
        began = time.monotonic()
        await links.isolate("azure")
        kill(*members.processes("azure"))
        async with asyncio.timeout(10):
            await asyncio.gather(*(put_until_done(members, site, "during") for site in ("aws", "gcp")))
        outage = time.monotonic() - began
        assert 0.2 < outage < 1.5
        assert await members.leader() in {"aws", "gcp"}
        await links.rejoin("azure")
        await members.rejoin("azure")
        await put(members, "azure", "after")
        comparison = await members.compare()
        assert set(comparison.digests) == set(SITES)
        assert comparison.disagreeing == frozenset()


async def test_a_member_that_may_have_lost_data_returns_empty_and_a_sound_one_does_not() -> None:
    """3.5.1 gets a new identity after SIGKILL; a version past the defect keeps its own."""
    async with cluster("test-etcd-empty") as (members, _):
        for version, keeps in (("3.5.1", False), ("3.5.6", True)):
            members.binary = EtcdBinary(version=version, path=members.binary.path)
            await members.move_leader("aws")  # a put is dropped while there is none, and gcp dies
            before = (await members.members["gcp"].gateway.status(timedelta(seconds=2))).member
            kill(*members.processes("gcp"))
            await put(members, "aws", version)
            await members.rejoin("gcp")
            after = (await members.members["gcp"].gateway.status(timedelta(seconds=2))).member
            assert (before == after) is keeps
        assert (await members.compare()).disagreeing == frozenset()


async def test_a_frozen_member_is_not_missed_and_catches_up() -> None:
    """Two of three go on; the thawed one follows and agrees."""
    async with cluster("test-etcd-freeze") as (members, _):
        await members.move_leader("aws")
        (frozen,) = members.processes("gcp")
        frozen.freeze()
        for turn in range(5):
            await put(members, "aws", f"turn {turn}")
        with pytest.raises(LabError, match="could not be compared"):
            await members.compare(timedelta(seconds=0.3))
        frozen.thaw()
        assert (await members.compare()).disagreeing == frozenset()


async def test_a_minority_never_leads() -> None:
    """The leader cut off from the others alone, still running: a new one is found beyond it, and it returns as a follower."""
    async with cluster("test-etcd-partition") as (members, links):
        await members.move_leader("gcp")
        await links.isolate("gcp")
        async with asyncio.timeout(10):
            await put_until_done(members, "aws", "beyond")
        assert await members.leader() in {"aws", "azure"}
        with pytest.raises(NoAnswerError):
            await put(members, "gcp", "alone", timedelta(seconds=0.5))
        await links.rejoin("gcp")
        async with asyncio.timeout(10):
            await put_until_done(members, "gcp", "together")
        assert (await members.compare()).disagreeing == frozenset()


async def test_a_digest_speaks_of_the_content() -> None:
    """Two revisions that differ in one value have different digests: the comparison at the end of a run can fail."""
    async with cluster("test-etcd-digest") as (members, _):
        gateway = members.members["aws"].gateway
        deadline = timedelta(seconds=2)
        await put(members, "aws", "one")
        one = await gateway.revision(deadline)
        await put(members, "aws", "two")
        two = await gateway.revision(deadline)
        assert await gateway.digest(one, deadline) != await gateway.digest(two, deadline)
        assert await gateway.digest(one, deadline) == await members.members["gcp"].gateway.digest(one, deadline)


async def test_members_forget_what_was_and_agree_on_what_is() -> None:
    """Past revisions go away by themselves, so a store does not grow for ever; what is there now is compared as ever."""
    async with cluster("test-etcd-history", history=timedelta(seconds=1)) as (members, _):
        gateway = members.members["aws"].gateway
        deadline = timedelta(seconds=2)
        await put(members, "aws", "old")
        old = await gateway.revision(deadline)
        async with asyncio.timeout(20):
            with pytest.raises(NoAnswerError, match="compacted"):
                while True:
                    await put(members, "gcp", "new")
                    await gateway.digest(old, deadline)
                    await asyncio.sleep(0.05)
        comparison = await members.compare()
        assert comparison.disagreeing == frozenset() and comparison.revision > old


def test_the_one_that_differs_is_named_and_without_a_majority_all_are() -> None:
    """Two against one blames the one; three different stores blame everybody."""
    assert Comparison(revision=7, digests={"aws": "x", "azure": "y", "gcp": "x"}).disagreeing == {"azure"}
    assert Comparison(revision=7, digests={"aws": "x", "azure": "y", "gcp": "z"}).disagreeing == {"aws", "azure", "gcp"}
    assert Comparison(revision=7, digests={"aws": "x", "azure": "x", "gcp": "x"}).disagreeing == frozenset()


def _code(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
