"""What the control plane asks the vault: is it equal elsewhere, what does it lack, and is there anything in the answers that nobody
may read?"""

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.protocol.vault_site import AWS, AZURE, GROUNDS, PLANTED, TABLES, Sites, kept, two_sites
from workload.vault.wiring import Assembly

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

Held = dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """The writer and its follower."""
    async with two_sites("vault-evidence") as sites:
        yield sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vault(sites: Sites) -> AsyncIterator[Assembly]:
    """The service beside the writer, with seven subjects: each with a token that was revealed, one of them erased."""
    async with sites.service(AZURE) as vault:
        subjects = [uuid4() for _ in range(7)]
        for subject in subjects:
            await vault.vault.reveal((await kept(vault, subject)).id, GROUNDS)
        await vault.vault.erase(subjects[0], GROUNDS)
        yield vault


async def held(sites: Sites, site: str, page: int) -> Held:
    """Everything a node holds, as the export of a tail walks through it."""
    found: Held = {}
    after = ""
    while rows := await sites.ask(site, "SELECT idempotency_key, id FROM trimaran.held_payments(%s, %s)", after, page):
        assert len(rows) <= page
        assert not found.keys() & {key for key, _ in rows}
        found |= dict(rows)
        after = rows[-1][0]
    return found


async def lacking(sites: Sites, site: str, rows: Held) -> dict[str, bool]:
    """What a node lacks of these; True: it has another one of the name."""
    query = "SELECT idempotency_key, superseded FROM trimaran.lacking_payments(%s::text[], %s::text[])"
    return dict(await sites.ask(site, query, list(rows), list(rows.values())))


async def digest(sites: Sites, site: str) -> str:
    """Of everything that can no longer change."""
    ((told,),) = await sites.ask(site, "SELECT trimaran.digest(1)")
    return str(told)


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_a_walk_by_pages_passes_every_row_once(sites: Sites, vault: Assembly, page: int) -> None:
    """Data keys, tokens, accesses and erasures; wraps are none of its business."""
    rows = await held(sites, AZURE, page)
    kinds = [key.partition(":")[0] for key in rows]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"data_key": 7, "token": 7, "access": 14, "erasure": 1}


async def test_what_was_replicated_is_not_lacking(sites: Sites, vault: Assembly) -> None:
    """And both nodes tell the same digest."""
    await sites.caught_up()
    assert await lacking(sites, AWS, await held(sites, AZURE, 1000)) == {}
    assert await digest(sites, AWS) == await digest(sites, AZURE)


async def test_a_repair_changes_no_digest(sites: Sites, vault: Assembly) -> None:
    """Wraps come and go while ledgers are compared."""
    before = await digest(sites, AZURE)
    await sites.ask(AZURE, "UPDATE vault.wrap SET kek = 'aws/vault/2' WHERE cloud = 'aws'")
    assert await digest(sites, AZURE) == before


async def test_a_follower_that_lacks_wraps_is_not_equal(sites: Sites, vault: Assembly) -> None:
    """It would be elected and open nothing. That it has none of an erased key is as it should be."""
    await sites.caught_up()
    bare = "living keys without a wrap"
    assert f" 0 {bare}" in await digest(sites, AZURE)
    async with await sites.connect(AWS, "postgres") as session:
        await session.execute("BEGIN")
        await session.execute("SET LOCAL session_replication_role = replica")
        await session.execute("DELETE FROM vault.wrap")
        ((told,),) = await (await session.execute("SELECT trimaran.digest(1)")).fetchall()
        await session.execute("ROLLBACK")
    assert f" 6 {bare}" in told
    assert await digest(sites, AWS) == await digest(sites, AZURE)


async def test_what_only_one_node_has_is_named_and_described_without_a_secret(sites: Sites, vault: Assembly) -> None:
    """Rows of every kind that never left the writer: lacking elsewhere, and told with identifiers and ciphertext only."""
    await sites.caught_up()
    before = await held(sites, AZURE, 1000)
    await sites.ask(AWS, "ALTER SUBSCRIPTION vault_e1_azure_aws DISABLE")
    try:
        data_key, token, access, subject = (uuid4() for _ in range(4))
        ciphertexts = [b"wrapped by nobody"]
        founded = "SELECT vault.found_key(%s, %s, 'check', '{aws}', '{kek-name}', %s::bytea[])"
        await sites.ask(AZURE, founded, data_key, subject, ciphertexts)
        kept_ = "SELECT vault.tokenize(%s, %s, 'digest-of-it', %s, 'card', 'sealed', 'hint', %s, 'shop-caller')"
        await sites.ask(AZURE, kept_, token, uuid4(), data_key, access)
        await sites.ask(AZURE, "SELECT vault.give_out(%s, %s, 'reveal', 'desk-caller', 'some-reason')", uuid4(), token)
        await sites.ask(AZURE, "SELECT vault.erase(%s, %s, 'desk-caller', 'some-name', 'some-reason')", uuid4(), subject)
        tail = {key: id for key, id in (await held(sites, AZURE, 1000)).items() if key not in before}
        assert await lacking(sites, AWS, tail) == dict.fromkeys(tail, False) and len(tail) == 5
        query = "SELECT idempotency_key, epoch, body FROM trimaran.described_payments(%s)"
        described = await sites.ask(AZURE, query, list(tail))
        assert {key for key, _, _ in described} == tail.keys() and {epoch for _, epoch, _ in described} == {1}
        told = json.dumps([body for _, _, body in described])
        secrets = ("caller", "reason", "some-name", "kek-name", b"wrapped by nobody".hex(), b"digest-of-it".hex(), b"check".hex())
        assert not [word for word in secrets if word in told]
        assert b"sealed".hex() in told
    finally:
        await sites.ask(AWS, "ALTER SUBSCRIPTION vault_e1_azure_aws ENABLE")
        await sites.caught_up()


async def test_another_row_of_the_same_name_supersedes(sites: Sites, vault: Assembly) -> None:
    """The client asked again and was served by the next writer: its key, its subject, its erasure."""
    rows = {key: id for key, id in (await held(sites, AZURE, 1000)).items() if not key.startswith("access:")}
    others = {key: str(UUID(int=1)) for key in rows}
    assert await lacking(sites, AZURE, others) == dict.fromkeys(rows, True)


async def test_no_table_holds_a_digit_of_a_number(sites: Sites, vault: Assembly) -> None:
    """As text, as bytes, whole or its last four with something around them; nor does any answer to the control plane."""
    await sites.caught_up()
    for site in (AZURE, AWS):
        for table in TABLES:
            for (row,) in await sites.ask(site, f"SELECT t::text FROM {table} AS t"):
                assert PLANTED not in row and PLANTED.encode().hex() not in row
        rows = await held(sites, site, 1000)
        described = await sites.ask(site, "SELECT body::text FROM trimaran.described_payments(%s)", list(rows))
        assert not [body for (body,) in described if PLANTED in body or PLANTED.encode().hex() in body]
