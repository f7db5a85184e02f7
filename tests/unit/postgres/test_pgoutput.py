"""The pgoutput reader on messages written here by the protocol's documentation; the real server's are read in the protocol tests."""

import struct
from collections.abc import Sequence

import pytest

from controller.core.model import Lsn
from controller.postgres.pgoutput import transactions


def begin(end: int) -> bytes:
    """Begin: final position, time, transaction id."""
    return b"B" + struct.pack(">QqI", end - 8, 0, 700)


def origin(name: str, at: int) -> bytes:
    """Origin: where it was committed first, and its name here."""
    return b"O" + struct.pack(">Q", at) + name.encode() + b"\0"


def relation(identifier: int, schema: str, table: str, columns: Sequence[str]) -> bytes:
    """Relation: a table's columns, announced once."""
    head = b"R" + struct.pack(">I", identifier) + schema.encode() + b"\0" + table.encode() + b"\0d"
    described = (b"\1" + name.encode() + b"\0" + struct.pack(">Ii", 25, -1) for name in columns)
    return head + struct.pack(">H", len(columns)) + b"".join(described)


def insert(identifier: int, values: Sequence[str | None]) -> bytes:
    """Insert: one new tuple in text format."""
    packed = (b"n" if value is None else b"t" + struct.pack(">I", len(value.encode())) + value.encode() for value in values)
    return b"I" + struct.pack(">I", identifier) + b"N" + struct.pack(">H", len(values)) + b"".join(packed)


def commit(end: int) -> bytes:
    """Commit: flags, commit position, end position, time."""
    return b"C\0" + struct.pack(">QQq", end - 8, end, 0)


PAYMENT = relation(16, "ledger", "payment", ("id", "idempotency_key"))


def test_a_transaction_ends_where_its_commit_ends() -> None:
    """Whoever has it stands at the end of the commit record, not at its start."""
    (one,) = transactions([begin(100), PAYMENT, insert(16, ("1", "a")), commit(100)])
    assert one.end == Lsn(100)
    assert (one.origin, one.origin_name) == (None, None)


def test_rows_come_with_their_table_and_columns() -> None:
    """NULL stays apart from the empty text; text may be of any length and alphabet."""
    (one,) = transactions([begin(100), PAYMENT, insert(16, (None, "")), insert(16, ("1", "schlüssel " * 50)), commit(100)])
    assert [inserted.table for inserted in one.inserts] == ["ledger.payment"] * 2
    assert dict(one.inserts[0].row) == {"id": None, "idempotency_key": ""}
    assert one.inserts[1].row["idempotency_key"] == "schlüssel " * 50


def test_an_origin_belongs_to_its_own_transaction() -> None:
    """A replicated transaction names where it ended first; the local one after it has none."""
    replicated, local = transactions(
        [begin(100), origin("pg_16500", 7000), commit(100), begin(200), PAYMENT, insert(16, ("1", "a")), commit(200)]
    )
    assert (replicated.origin, replicated.origin_name) == (Lsn(7000), "pg_16500")
    assert (local.origin, local.origin_name) == (None, None)
    assert replicated.inserts == ()
    assert len(local.inserts) == 1


def test_a_table_is_announced_once_and_remembered() -> None:
    """Later transactions refer to it by number; a second announcement replaces the first."""
    wider = relation(16, "ledger", "payment", ("id", "idempotency_key", "note"))
    first, second, third = transactions(
        [
            *(begin(10), PAYMENT, insert(16, ("1", "a")), commit(10)),
            *(begin(20), insert(16, ("2", "b")), commit(20)),
            *(begin(30), wider, insert(16, ("3", "c", "x")), commit(30)),
        ]
    )
    assert [one.inserts[0].row["idempotency_key"] for one in (first, second, third)] == ["a", "b", "c"]
    assert third.inserts[0].row["note"] == "x"


def test_a_transaction_without_its_commit_is_not_told() -> None:
    """Half of one proves nothing."""
    assert list(transactions([begin(100), PAYMENT, insert(16, ("1", "a"))])) == []


@pytest.mark.parametrize(
    "skipped", [b"U" + b"\0" * 20, b"D" + b"\0" * 20, b"T" + b"\0" * 20, b"Y" + b"\0" * 20, b"M" + b"\0" * 20]
)
def test_messages_that_nobody_needs_are_skipped(skipped: bytes) -> None:
    """Updates, deletes, types, messages: neither a position nor a key is in them."""
    (one,) = transactions([begin(100), skipped, PAYMENT, insert(16, ("1", "a")), skipped, commit(100)])
    assert len(one.inserts) == 1


def test_positions_use_all_their_bits() -> None:
    """A log of more than four gigabytes, and of more than eight exabytes."""
    far = (1 << 63) + 5
    (one,) = transactions([begin(far), origin("pg_1", far + 1), commit(far)])
    assert (one.end, one.origin) == (far, far + 1)
