"""The vault's schema on real PostgreSQL: what it promises whatever is asked of it, by whom, and by how many at once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.vault_rows import SOON, founded, kept, locked, tokenized, waiting
from tests.protocol.vault_site import AWS, AZURE, GROUNDS, SCHEMA, TABLES, Sites, two_sites
from workload.durable import statement
from workload.durable.errors import NoWriter
from workload.durable.session import Connection
from workload.vault import store
from workload.vault.model import Action, Outcome, Whose
from workload.vault.wrapping import Wrapped

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """The writer and its follower."""
    async with two_sites("vault-store") as sites:
        yield sites


@pytest_asyncio.fixture(loop_scope="module")
async def session(sites: Sites) -> AsyncIterator[Connection]:
    """The service's own session with the writer."""
    session = Connection(await sites.connect(AZURE, "vault_app"))
    yield session
    session.shut()


async def test_what_was_kept_is_found_and_given_out_with_its_trace(sites: Sites, session: Connection) -> None:
    """Ciphertext as it was written; a row for the keeping, one for every reveal and one for whoever was shown its last characters."""
    key = await founded(session)
    token = await kept(session, key)
    access = uuid4()
    found, evidence = await store.give_out(session, AZURE, token, Action.REVEAL, GROUNDS, access, SOON)
    described, _ = await store.give_out(session, AZURE, token, Action.DESCRIBE, GROUNDS, uuid4(), SOON)
    assert found.row and (found.row.sealed, found.row.binding.data_key, evidence.row) == (b"sealed number", key.id, access)
    assert described.row and described.row.sealed == b"sealed hint"
    rows = await sites.ask(AZURE, "SELECT action, caller, reason FROM vault.access WHERE token = %s ORDER BY at", token)
    who = (GROUNDS.caller, GROUNDS.reason)
    assert rows == [("tokenize", "shop", "tokenize"), ("reveal", *who), ("describe", *who)]


async def test_whose_a_token_is_is_told_without_anything_sealed(sites: Sites, session: Connection) -> None:
    """And leaves no row: nothing of the number was told."""
    key = await founded(session)
    token = await kept(session, key)
    assert (await store.whose(session, AZURE, token, SOON))[0] == Whose(outcome=Outcome.FOUND, subject=key.subject)
    assert (await store.whose(session, AZURE, uuid4(), SOON))[0] == Whose(outcome=Outcome.UNKNOWN_TOKEN)
    await store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON)
    assert (await store.whose(session, AZURE, token, SOON))[0] == Whose(outcome=Outcome.ERASED)
    assert await sites.ask(AZURE, "SELECT count(*) FROM vault.access WHERE token = %s", token) == [(1,)]


async def test_a_data_key_is_read_by_subject_and_by_id(session: Connection) -> None:
    """With its wraps in order of cloud; None for strangers."""
    key = await founded(session)
    assert (await store.read_key(session, AZURE, SOON, subject=key.subject))[0] == key
    assert (await store.read_key(session, AZURE, SOON, id=key.id))[0] == key
    assert (await store.read_key(session, AZURE, SOON, subject=uuid4()))[0] is None


async def test_unknown_tokens_are_unknown_and_leave_no_trace(sites: Sites, session: Connection) -> None:
    """Nothing was given out."""
    token = uuid4()
    assert (await store.give_out(session, AZURE, token, Action.REVEAL, GROUNDS, uuid4(), SOON))[
        0
    ].outcome is Outcome.UNKNOWN_TOKEN
    assert (await store.give_out(session, AZURE, token, Action.DESCRIBE, GROUNDS, uuid4(), SOON))[
        0
    ].outcome is Outcome.UNKNOWN_TOKEN
    assert (await store.read_erasure(session, AZURE, uuid4(), SOON))[0] is None
    assert await sites.ask(AZURE, "SELECT 1 FROM vault.access WHERE token = %s", token) == []


async def test_a_key_means_one_token(session: Connection) -> None:
    """The same body is replayed; another body, or another subject, is refused."""
    key, other, idempotency = await founded(session), await founded(session), uuid4()
    outcome, token = await tokenized(session, key, idempotency=idempotency)
    assert outcome is Outcome.CREATED
    assert await tokenized(session, key, idempotency=idempotency) == (Outcome.REPLAYED, token)
    assert await tokenized(session, key, idempotency=idempotency, digest=b"another") == (Outcome.KEY_REUSED, None)
    assert await tokenized(session, other, idempotency=idempotency) == (Outcome.KEY_REUSED, None)


