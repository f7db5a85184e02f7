"""The check-up on real servers: what is as it should be is good, each thing that is wrong is found, and nothing is changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.clock import SystemClock
from controller.core import naming
from controller.core.checkup.catalogue import AREA, Area, Check
from controller.core.checkup.facts import Database
from controller.core.checkup.finding import Finding, Unasked, Verdict
from controller.core.checkup.fleet import databases
from controller.core.checkup.parameters import RULES
from controller.core.model import Site
from controller.postgres.door import takes_plain
from controller.postgres.examine import Examiner
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio
from tests.unit.test_settings import document, spelled

pytestmark = pytest.mark.asyncio

DEADLINE = timedelta(seconds=5)

WRONG: dict[Check, str] = {
    Check.FSYNC: "off",
    Check.FULL_PAGE_WRITES: "off",
    Check.SYNCHRONOUS_COMMIT: "off",
    Check.DEFAULT_TRANSACTION_ISOLATION: "'repeatable read'",
    Check.DEFAULT_TRANSACTION_READ_ONLY: "on",
    Check.SESSION_REPLICATION_ROLE: "replica",
    Check.MAX_SLOT_WAL_KEEP_SIZE: "'512MB'",
    Check.WAL_RECEIVER_STATUS_INTERVAL: "0",
    Check.WAL_SENDER_TIMEOUT: "'60s'",
    Check.WAL_RECEIVER_TIMEOUT: "'60s'",
    Check.WAL_RETRIEVE_RETRY_INTERVAL: "'30s'",
    Check.PASSWORD_ENCRYPTION: "md5",
    Check.SSL_MIN_PROTOCOL_VERSION: "'TLSv1.1'",
    Check.LOG_ERROR_VERBOSITY: "'default'",
    Check.LOG_MIN_ERROR_STATEMENT: "error",
    Check.LOG_STATEMENT: "'all'",
}
"""By parameter that can be changed while the server runs; idle_replication_slot_timeout is one of 18 only."""

AT_A_START = frozenset({Check.WAL_LEVEL, Check.TRACK_COMMIT_TIMESTAMP})


def examiner(trio: Trio, site: Site, **changes: object) -> Examiner:
    """Who looks at one site's database."""
    node = trio.nodes[site]
    control = node.sessions.address
    stream = replace(control, user=naming.stream_role(trio.service))
    made = Examiner(
        service=trio.service,
        site=site,
        cloud=str(site),
        control=control,
        stream=stream,
        dialled=node.publishers,
        clock=SystemClock(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def examined(trio: Trio) -> dict[Site, Database]:
    looks = await asyncio.gather(*(examiner(trio, site).examine(DEADLINE) for site in SITES))
    return dict(zip(SITES, looks, strict=True))


async def look(trio: Trio) -> tuple[Finding, ...]:
    return tuple(databases(trio.service, await examined(trio)))


def verdict(findings: Iterable[Finding], check: Check, at: Site | None = AWS) -> Verdict:
    """Of one check at one site, or of the service."""
    (found,) = [one for one in findings if one.check is check and (at is None or one.subject.endswith(f" at {at}"))]
    return found.verdict


async def sound(trio: Trio) -> tuple[Finding, ...]:
    """What is found once all that follows from the last change has settled."""
    give_up = asyncio.get_running_loop().time() + 10
    while True:
        findings = await look(trio)
        wrong = [one for one in findings if one.verdict is not Verdict.GOOD]
        if not wrong or asyncio.get_running_loop().time() > give_up:
            assert wrong == []
            return findings
        await asyncio.sleep(0.1)


def admin(trio: Trio, site: Site, *statements: str, database: str | None = None) -> None:
    """What the vendor's administrator does."""
    with psycopg.connect(trio.servers[site].dsn(database or trio.service), autocommit=True) as session:
        for statement in statements:
            session.execute(statement)


@asynccontextmanager
async def set_to(trio: Trio, site: Site, check: Check, value: str) -> AsyncIterator[None]:
    """A parameter of the whole server, for as long as the block lasts; new sessions have it when it begins."""
    dsn = trio.servers[site].dsn()

    async def wait_for(changed: bool, usual: str) -> None:
        for _ in range(200):
            with psycopg.connect(dsn) as session:
                row = session.execute("SELECT reset_val FROM pg_settings WHERE name = %s", (str(check),)).fetchone()
            assert row is not None
            if (row[0] != usual) is changed:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{check} did not change")

    with psycopg.connect(dsn, autocommit=True) as session:
        row = session.execute("SELECT reset_val FROM pg_settings WHERE name = %s", (str(check),)).fetchone()
        assert row is not None
        session.execute(f"ALTER SYSTEM SET {check} = {value}")
        session.execute("SELECT pg_reload_conf()")
    try:
        await wait_for(changed=True, usual=row[0])
        yield
    finally:
        with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_read_only=off") as session:
            session.execute(f"ALTER SYSTEM RESET {check}")
            session.execute("SELECT pg_reload_conf()")
        await wait_for(changed=False, usual=row[0])


async def test_a_service_as_it_is_founded_is_good_throughout(trio: Trio) -> None:
    """Every check of databases is made, on real servers, and finds nothing: a check that cries on what is right is read by nobody."""
    findings = await sound(trio)
    kinds = {
        Area.PARAMETERS,
        Area.PRIVILEGES,
        Area.TLS,
        Area.VERSIONS,
        Area.REPLICA_IDENTITY,
        Area.SCHEMA,
        Area.CLOCKS,
        Area.SLOTS,
    }
    assert {one.check for one in findings} >= {check for check, area in AREA.items() if area in kinds}


async def test_each_wrong_parameter_is_found(trio: Trio) -> None:
    """As new sessions would have it, on the server where it is wrong, and nowhere else."""
    assert WRONG.keys() | AT_A_START | {Check.IDLE_REPLICATION_SLOT_TIMEOUT} == RULES.keys()
    wrong = dict(WRONG)
    with psycopg.connect(trio.servers[AWS].dsn()) as session:
        version = session.info.server_version
    if version >= 180_000:
        wrong[Check.IDLE_REPLICATION_SLOT_TIMEOUT] = "'60s'"
    for check, value in wrong.items():
        async with set_to(trio, AWS, check, value):
            findings = await look(trio)
        expected = Verdict.BAD if RULES[check].grave else Verdict.WARNING
        assert verdict(findings, check) is expected, check
        assert verdict(findings, check, GCP) is Verdict.GOOD, check


async def test_what_a_role_has_otherwise_is_found(trio: Trio) -> None:
    """The server's own value is right, and every payment is acknowledged before it is on any disk."""
    app = naming.app_role(trio.service)
    admin(trio, AWS, f"ALTER ROLE {app} SET synchronous_commit = off")
    findings = await look(trio)
    assert verdict(findings, Check.OVERRIDES) is Verdict.BAD
    assert verdict(findings, Check.SYNCHRONOUS_COMMIT) is Verdict.GOOD


@pytest.mark.parametrize(
    ("check", "expected", "statement"),
    [
        (Check.CONTROL_ROLE, Verdict.BAD, "ALTER ROLE {service}_control NOREPLICATION"),
        (Check.CONTROL_ROLE, Verdict.BAD, "REVOKE pg_create_subscription FROM {service}_control"),
        (Check.CONTROL_ROLE, Verdict.BAD, "REVOKE pg_signal_backend FROM {service}_control"),
        (Check.CONTROL_ROLE, Verdict.BAD, "REVOKE pg_monitor FROM {service}_control"),
        (
            Check.CONTROL_ROLE,
            Verdict.BAD,
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_replication_origin_progress(text, boolean) FROM {service}_control",
        ),
        (Check.CONTROL_ROLE, Verdict.BAD, "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC"),
        (Check.CONTROL_ROLE, Verdict.BAD, "ALTER TABLE ledger.payment OWNER TO postgres"),
        (Check.CONTROL_ROLE, Verdict.WARNING, "ALTER ROLE {service}_control SUPERUSER"),
        (Check.STREAM_ROLE, Verdict.BAD, "ALTER ROLE {service}_stream NOREPLICATION"),
        (Check.STREAM_ROLE, Verdict.BAD, "REVOKE SELECT ON ledger.payment FROM {service}_stream"),
        (Check.STREAM_ROLE, Verdict.BAD, "REVOKE USAGE ON SCHEMA ledger FROM {service}_stream"),
        (Check.STREAM_ROLE, Verdict.BAD, "GRANT INSERT ON ledger.payment TO {service}_stream"),
        (Check.APP_ROLE, Verdict.BAD, "GRANT SET ON PARAMETER session_replication_role TO {service}_app"),
        (Check.APP_ROLE, Verdict.BAD, "GRANT {service}_control TO {service}_app"),
        (Check.APP_ROLE, Verdict.BAD, "GRANT UPDATE ON trimaran.node TO {service}_app"),
        (Check.APP_ROLE, Verdict.BAD, "ALTER ROLE {service}_app REPLICATION"),
        (Check.APP_ROLE, Verdict.BAD, "REVOKE CONNECT ON DATABASE {service} FROM {service}_app"),
        (Check.APP_ROLE, Verdict.WARNING, "ALTER ROLE {service}_app RESET default_transaction_read_only"),
        (Check.REPLICA_IDENTITY, Verdict.BAD, "ALTER TABLE ledger.payment REPLICA IDENTITY NOTHING"),
        (Check.GUARDS, Verdict.BAD, "DROP TRIGGER guard ON ledger.payment"),
        (Check.GUARDS, Verdict.BAD, "ALTER TABLE ledger.payment DISABLE TRIGGER guard"),
        (Check.GUARDS, Verdict.BAD, "ALTER TABLE ledger.payment ENABLE ALWAYS TRIGGER guard"),
        (Check.PUBLICATION, Verdict.BAD, "ALTER PUBLICATION {service}_ledger SET (publish = 'insert, update')"),
        (Check.PUBLICATION, Verdict.BAD, "ALTER PUBLICATION {service}_ledger SET (publish = 'insert, update, delete, truncate')"),
        (Check.PUBLICATION, Verdict.BAD, "ALTER PUBLICATION {service}_ledger DROP TABLE trimaran.marker"),
        (Check.PUBLICATION, Verdict.BAD, "DROP PUBLICATION {service}_ledger"),
        (Check.SEQUENCES, Verdict.BAD, "ALTER TABLE ledger.payment ADD COLUMN number bigserial"),
        (Check.STREAM, Verdict.BAD, "ALTER SUBSCRIPTION {service}_e1_azure_aws SET (synchronous_commit = off)"),
        (Check.STREAM, Verdict.BAD, "ALTER SUBSCRIPTION {service}_e1_azure_aws SET (origin = none)"),
        (Check.STREAM, Verdict.BAD, "ALTER SUBSCRIPTION {service}_e1_azure_aws DISABLE"),
        (Check.SPARES, Verdict.WARNING, "SELECT pg_drop_replication_slot('{service}_spare_e1_aws_gcp')"),
        (Check.SPARES, Verdict.WARNING, "DROP SUBSCRIPTION {service}_spare_e1_gcp_aws"),
        (Check.PINS, Verdict.BAD, "UPDATE trimaran.node SET timeline = timeline + 1"),
        (Check.NODE, Verdict.BAD, "UPDATE trimaran.node SET site = 'gcp'"),
    ],
)
async def test_what_is_wrong_with_one_database_is_found(trio: Trio, check: Check, expected: Verdict, statement: str) -> None:
    """One thing is spoilt at aws; it is found there, and the other sites stay good."""
    admin(trio, AWS, statement.format(service=trio.service))
    findings = await look(trio)
    assert verdict(findings, check) is expected
    assert verdict(findings, check, GCP) is Verdict.GOOD


async def test_a_node_without_its_row_is_found(trio: Trio) -> None:
    """A site that is being built again: the schema stands, and the node says nothing."""
    admin(trio, AWS, "CREATE TABLE kept AS SELECT * FROM trimaran.node", "DELETE FROM trimaran.node")
    findings = await look(trio)
    admin(trio, AWS, "INSERT INTO trimaran.node SELECT * FROM kept")
    assert verdict(findings, Check.NODE) is Verdict.BAD
    assert verdict(findings, Check.ONE_WRITER, None) is Verdict.BAD


async def test_another_schema_is_found(trio: Trio) -> None:
    """An index that one node has and the others have not."""
    await trio.sql(AWS, "CREATE INDEX made_by_hand ON ledger.payment (created_at)")
    assert verdict(await look(trio), Check.SAME_SCHEMA, None) is Verdict.BAD


async def test_an_ack_set_that_nobody_streams_from_is_found(trio: Trio) -> None:
    """One follower away is a warning; both, and nobody can acknowledge."""
    await trio.part(AWS)
    assert verdict(await look(trio), Check.ACK_SLOTS, AZURE) is Verdict.WARNING
    await trio.part(GCP)
    assert verdict(await look(trio), Check.ACK_SLOTS, AZURE) is Verdict.BAD


def settings(trio: Trio, place: Path) -> Path:
    """A controller's settings with the servers of this service, and nothing else that could be asked."""
    given = document()
    for table in ("clouds", "authorities", "groups"):
        del given[table]
    service = given["services"].pop("payments")
    for table in ("capacity", "replicas", "servers"):
        del service[table]
    at = {site: {"host": "127.0.0.1", "port": trio.servers[site].port} for site in SITES}
    service["databases"] = at
    service["streams"] = {site: {other: at[other] for other in SITES if other != site} for site in SITES}
    given["services"] = {trio.service: service}
    given["etcd"] = {"endpoints": ["http://127.0.0.1:1"]}
    path = place / "aws.toml"
    path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
    return path


async def test_the_command_tells_the_same(
    trio: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a process would be run: nothing bad and no etcd is one exit status, something bad another, and both say what to do."""
    await sound(trio)
    for role in ("CONTROL", "STREAM"):
        monkeypatch.setenv(f"TRIMARAN_{trio.service.upper()}_{role}_PASSWORD", "secret")
    command = ["doctor", "--settings", str(settings(trio, tmp_path)), "--json"]
    assert await asyncio.to_thread(app.run, command) == Exit.UNTOLD
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["bad"] == 0
    unknown = {one["check"] for one in told["findings"] if one["verdict"] == "unknown"}
    around = {Check.STANDBY, Check.HIGH_AVAILABILITY, Check.SERVER_STATE, Check.STORAGE, Check.INSTANCES, Check.PROVIDER_ACCESS}
    assert unknown == around | {Check.ETCD, Check.POSTURE_DRIFT}
    admin(trio, AWS, "ALTER TABLE ledger.payment REPLICA IDENTITY NOTHING")
    assert await asyncio.to_thread(app.run, command[:-1]) == Exit.UNFIT
    assert "Give each a primary key" in " ".join(capsys.readouterr().out.split())


async def test_who_is_turned_away_knows_it_and_who_hears_nothing_too(trio: Trio) -> None:
    """A wrong password and a missing database are answers; a closed port is none."""
    control = trio.nodes[AWS].sessions.address
    cases = {
        replace(control, password="wrong"): True,
        replace(control, database="nothing"): True,
        replace(control, port=1): False,
    }
    for address, refused in cases.items():
        seen = await examiner(trio, AWS, control=address).examine(DEADLINE)
        assert isinstance(seen.login, Unasked) and seen.login.refused is refused, address
        assert "secret" not in str(seen) and "wrong" not in str(seen)
        assert seen.stream_login is None, "the other role is let in all the same"
    seen = await examiner(trio, AWS, stream=replace(control, user="nobody")).examine(DEADLINE)
    assert isinstance(seen.stream_login, Unasked) and seen.stream_login.refused and seen.login is None


async def test_two_addresses_of_one_server_are_found(trio: Trio) -> None:
    """A line that was copied in the settings: gcp is aws, and says so itself."""
    found = await examined(trio)
    found[GCP] = await examiner(trio, GCP, control=trio.nodes[AWS].sessions.address).examine(DEADLINE)
    findings = tuple(databases(trio.service, found))
    assert verdict(findings, Check.OWN_SERVER, None) is Verdict.BAD
    assert verdict(findings, Check.NODE, GCP) is Verdict.BAD


async def test_an_empty_database_waits_for_bootstrap(trio: Trio) -> None:
    """Before anything is installed every question has an answer, and none of them is an error."""
    admin(trio, AWS, f"CREATE DATABASE {trio.service}_empty OWNER {naming.control_role(trio.service)}")
    try:
        control = replace(trio.nodes[AWS].sessions.address, database=f"{trio.service}_empty")
        seen = await examiner(trio, AWS, control=control).examine(DEADLINE)
        assert seen.node is None
        assert not [part for part in (seen.server, seen.rights, seen.ledger, seen.streams) if isinstance(part, Unasked)]
        findings = tuple(databases(trio.service, {AWS: seen}))
        assert verdict(findings, Check.PUBLICATION) is verdict(findings, Check.NODE) is Verdict.BAD
    finally:
        admin(trio, AWS, f"DROP DATABASE {trio.service}_empty WITH (FORCE)")


async def test_it_can_change_nothing(trio: Trio) -> None:
    """The server itself refuses, whatever a question of ours would do by a slip."""
    session = await examiner(trio, AZURE)._session(trio.nodes[AZURE].sessions.address, DEADLINE)
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await session.run(("UPDATE trimaran.node SET token = 1", ()), deadline=DEADLINE)
    finally:
        await session.close()


async def test_it_waits_for_no_fence_and_no_migration(trio: Trio) -> None:
    """Somebody holds the node's row and a ledger table as hard as anybody can; payments wait, the look does not."""
    dsn = trio.servers[AWS].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute("LOCK TABLE trimaran.node IN EXCLUSIVE MODE")
        await holder.execute("LOCK TABLE ledger.payment IN ACCESS EXCLUSIVE MODE")
        seen = await examiner(trio, AWS).examine(timedelta(seconds=2))
        await holder.rollback()
    parts = (seen.server, seen.rights, seen.ledger, seen.node, seen.streams)
    assert not [part for part in parts if isinstance(part, Unasked)]


async def test_a_server_without_tls_is_seen_to_take_a_login_in_the_open(trio: Trio) -> None:
    """The lab's servers speak no TLS, so they ask for the password; none is shown."""
    address = trio.nodes[AWS].sessions.address
    assert await takes_plain(address.host, address.port, database=address.database, user=address.user, deadline=DEADLINE)
