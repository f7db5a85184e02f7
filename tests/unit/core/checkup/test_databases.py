"""Servers, roles, tables and streams: each thing that can be wrong is found, and silence is a third answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core import naming
from controller.core.checkup.catalogue import AREA, Area, Check
from controller.core.checkup.facts import Database, Parameter, Streams, Tap, silent
from controller.core.checkup.finding import Finding, Unasked, Verdict, worst
from controller.core.checkup.fleet import databases
from controller.core.model import Epoch, Role
from tests.unit.core.checkup.sound import (
    AWS,
    AZURE,
    EPOCH,
    GCP,
    SERVICE,
    SITES,
    Trio,
    database,
    login,
    node,
    server,
    table,
    taps,
    trio,
    with_node,
    with_parameter,
    with_part,
    with_server,
)

GOOD, WARNING, BAD, UNKNOWN = Verdict.GOOD, Verdict.WARNING, Verdict.BAD, Verdict.UNKNOWN
MUTE = Unasked(because="it did not answer")
TURNED_AWAY = Unasked(because="login failed", refused=True)
AT_AWS, AT_AZURE = "payments at aws", "payments at azure"

OF_DATABASES = frozenset(
    check
    for check, area in AREA.items()
    if area not in {Area.STANDBY, Area.DNS, Area.CERTIFICATES, Area.DRIFT}
    and check not in {Check.PROVIDER_ACCESS, Check.ETCD, Check.ISSUER, Check.INSTANCES, Check.STORAGE, Check.SURVIVORS}
)
"""What is asked of databases."""


def look(given: Trio) -> tuple[Finding, ...]:
    return tuple(databases(SERVICE, given))


def found(given: Trio, check: Check, subject: str) -> Finding:
    (one,) = [one for one in look(given) if one.check is check and one.subject == subject]
    return one


def rights(**changes: object) -> Trio:
    held = database(AWS).rights
    return with_part(AWS, rights=replace(held, **changes))  # type: ignore[type-var, arg-type]


def app(**changes: object) -> Trio:
    return rights(app=replace(login("payments_app", replication=False, reads=True), **changes))  # type: ignore[arg-type]


def stream(**changes: object) -> Trio:
    return rights(stream=replace(login("payments_stream", replication=True), **changes))  # type: ignore[arg-type]


def payments(**changes: object) -> Trio:
    held = database(AWS).ledger
    tables = (replace(table("ledger.payment"), **changes), table("trimaran.marker"))  # type: ignore[arg-type]
    return with_part(AWS, ledger=replace(held, tables=tables))  # type: ignore[type-var]


def ledger(**changes: object) -> Trio:
    return with_part(AWS, ledger=replace(database(AWS).ledger, **changes))  # type: ignore[type-var, arg-type]


def door(**changes: object) -> Trio:
    return with_part(AWS, door=replace(database(AWS).door, **changes))  # type: ignore[type-var, arg-type]


def tapped(**changes: object) -> Trio:
    running = replace(taps(AWS).taps[0], **changes)  # type: ignore[arg-type]
    return with_part(AWS, streams=replace(taps(AWS), taps=(running,)))


def subscription(**changes: object) -> Trio:
    return with_node(AWS, subscriptions=(replace(node(AWS).subscriptions[0], **changes),))  # type: ignore[arg-type]


def slots(**changes: object) -> Trio:
    held = node(AZURE).slots
    return with_node(AZURE, slots=(replace(held[0], **changes), *held[1:]))  # type: ignore[arg-type]


def mute(part: str) -> Trio:
    return with_part(AWS, **{part: MUTE})


def clock(seconds: float) -> Trio:
    return with_server(AWS, offset=timedelta(seconds=seconds))


CASES: dict[Check, tuple[tuple[Verdict, str, Callable[[], Trio]], ...]] = {
    Check.LOGIN: (
        (BAD, AT_AWS, lambda: trio(aws=silent(TURNED_AWAY))),
        (UNKNOWN, AT_AWS, lambda: trio(aws=silent(MUTE))),
    ),
    Check.STREAM_LOGIN: (
        (BAD, AT_AWS, lambda: with_part(AWS, stream_login=TURNED_AWAY)),
        (UNKNOWN, AT_AWS, lambda: with_part(AWS, stream_login=MUTE)),
    ),
    Check.VERSION: (
        (BAD, AT_AWS, lambda: with_server(AWS, version=150_018)),
        (WARNING, AT_AWS, lambda: with_server(AWS, version=170_001)),
        (WARNING, AT_AWS, lambda: with_server(AWS, version=190_000)),
        (GOOD, AT_AWS, lambda: with_server(AWS, version=180_000)),
        (UNKNOWN, AT_AWS, lambda: mute("server")),
    ),
    Check.CLOCK: (
        (WARNING, AT_AWS, lambda: clock(-2.1)),
        (BAD, AT_AWS, lambda: clock(11)),
        (GOOD, AT_AWS, lambda: with_server(AWS, offset=timedelta(seconds=3), uncertainty=timedelta(seconds=2))),
        (UNKNOWN, AT_AWS, lambda: mute("server")),
    ),
    Check.SLOT_ROOM: (
        (BAD, AT_AWS, lambda: with_server(AWS, slots=25)),
        (GOOD, AT_AWS, lambda: with_server(AWS, slots=24)),
        (UNKNOWN, AT_AWS, lambda: with_parameter("max_replication_slots", None)),
    ),
    Check.SENDER_ROOM: (
        (BAD, AT_AWS, lambda: with_server(AWS, senders=25)),
        (UNKNOWN, AT_AWS, lambda: with_parameter("max_wal_senders", None)),
    ),
    Check.WORKER_ROOM: (
        (BAD, AT_AWS, lambda: with_server(AWS, workers=14)),
        (UNKNOWN, AT_AWS, lambda: with_parameter("max_logical_replication_workers", None)),
    ),
    Check.CONNECTIONS: (
        (WARNING, AT_AWS, lambda: with_server(AWS, connections=121)),
        (UNKNOWN, AT_AWS, lambda: with_server(AWS, connections=None)),
    ),
    Check.TLS_REACHED: (
        (BAD, AT_AWS, lambda: with_server(AWS, encrypted=False, tls="")),
        (BAD, AT_AWS, lambda: with_server(AWS, tls="TLSv1.1")),
        (UNKNOWN, AT_AWS, lambda: with_server(AWS, encrypted=None)),
        (UNKNOWN, AT_AWS, lambda: mute("server")),
    ),
    Check.TLS_VERIFIED: (
        (BAD, AT_AWS, lambda: door(mode="")),
        (BAD, AT_AWS, lambda: door(mode="prefer")),
        (BAD, AT_AWS, lambda: door(streams={GCP: "allow"})),
        (WARNING, AT_AWS, lambda: door(mode="require")),
        (GOOD, AT_AWS, lambda: door(mode="", local=True)),
        (UNKNOWN, AT_AWS, lambda: mute("door")),
    ),
    Check.TLS_FORCED: (
        (BAD, AT_AWS, lambda: door(takes_plain=True)),
        (UNKNOWN, AT_AWS, lambda: door(takes_plain=MUTE)),
        (GOOD, AT_AWS, lambda: door(takes_plain=True, local=True)),
    ),
    Check.TLS_STREAMS: (
        (BAD, AT_AWS, lambda: with_part(AWS, streams=replace(taps(AWS), plain=("payments_e3_aws_gcp",)))),
        (UNKNOWN, AT_AWS, lambda: with_part(AWS, streams=replace(taps(AWS), unseen=("payments_e3_aws_gcp",)))),
        (UNKNOWN, AT_AWS, lambda: mute("streams")),
    ),
    Check.CONTROL_ROLE: (
        (BAD, AT_AWS, lambda: rights(lacks=("make and move slots (REPLICATION)",))),
        (WARNING, AT_AWS, lambda: rights(superuser=True)),
        (UNKNOWN, AT_AWS, lambda: mute("rights")),
    ),
    Check.STREAM_ROLE: (
        (BAD, AT_AWS, lambda: rights(stream=None)),
        (BAD, AT_AWS, lambda: stream(replication=False)),
        (BAD, AT_AWS, lambda: stream(login=False)),
        (BAD, AT_AWS, lambda: stream(connects=False)),
        (BAD, AT_AWS, lambda: stream(lacks=("read ledger.payment",))),
        (BAD, AT_AWS, lambda: stream(powers=("may write ledger.payment",))),
        (UNKNOWN, AT_AWS, lambda: mute("rights")),
    ),
    Check.APP_ROLE: (
        (BAD, AT_AWS, lambda: rights(app=None)),
        (BAD, AT_AWS, lambda: app(superuser=True)),
        (BAD, AT_AWS, lambda: app(replication=True)),
        (BAD, AT_AWS, lambda: app(powers=("may set session_replication_role",))),
        (WARNING, AT_AWS, lambda: app(reads_by_default=False)),
        (UNKNOWN, AT_AWS, lambda: mute("rights")),
    ),
    Check.REPLICA_IDENTITY: (
        (BAD, AT_AWS, lambda: payments(identity="n")),
        (BAD, AT_AWS, lambda: payments(key=False)),
        (GOOD, AT_AWS, lambda: payments(identity="f", key=False)),
        (BAD, AT_AWS, lambda: ledger(tables=())),
        (UNKNOWN, AT_AWS, lambda: mute("ledger")),
    ),
    Check.GUARDS: ((BAD, AT_AWS, lambda: payments(guarded=False)), (UNKNOWN, AT_AWS, lambda: mute("ledger"))),
    Check.SEQUENCES: ((BAD, AT_AWS, lambda: payments(numbered=("id",))), (UNKNOWN, AT_AWS, lambda: mute("ledger"))),
    Check.PUBLICATION: (
        (BAD, AT_AWS, lambda: ledger(published=False)),
        (BAD, AT_AWS, lambda: ledger(all_tables=True)),
        (BAD, AT_AWS, lambda: ledger(operations=frozenset({"insert", "update"}))),
        (BAD, AT_AWS, lambda: ledger(operations=frozenset({"insert", "update", "delete", "truncate"}))),
        (BAD, AT_AWS, lambda: ledger(tables=(table("ledger.payment"),))),
        (BAD, AT_AWS, lambda: payments(narrowed=True)),
        (UNKNOWN, AT_AWS, lambda: mute("ledger")),
    ),
    Check.NODE: (
        (BAD, AT_AWS, lambda: with_node(AWS, site=GCP)),
        (BAD, AT_AWS, lambda: with_part(AWS, node=None)),
        (BAD, AT_AWS, lambda: with_part(AWS, node=Unasked(because="this node is gcp, not aws", refused=True))),
        (WARNING, AT_AWS, lambda: with_node(AWS, role=Role.FENCED)),
        (UNKNOWN, AT_AWS, lambda: mute("node")),
    ),
    Check.PINS: ((BAD, AT_AWS, lambda: with_node(AWS, pinned=False)), (UNKNOWN, AT_AWS, lambda: mute("node"))),
    Check.RETAINED: (
        (BAD, AT_AZURE, lambda: slots(lost=True)),
        (WARNING, AT_AZURE, lambda: slots(retained_bytes=(1 << 30) + 1)),
        (UNKNOWN, AT_AWS, lambda: mute("node")),
    ),
    Check.STREAM: (
        (BAD, AT_AWS, lambda: with_node(AWS, subscriptions=())),
        (BAD, AT_AWS, lambda: subscription(enabled=False)),
        (BAD, AT_AWS, lambda: subscription(running=False)),
        (BAD, AT_AWS, lambda: subscription(seeded=False)),
        (BAD, AT_AWS, lambda: subscription(name=naming.stream(SERVICE, Epoch(2), AZURE, AWS))),
        (BAD, AT_AWS, lambda: tapped(synchronous_commit="off")),
        (BAD, AT_AWS, lambda: tapped(synchronous_commit="local")),
        (BAD, AT_AWS, lambda: tapped(origin="none")),
        (BAD, AT_AWS, lambda: tapped(streaming="p")),
        (WARNING, AT_AWS, lambda: tapped(errors=2)),
        (UNKNOWN, AT_AWS, lambda: mute("streams")),
        (UNKNOWN, AT_AWS, lambda: with_part(AZURE, node=MUTE)),
    ),
    Check.ACK_SLOTS: (
        (BAD, AT_AZURE, lambda: with_node(AZURE, ack_slots=())),
        (BAD, AT_AZURE, lambda: with_node(AZURE, slots=())),
        (BAD, AT_AZURE, lambda: with_node(AZURE, slots=tuple(replace(one, active=False) for one in node(AZURE).slots))),
        (WARNING, AT_AZURE, lambda: slots(active=False)),
        (WARNING, AT_AZURE, lambda: with_node(AZURE, ack_slots=node(AZURE).ack_slots[:1])),
        (UNKNOWN, AT_AZURE, lambda: with_part(AZURE, node=MUTE)),
    ),
    Check.SPARES: (
        (WARNING, AT_AWS, lambda: with_node(AWS, slots=())),
        (WARNING, AT_AWS, lambda: with_node(AWS, slots=(replace(node(AWS).slots[0], lost=True),))),
        (WARNING, AT_AWS, lambda: with_part(AWS, streams=replace(taps(AWS), spares=frozenset()))),
        (WARNING, AT_AZURE, lambda: with_part(AZURE, streams=replace(taps(AZURE), spares=frozenset()))),
        (UNKNOWN, AT_AWS, lambda: mute("streams")),
    ),
    Check.ONE_WRITER: (
        (BAD, SERVICE, lambda: with_node(AWS, role=Role.WRITER)),
        (BAD, SERVICE, lambda: with_node(AZURE, role=Role.FENCED)),
        (BAD, SERVICE, lambda: with_part(AWS, node=None)),
        (WARNING, SERVICE, lambda: with_node(AWS, epoch=Epoch(EPOCH - 1))),
        (UNKNOWN, SERVICE, lambda: mute("node")),
    ),
    Check.SAME_VERSION: (
        (WARNING, SERVICE, lambda: with_server(AWS, version=180_004)),
        (UNKNOWN, SERVICE, lambda: mute("server")),
    ),
    Check.SAME_SCHEMA: (
        (BAD, SERVICE, lambda: with_node(AWS, schema="fedcba9876543210")),
        (WARNING, SERVICE, lambda: with_node(AWS, schema="0123456789abcdef migrating")),
        (UNKNOWN, SERVICE, lambda: with_node(AWS, schema="")),
        (UNKNOWN, SERVICE, lambda: mute("node")),
    ),
    Check.OWN_SERVER: (
        (BAD, SERVICE, lambda: with_server(AWS, system="system of gcp")),
        (UNKNOWN, SERVICE, lambda: with_server(AWS, system=None)),
    ),
}

PARAMETERS = frozenset(check for check, area in AREA.items() if area is Area.PARAMETERS)
"""Those have tests of their own."""


def test_every_check_has_its_wrong_and_its_silent_case() -> None:
    """A check that no test has seen to find anything may find nothing."""
    assert CASES.keys() == OF_DATABASES - PARAMETERS
    for check, cases in CASES.items():
        seen = {verdict for verdict, _, _ in cases}
        assert seen & {BAD, WARNING}, check
        assert UNKNOWN in seen, check


@pytest.mark.parametrize(
    ("check", "verdict", "subject", "given"),
    [
        pytest.param(check, *case, id=f"{check}-{case[0]}-{number}")
        for check, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_what_is_wrong_is_found(check: Check, verdict: Verdict, subject: str, given: Callable[[], Trio]) -> None:
    """By the check that is about it, at the site where it is, with what to do."""
    one = found(given(), check, subject)
    assert one.verdict is verdict, one
    assert one.value and one.limit
    assert bool(one.way_out) is (verdict is not GOOD)


def test_everything_as_it_should_be_is_good() -> None:
    """And every check was made of every site it is about."""
    findings = look(trio())
    assert [one for one in findings if one.verdict is not GOOD] == []
    assert {one.check for one in findings} == OF_DATABASES
    together = {Check.ONE_WRITER, Check.SAME_VERSION, Check.SAME_SCHEMA, Check.OWN_SERVER}
    expected = {(check, f"payments at {site}") for check in OF_DATABASES - together for site in SITES}
    assert {(one.check, one.subject) for one in findings if one.check not in together} == expected
    assert len(findings) == len(expected) + len(together)


def test_of_a_silent_database_nothing_is_good() -> None:
    """A third answer: neither wrong nor well."""
    findings = [one for one in look(trio(aws=silent(MUTE))) if one.subject == AT_AWS]
    assert {one.verdict for one in findings} == {UNKNOWN}
    assert worst(one for one in look(trio(aws=silent(MUTE, database(AWS).door)))) is UNKNOWN


def test_nothing_installed_is_no_silence() -> None:
    """Three empty servers are waiting for bootstrap, and it is said so."""
    empty = {str(site): replace(database(site), node=None) for site in SITES}
    told = [one for one in look(trio(**empty)) if one.verdict is BAD]
    assert {one.check for one in told} >= {Check.NODE, Check.ONE_WRITER}
    assert all("bootstrap" in one.way_out for one in told)


def test_what_is_bad_is_not_hidden_by_what_is_unknown() -> None:
    """One site is silent, another runs with fsync off."""
    given: Trio = {**with_parameter("fsync", "off"), GCP: silent(MUTE)}
    assert worst(look(given)) is BAD
    assert worst([]) is UNKNOWN, "nobody looked"


def test_a_follower_of_an_old_epoch_and_its_late_subscription_are_told() -> None:
    """A stream of an epoch that is over still runs beside the right one: it would bring what the new writer never had."""
    old = replace(node(AWS).subscriptions[0], name=naming.stream(SERVICE, Epoch(2), GCP, AWS))
    one = found(with_node(AWS, subscriptions=(*node(AWS).subscriptions, old)), Check.STREAM, AT_AWS)
    assert one.verdict is BAD and "payments_e2_gcp_aws" in one.value


def test_a_tap_that_is_not_told_is_unknown() -> None:
    """Without it nobody knows when the follower confirms."""
    other = Tap(name="payments_e2_gcp_aws", synchronous_commit="on", origin="any", streaming="f", errors=0)
    streams: Streams = replace(taps(AWS), taps=(other,))
    assert found(with_part(AWS, streams=streams), Check.STREAM, AT_AWS).verdict is UNKNOWN


def test_more_room_takes_a_restart() -> None:
    """Who reads it plans for one; the parameter is named, not the check."""
    told = {**server(AWS).parameters, "max_replication_slots": Parameter(value="30", restarts=True)}
    way_out = found(with_server(AWS, slots=25, parameters=told), Check.SLOT_ROOM, AT_AWS).way_out
    assert "max_replication_slots = 37" in way_out and "restart" in way_out


def test_a_database_is_asked_for_all_its_parts() -> None:
    """A part that is added to the facts is judged, or this test is changed knowingly."""
    assert set(Database.__slots__) == {"server", "door", "rights", "ledger", "node", "streams", "login", "stream_login"}