async def test_a_key_is_its_first_callers(sites: Sites, session: Connection) -> None:
    """Keys are no secret. Whoever else comes with one is told nothing of what it stands for, not even by the right number; and each
    attempt, of whomever, is on record before it is answered."""
    key, idempotency = await founded(session), uuid4()
    _, token = await tokenized(session, key, idempotency=idempotency)
    assert await tokenized(session, key, idempotency=idempotency, caller="thief") == (Outcome.KEY_REUSED, None)
    assert await tokenized(session, key, idempotency=idempotency, caller="thief", digest=b"guess") == (Outcome.KEY_REUSED, None)
    assert await tokenized(session, key, idempotency=idempotency, digest=b"guess") == (Outcome.KEY_REUSED, None)
    assert await tokenized(session, key, idempotency=idempotency) == (Outcome.REPLAYED, token)
    rows = await sites.ask(AZURE, "SELECT action, caller, reason FROM vault.access WHERE token = %s ORDER BY at", token)
    other = "the same key with something else"
    assert rows == [
        ("tokenize", "shop", "tokenize"),
        *[("tokenize", "thief", other)] * 2,
        ("tokenize", "shop", other),
        ("tokenize", "shop", "the same key and number again"),
    ]


async def test_twins_at_once_make_one_token_and_one_data_key(sites: Sites) -> None:
    """Sixteen sessions, one subject, one key: one founds, one creates, all others are told of the very same."""
    sessions = [Connection(await sites.connect(AZURE, "vault_app")) for _ in range(16)]
    subject, idempotency = uuid4(), uuid4()
    keys = [locked(subject) for _ in sessions]
    told = await asyncio.gather(*(store.found_key(one, AZURE, key, SOON) for one, key in zip(sessions, keys, strict=True)))
    assert [is_founded for is_founded, _ in told].count(True) == 1
    (key,) = (key for key, (is_founded, _) in zip(keys, told, strict=True) if is_founded)
    assert (await store.read_key(sessions[0], AZURE, SOON, subject=subject))[0] == key
    answers = await asyncio.gather(*(tokenized(one, key, idempotency=idempotency) for one in sessions))
    assert sorted(outcome for outcome, _ in answers) == ["created"] + ["replayed"] * 15
    assert len({token for _, token in answers}) == 1
    rows = await sites.ask(AZURE, "SELECT reason, count(*) FROM vault.access WHERE token = %s GROUP BY 1", answers[0][1])
    assert sorted(rows) == [("the same key and number again", 15), ("tokenize", 1)]
    for one in sessions:
        one.shut()


async def test_no_number_is_sealed_with_a_key_that_is_not_there(session: Connection) -> None:
    """Nor with one that was erased."""
    assert await tokenized(session, locked()) == (Outcome.UNKNOWN_KEY, None)
    key = await founded(session)
    await store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON)
    assert await tokenized(session, key) == (Outcome.ERASED, None)


async def test_a_data_key_without_a_wrap_cannot_be(sites: Sites, session: Connection) -> None:
    """The database refuses what nobody could ever open."""
    with pytest.raises(psycopg.Error, match="no wrap"):
        values = (uuid4(), uuid4(), b"check", [], [], [])
        await sites.ask(AZURE, "SELECT vault.found_key(%s, %s, %s, %s::text[], %s::text[], %s::bytea[])", *values)


