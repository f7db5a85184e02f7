"""Accesses that were kept long enough go from the writer; whoever was away meanwhile is not accused of having them."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.protocol.vault_site import AWS, AZURE, GROUNDS, Sites, kept, two_sites

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

OLD = """
INSERT INTO vault.access (id, token, action, caller, reason, epoch, at)
SELECT gen_random_uuid(), token, action, caller, reason, epoch, now() - %s * interval '1 day' FROM vault.access LIMIT 1"""
ACCESSES = "SELECT count(*) FROM trimaran.held_payments('', 1000) WHERE idempotency_key LIKE 'access:%%'"
GONE = "DELETE FROM vault.access WHERE at < now() - 400 * interval '1 day'"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """The writer and its follower, and one token that was looked at."""
    async with two_sites("vault-retention") as sites, sites.service(AZURE) as vault:
        await vault.vault.reveal((await kept(vault, uuid4())).id, GROUNDS)
        yield sites


async def test_what_retention_removes_is_neither_a_tail_nor_a_difference(sites: Sites) -> None:
    """Rows of 401 days are removed on the writer while a node that was away still has them: the same digest before and after, and the node
    holds nothing that another one could lack. Rows that are younger are compared, as before."""
    before = await sites.ask(AZURE, ACCESSES)
    digest = await sites.ask(AZURE, "SELECT trimaran.digest(1)")
    for days in (401, 399.5):
        await sites.ask(AZURE, OLD, days)
    assert await sites.ask(AZURE, ACCESSES) == before
    assert await sites.ask(AZURE, "SELECT trimaran.digest(1)") == digest
    await sites.ask(AZURE, GONE)
    await sites.caught_up()
    assert await sites.ask(AZURE, "SELECT trimaran.digest(1)") == digest == await sites.ask(AWS, "SELECT trimaran.digest(1)")
    await sites.ask(AZURE, OLD, 390)
    assert await sites.ask(AZURE, ACCESSES) == [(before[0][0] + 1,)]
    assert await sites.ask(AZURE, "SELECT trimaran.digest(1)") != digest
