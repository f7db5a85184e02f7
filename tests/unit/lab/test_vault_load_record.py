"""The cardholders' record reads back what was written, holds no number, and is refused when it cannot be relied on."""

from dataclasses import fields
from pathlib import Path

import pytest

from lab.lines import DamagedError
from lab.vault_load_record import (
    KINDS,
    Line,
    RevealWanted,
    Tokenized,
    TokenWanted,
    VaultRecord,
    read_line,
    read_vault_record,
    write_line,
)

WANTED = TokenWanted(key="k", device=1, name="vault", caller="shop", subject="s", digest="d", t=1.0)
TOLD = Tokenized(key="k", attempt=1, token="t", epoch=2, site="aws", status=201, latency=0.1, t=1.1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_back(kind: str) -> None:
    """What a reader gets is what was written."""
    of = KINDS[kind]
    values = {"str": "x", "int": 3, "float": 1.5, "str | None": None}
    line: Line = of(**{field.name: values[str(getattr(field.type, "__name__", field.type))] for field in fields(of)})
    assert read_line(write_line(line).decode()) == line


def test_no_kind_has_a_place_for_a_number() -> None:
    """A number would stand in a field, and none is named so: what is written of numbers is a digest."""
    names = {field.name for of in KINDS.values() for field in fields(of)}
    assert names.isdisjoint({"number", "digits", "card", "body", "last_four"})
    assert {"digest"} <= {field.name for field in fields(TokenWanted)}
    assert "digest" not in {field.name for field in fields(RevealWanted)}


def test_a_record_is_continued_and_its_torn_end_left_out(tmp_path: Path) -> None:
    """A line that was being written had not been counted yet."""
    for line in (WANTED, TOLD):
        with VaultRecord(tmp_path / "record") as record:
            record.append(line)
    with (tmp_path / "record").open("ab") as file:
        file.write(write_line(TOLD)[:20])
    assert tuple(read_vault_record(tmp_path / "record")) == (WANTED, TOLD)


@pytest.mark.parametrize("bad", ["{}", "nonsense", '{"kind":"tokenized"}', '{"kind":"guessed","t":1}', "[]"])
def test_a_damaged_record_is_refused(tmp_path: Path, bad: str) -> None:
    """With the number of the line."""
    (tmp_path / "record").write_bytes(write_line(WANTED) + bad.encode() + b"\n")
    with pytest.raises(DamagedError, match="record, line 2"):
        tuple(read_vault_record(tmp_path / "record"))