async def test_an_erasure_destroys_the_wraps_and_proves_which(sites: Sites, session: Connection) -> None:
    """The digest is that of the wraps that were there; tokens are counted; the same proof is answered again and read by its id."""
    key = await founded(session, clouds=("gcp", "aws"))
    tokens = [await kept(session, key) for _ in range(3)]
    erased, evidence = await store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON)
    proof = erased.proof
    assert erased.outcome is Outcome.ERASED and proof and evidence.row == proof.id
    parts = [
        part
        for wrap in sorted(key.wraps, key=lambda wrap: wrap.cloud)
        for part in (wrap.cloud.encode(), wrap.kek.encode(), wrap.ciphertext)
    ]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    assert (proof.wraps_digest, proof.clouds, proof.tokens) == (digest, ("aws", "gcp"), 3)
    assert (proof.subject, proof.data_key, proof.grounds) == (key.subject, key.id, GROUNDS)
    assert await sites.ask(AZURE, "SELECT 1 FROM vault.wrap WHERE data_key = %s", key.id) == []
    again, _ = await store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON)
    assert (again.outcome, again.proof) == (Outcome.REPLAYED, proof)
    assert (await store.read_erasure(session, AZURE, proof.id, SOON))[0] == proof
    for token in tokens:
        assert (await store.give_out(session, AZURE, token, Action.REVEAL, GROUNDS, uuid4(), SOON))[0].outcome is Outcome.ERASED
        assert (await store.give_out(session, AZURE, token, Action.DESCRIBE, GROUNDS, uuid4(), SOON))[0].outcome is Outcome.ERASED
    assert not (await store.found_key(session, AZURE, locked(key.subject), SOON))[0], "no second key for an erased subject"
    assert (await store.erase(session, AZURE, uuid4(), GROUNDS, uuid4(), SOON))[0].outcome is Outcome.UNKNOWN_SUBJECT


async def test_a_repair_that_comes_beside_an_erasure_adds_nothing(sites: Sites, session: Connection) -> None:
    """It waits until the erasure is decided, and finds it. Without the wait a fresh wrap would stand beside the proof of none."""
    key = await founded(session, clouds=("aws",))
    async with await sites.connect(AZURE, "vault_app") as eraser:
        await eraser.execute("BEGIN READ WRITE")
        await eraser.execute("SELECT vault.erase(%s, %s, 'desk', NULL, 'dispute')", (uuid4(), key.subject))
        added = Wrapped(cloud="gcp", kek="gcp/1", ciphertext=b"late")
        repair = asyncio.create_task(store.add_wrap(session, AZURE, key.id, added, None, SOON))
        await waiting(sites, "add_wrap")
        await eraser.execute("COMMIT")
        assert (await repair)[0] is Outcome.ERASED
    assert await sites.ask(AZURE, "SELECT 1 FROM vault.wrap WHERE data_key = %s", key.id) == []


async def test_a_number_that_comes_beside_an_erasure_is_refused(sites: Sites, session: Connection) -> None:
    """It waits until the erasure is decided, and finds it: no token is acknowledged for somebody whose erasure is proven."""
    key = await founded(session)
    async with await sites.connect(AZURE, "vault_app") as eraser:
        await eraser.execute("BEGIN READ WRITE")
        await eraser.execute("SELECT vault.erase(%s, %s, 'desk', NULL, 'dispute')", (uuid4(), key.subject))
        late = asyncio.create_task(tokenized(session, key))
        await waiting(sites, "tokenize")
        await eraser.execute("COMMIT")
        assert await late == (Outcome.ERASED, None)
    assert await sites.ask(AZURE, "SELECT 1 FROM vault.token WHERE data_key = %s", key.id) == []


async def test_a_proof_counts_the_number_that_came_beside_its_erasure(sites: Sites, session: Connection) -> None:
    """The number came first and waits for a twin of its key: the erasure waits for both, and counts what was kept."""
    key, idempotency = await founded(session), uuid4()
    async with await sites.connect(AZURE, "vault_app") as twin, await sites.connect(AZURE, "vault_app") as eraser:
        await twin.execute("BEGIN READ WRITE")
        values: tuple[object, ...] = (uuid4(), idempotency, b"digest", (await founded(session)).id, uuid4())
        await twin.execute("SELECT vault.tokenize(%s, %s, %s, %s, 'card', 'sealed', 'hint', %s, 'shop')", values)
        late = asyncio.create_task(tokenized(session, key, idempotency=idempotency))
        await waiting(sites, "tokenize")
        erasing = asyncio.create_task(store.erase(Connection(eraser), AZURE, key.subject, GROUNDS, uuid4(), SOON))
        await waiting(sites, "erase")
        await twin.execute("ROLLBACK")
        outcome, token = await late
        erased, _ = await erasing
    assert outcome is Outcome.CREATED and token
    assert erased.proof and erased.proof.tokens == 1


