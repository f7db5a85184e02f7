"""Which exits speak against a run, and that a dead watcher is not silence."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from lab.binaries import EtcdBinary
from lab.faults import Faults
from lab.site import Site
from lab.supervision import Exit, Supervisor, errors_in, inexcusable, last_words

WHEEL, SOUND = (EtcdBinary(version=version, path=Path("etcd")) for version in ("3.5.1", "3.6.1"))
KNOWN = "panic: unexpected error during txn"


@pytest.mark.parametrize(
    ("label", "words", "etcd", "counts"),
    [
        ("etcd-gcp", KNOWN, WHEEL, False),
        ("etcd-gcp", KNOWN, SOUND, True),
        ("etcd-gcp", "panic: runtime error: index out of range", WHEEL, True),
        ("controller-gcp", KNOWN, WHEEL, True),
        ("payments-aws", "", WHEEL, True),
        ("postgres-aws", "", WHEEL, True),
    ],
)
def test_only_the_known_panic_of_the_wheels_etcd_is_excused(label: str, words: str, etcd: EtcdBinary, counts: bool) -> None:
    """A product process that dies by itself breaks the run, however soon it was started again."""
    assert inexcusable(Exit(label=label, status=2, at=1.0, last_words=words), etcd) is counts


class Haunted:
    """A site whose processes cannot even be looked at."""

    name = "aws"

    def processes(self) -> Iterator[Any]:
        raise PermissionError("no more files")


async def test_a_watch_that_ended_says_so() -> None:
    """Whatever died after that is in no list, so the list is not proof of anything."""
    supervisor = Supervisor({"aws": cast(Site, Haunted())}, cast(Faults, None))
    with suppress(ExceptionGroup):
        await asyncio.wait_for(supervisor.watch(), 5)
    assert "no more files" in supervisor.failure


def test_a_process_that_died_of_a_defect_says_which() -> None:
    """A traceback in JSON begins with where Python started, and ends with what was wrong."""
    group = '  + Exception Group Traceback (most recent call last):\n  |   File "<frozen runpy>", line 198\n  | ExceptionGroup: unhandled\n'
    inner = "    | Traceback (most recent call last):\n    | psycopg.OperationalError: the connection is closed\n    +------"
    line = json.dumps({"event": "uncaught", "exception": group + inner})
    assert last_words(line) == "uncaught; psycopg.OperationalError: the connection is closed"
    assert errors_in((group + inner).splitlines()) == ["psycopg.OperationalError: the connection is closed"]
    assert last_words("x" * 300) == "x" * 200 and last_words('{"event": 1}') == '{"event": 1}'
