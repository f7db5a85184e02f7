"""The client's record says exactly what was written, survives the writer's death, and is refused when it cannot be relied on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.lines import DamagedError
from lab.record import (
    Acknowledged,
    Answered,
    Attempted,
    Declined,
    Defect,
    Enrolled,
    Failed,
    Habit,
    Line,
    Offered,
    Record,
    Unanswered,
    Unresolved,
    read_line,
    read_record,
    write_line,
)

LINES: tuple[Line, ...] = (
    Offered(key="k-1", device=3, name="payments.trimaran.test", debtor="a", creditor="b", amount=7, currency="EUR", t=1.0),
    Attempted(key="k-1", attempt=1, site="aws", t=1.1),
    Failed(key="k-1", attempt=1, site=None, why='no "address"\nat all', t=1.2),
    Acknowledged(key="k-1", attempt=2, payment="p", epoch=2, site="gcp", status=201, latency=0.03, t=1.3),
    Declined(key="k-2", attempt=1, site="gcp", status=422, why="key-reused", t=1.4),
    Unresolved(key="k-3", t=1.5),
    Enrolled(device=3, name="payments.trimaran.test", habit=Habit.IGNORES_TTL, t=0.9),
    Answered(device=3, name="payments.trimaran.test", authority="clouddns", address="192.0.2.1", ttl=2.0, t=1.01),
    Answered(device=3, name="payments.trimaran.test", authority="route53", address=None, ttl=60.0, t=1.02),
    Unanswered(device=3, name="payments.trimaran.test", authority="azuredns", t=1.03),
    Defect(what="bound", t=1.6),
)


def test_every_kind_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading are inverse for every kind of line, line breaks inside values included."""
    with Record(tmp_path / "record") as record:
        for line in LINES:
            record.append(line)
    assert tuple(read_record(tmp_path / "record")) == LINES


@given(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_value_comes_back(text: str, number: int, moment: float) -> None:
    """Whatever a service or a library says, one value is one line."""
    line = Failed(key=text, attempt=number, site=text, why=text, t=moment)
    written = write_line(line)
    assert written.count(b"\n") == 1
    assert read_line(written.decode()) == line


def test_an_existing_record_is_continued(tmp_path: Path) -> None:
    """Opening the same file again appends; nothing that was acknowledged is forgotten."""
    for line in LINES[:2]:
        with Record(tmp_path / "record") as record:
            record.append(line)
    assert tuple(read_record(tmp_path / "record")) == LINES[:2]


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    """A line is the kernel's when append returns: a process that dies in the next instruction has lost nothing."""
    program = (
        "import os, sys, pathlib\n"
        "from lab.record import Record, Unresolved\n"
        "record = Record(pathlib.Path(sys.argv[1]))\n"
        "record.append(Unresolved(key='k', t=1.0))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "record")], timeout=30, check=False)
    assert done.returncode == -9
    assert tuple(read_record(tmp_path / "record")) == (Unresolved(key="k", t=1.0),)


def test_a_last_line_without_its_end_is_left_out(tmp_path: Path) -> None:
    """It was being written when the writer died, so it had not been counted."""
    whole = write_line(LINES[0])
    (tmp_path / "record").write_bytes(whole + write_line(LINES[3])[:-9])
    assert tuple(read_record(tmp_path / "record")) == LINES[:1]


@pytest.mark.parametrize("rubbish", ["{", "[]", "7", '{"kind":"paid"}', '{"kind":"unresolved","key":"k"}', '{"key":"k","t":1}'])
def test_a_damaged_line_is_named(tmp_path: Path, rubbish: str) -> None:
    """A record with a line that nobody can read proves nothing; skipping the line could skip the lost payment."""
    (tmp_path / "record").write_bytes(write_line(LINES[0]) + rubbish.encode() + b"\n")
    with pytest.raises(DamagedError, match="line 2"):
        tuple(read_record(tmp_path / "record"))


def test_a_full_disk_is_an_error_before_anything_counts() -> None:
    """The caller hears of it instead of counting a payment that is on no record."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full to write to")
    record = Record(Path("/dev/full"))
    with pytest.raises(OSError, match="space"):
        record.append(LINES[0])