async def test_a_wrap_takes_the_place_of_the_one_that_was_read_and_of_no_other(sites: Sites, session: Connection) -> None:
    """A repair that is late finds the new version there and leaves it; one that read nothing adds nothing to what is there by now."""
    key = await founded(session, clouds=("aws",))
    (first,) = key.wraps
    second, late = (Wrapped(cloud="aws", kek=f"aws/{name}", ciphertext=name.encode()) for name in ("two", "late"))
    assert (await store.add_wrap(session, AZURE, key.id, second, first, SOON))[0] is Outcome.FOUNDED
    for read in (first, None):
        assert (await store.add_wrap(session, AZURE, key.id, late, read, SOON))[0] is Outcome.REPLACED
    assert await sites.ask(AZURE, "SELECT kek, ciphertext FROM vault.wrap WHERE data_key = %s", key.id) == [("aws/two", b"two")]


async def test_a_survey_names_what_is_missing_or_old_and_nothing_else(sites: Sites, session: Connection) -> None:
    """Not what is whole, not what was erased; window by window, to the end."""
    current = {"aws": "aws/1", "azure": "azure/1", "gcp": "gcp/1"}
    whole, lacking, old, gone = [
        await founded(session),
        await founded(session, clouds=("aws", "gcp")),
        await founded(session),
        await founded(session, clouds=("aws",)),
    ]
    await store.erase(session, AZURE, gone.subject, GROUNDS, uuid4(), SOON)
    newer = Wrapped(cloud="azure", kek="azure/0", ciphertext=b"older")
    assert (await store.add_wrap(session, AZURE, old.id, newer, old.wraps[1], SOON))[0] is Outcome.FOUNDED
    flawed, after, windows = set[UUID](), UUID(int=0), 0
    while True:
        survey, _ = await store.survey(session, AZURE, after, 3, current, SOON)
        if survey.upto is None:
            break
        flawed |= set(survey.flawed)
        after, windows = survey.upto, windows + 1
    ((count,),) = await sites.ask(AZURE, "SELECT count(*) FROM vault.data_key")
    assert windows == -(-count // 3)
    whole_round, _ = await store.survey(session, AZURE, UUID(int=0), 10_000, current, SOON)
    living = "SELECT count(*) FROM vault.data_key AS k WHERE NOT EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = k.id)"
    assert [(whole_round.living,)] == await sites.ask(AZURE, living)
    assert whole_round.held["azure", "azure/0"] == 1 and sum(whole_round.held.values()) > 8
    assert {lacking.id, old.id} <= flawed and not {whole.id, gone.id} & flawed
    survey, _ = await store.survey(session, AZURE, UUID(int=0), 10_000, {"gcp": "gcp/1"}, SOON)
    assert not {lacking.id, old.id} & set(survey.flawed), "a cloud that does not answer is not asked about"


@pytest.mark.parametrize(
    "forbidden",
    [
        *(f"SELECT * FROM {table}" for table in TABLES),
        *(f"DELETE FROM {table}" for table in TABLES),
        "INSERT INTO vault.access VALUES (gen_random_uuid(), gen_random_uuid(), 'reveal', 'me', 'fun', 1, now())",
        "UPDATE vault.wrap SET kek = 'mine'",
        "TRUNCATE vault.access",
        "SELECT trimaran.held_payments('', 10)",
        "SELECT trimaran.described_payments('{}')",
        "UPDATE trimaran.node SET role = 'writer'",
    ],
)
async def test_the_service_can_do_nothing_but_call_its_functions(sites: Sites, forbidden: str) -> None:
    """Whoever has its password reads no sealed number without leaving a trace, and changes no trace."""
    async with await sites.connect(AZURE, "vault_app") as session:
        await session.execute("BEGIN READ WRITE")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await session.execute(forbidden)


async def test_streams_may_call_nothing(sites: Sites) -> None:
    """They copy rows."""
    query = """SELECT p.oid::regproc::text FROM pg_proc AS p
               WHERE p.pronamespace IN ('vault'::regnamespace, 'trimaran'::regnamespace)
                 AND has_function_privilege('vault_stream', p.oid, 'EXECUTE')"""
    assert await sites.ask(AZURE, query) == []


@pytest.mark.parametrize("change", ["role = 'fenced'", "role = 'follower'", "timeline = timeline + 1"])
async def test_a_node_that_may_not_write_decides_nothing(sites: Sites, session: Connection, change: str) -> None:
    """Refused by every call, reads among them, and by the tables themselves when somebody goes around the calls."""
    key = await founded(session)
    token = await kept(session, key)
    ((before,),) = await sites.ask(AZURE, "SELECT to_jsonb(n) FROM trimaran.node AS n")
    await sites.ask(AZURE, f"UPDATE trimaran.node SET {change}")
    wrap = Wrapped(cloud="aws", kek="new", ciphertext=b"new")
    calls = [
        lambda: store.found_key(session, AZURE, locked(), SOON),
        lambda: tokenized(session, key),
        lambda: store.give_out(session, AZURE, token, Action.REVEAL, GROUNDS, uuid4(), SOON),
        lambda: store.give_out(session, AZURE, token, Action.DESCRIBE, GROUNDS, uuid4(), SOON),
        lambda: store.read_key(session, AZURE, SOON, id=key.id),
        lambda: store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON),
        lambda: store.add_wrap(session, AZURE, key.id, wrap, None, SOON),
        lambda: store.survey(session, AZURE, UUID(int=0), 9, {"aws": "x"}, SOON),
    ]
    try:
        for call in calls:
            with pytest.raises(NoWriter):
                await call()
        for table in TABLES:
            with pytest.raises(psycopg.Error) as caught:
                await sites.ask(AZURE, f"DELETE FROM {table}")
            assert caught.value.sqlstate in statement.NOT_ADMITTED
    finally:
        query = "UPDATE trimaran.node SET role = %s, timeline = %s"
        await sites.ask(AZURE, query, before["role"], before["timeline"])
    # By the session that was refused: nothing of what stood behind a refused statement is remembered as prepared.
    asked = store.give_out(session, AZURE, token, Action.DESCRIBE, GROUNDS, uuid4(), SOON)
    assert (await asked)[0].outcome is Outcome.FOUND


