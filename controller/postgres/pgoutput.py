"""Reads the pgoutput stream (protocol version 1) far enough to map positions and to export a tail.

Source: PostgreSQL documentation, "Logical Replication Message Formats". Messages that neither needs are skipped by tag.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from controller.core.model import Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """One inserted row, values as PostgreSQL's text output; None is NULL."""

    table: str
    row: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One committed transaction of a slot."""

    end: Lsn
    """End of the commit record in the log of the server that holds the slot: where a reader that has it stands."""
    origin: Lsn | None
    """Where it ended in its first server's log, when it came here by replication."""
    origin_name: str | None
    """Replication origin here, `pg_<oid of the subscription>`."""
    inserts: tuple[Insert, ...]


@dataclass(slots=True)
class _Open:
    origin: Lsn | None = None
    origin_name: str | None = None
    inserts: list[Insert] = field(default_factory=list)


def transactions(messages: Iterable[bytes]) -> Iterator[Transaction]:
    """Whole transactions in commit order."""
    tables: dict[int, tuple[str, tuple[str, ...]]] = {}
    current = _Open()
    for message in messages:
        match message[:1]:
            case b"B":
                current = _Open()
            case b"O":
                current.origin = Lsn(struct.unpack_from(">Q", message, 1)[0])
                current.origin_name = message[9:-1].decode()
            case b"R":
                identifier, table, columns = _relation(message)
                tables[identifier] = (table, columns)
            case b"I":
                table, columns = tables[struct.unpack_from(">I", message, 1)[0]]
                current.inserts.append(Insert(table=table, row=dict(zip(columns, _tuple(message, 6), strict=True))))
            case b"C":
                end = Lsn(struct.unpack_from(">Q", message, 10)[0])
                yield Transaction(end=end, origin=current.origin, origin_name=current.origin_name, inserts=tuple(current.inserts))
            case _:
                pass


def _relation(message: bytes) -> tuple[int, str, tuple[str, ...]]:
    (identifier,) = struct.unpack_from(">I", message, 1)
    schema, at = _string(message, 5)
    table, at = _string(message, at)
    (count,) = struct.unpack_from(">H", message, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        name, at = _string(message, at + 1)
        columns.append(name)
        at += 8
    return identifier, f"{schema}.{table}", tuple(columns)


def _tuple(message: bytes, at: int) -> list[str | None]:
    """Values of one tuple; `at` points behind the tag byte `N`."""
    (count,) = struct.unpack_from(">H", message, at)
    at += 2
    values: list[str | None] = []
    for _ in range(count):
        kind = message[at : at + 1]
        at += 1
        if kind != b"t":
            values.append(None)
            continue
        (length,) = struct.unpack_from(">I", message, at)
        values.append(message[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return values


def _string(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1
