"""Reads the pgoutput stream (protocol version 1) far enough to map positions.

Source: PostgreSQL documentation, "Logical Replication Message Formats". Messages without a position are skipped by tag.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.core.model import Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One committed transaction of a slot."""

    end: Lsn
    """End of the commit record in the log of the server that holds the slot: where a reader that has it stands."""
    origin: Lsn | None
    """Where it ended in its first server's log, when it came here by replication."""
    origin_name: str | None
    """Replication origin here, `pg_<oid of the subscription>`."""


def transactions(messages: Iterable[bytes]) -> Iterator[Transaction]:
    """Whole transactions in commit order."""
    origin: Lsn | None = None
    origin_name: str | None = None
    for message in messages:
        match message[:1]:
            case b"B":
                origin = origin_name = None
            case b"O":
                origin = Lsn(struct.unpack_from(">Q", message, 1)[0])
                origin_name = message[9:-1].decode()
            case b"C":
                yield Transaction(end=Lsn(struct.unpack_from(">Q", message, 10)[0]), origin=origin, origin_name=origin_name)
            case _:
                pass