async def test_a_reason_never_holds_a_number(sites: Sites) -> None:
    """Refused by the table itself, whatever the door let through."""
    async with await sites.connect(AZURE, "vault_app") as session:
        key = await founded(Connection(session))
        token = await kept(Connection(session), key)
        await session.execute("BEGIN READ WRITE")
        with pytest.raises(psycopg.errors.CheckViolation):
            await session.execute("SELECT vault.give_out(%s, %s, 'reveal', 'desk', '4111111111111111')", (uuid4(), token))


async def test_the_follower_knows_which_rows_it_holds(sites: Sites, session: Connection) -> None:
    """Every row that an answer may rest on, of this reign's marker and on the pinned timeline."""
    key = await founded(session)
    token = await kept(session, key)
    access = uuid4()
    await store.give_out(session, AZURE, token, Action.REVEAL, GROUNDS, access, SOON)
    erased, _ = await store.erase(session, AZURE, key.subject, GROUNDS, uuid4(), SOON)
    assert erased.proof
    await sites.caught_up()
    rows = [key.id, token, access, erased.proof.id]
    for reign, expected in ((1, set(rows)), (2, set())):
        ((held,),) = await sites.ask(AWS, store.AWAIT_HELD, reign, [*rows, uuid4()], timedelta(0), role="vault_app")
        assert set(held) == expected


async def test_the_script_may_run_again(sites: Sites) -> None:
    """Installing twice changes nothing."""
    await sites.ask(AZURE, SCHEMA)


async def test_every_table_has_a_key_a_guard_and_a_label_and_is_published(sites: Sites) -> None:
    """Without a key deletes do not replicate, without a guard a fenced node writes, without a label nobody knows what it holds."""
    query = """SELECT c.oid::regclass::text,
                      EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary),
                      EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'guard'),
                      obj_description(c.oid, 'pg_class') ~ '^retention=.* contains=',
                      EXISTS (SELECT FROM pg_publication_tables AS p
                              WHERE p.pubname = 'vault_ledger' AND p.schemaname = 'vault' AND p.tablename = c.relname)
               FROM pg_class AS c WHERE c.relnamespace = 'vault'::regnamespace AND c.relkind = 'r'"""
    assert sorted(await sites.ask(AZURE, query)) == [(table, True, True, True, True) for table in sorted(TABLES)]
    assert await sites.ask(AZURE, "SELECT 1 FROM pg_class WHERE relnamespace = 'vault'::regnamespace AND relkind = 'S'") == []
