"""What the controllers compare of a service's ledger: every published table, and every column of it, or a reason why not."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

import workload
from controller.founding import schemas
from workload.schema.effects import NAME, TYPE

WORKLOAD = Path(workload.__file__).parent
CHANGES = "it changes with what later epochs do"

LEFT_OUT: Mapping[str, str] = {
    "ledger.profile": "derived from payments; it changes with each one that an account makes, and goes when the account rests",
    "outbox.endpoint": "an operator may say at any time where an account's events go",
    "outbox.counter": f"how many events an account has had: {CHANGES}",
    "outbox.delivery": f"how far a merchant was told: {CHANGES}",
    "vault.wrap": "repairs add them, rotation replaces them, erasures remove them",
}
LEFT_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "ledger.account": {"balance": f"the sum of the entries, which are compared: {CHANGES}"},
    "ledger.source": dict.fromkeys(("token", "subject"), "an erasure takes them away"),
    "ledger.erasure": dict.fromkeys(("reached", "payers"), "how far it has come: they go when it ends"),
}

PART = re.compile(r"\('\w+', '([a-z]+\.[a-z_]+)',\s*((?:'(?:[^']|'')*'\s*)+),")
COUNTED = re.compile(r"FROM (vault\.[a-z_]+) WHERE epoch <= up_to")
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([a-z]+\.[a-z_]+) \((.*?)\n\);", re.DOTALL)
COLUMN = re.compile(rf"^    ({NAME}) +{TYPE}(?![a-z0-9_])", re.MULTILINE)
ADDED = re.compile(rf"^ *ALTER TABLE (\S+)\s+ADD COLUMN IF NOT EXISTS\s+({NAME})", re.MULTILINE | re.IGNORECASE)


def digests() -> Mapping[str, str]:
    """Tables that some service's digest reads, with what it reads of each."""
    payments = (WORKLOAD / "payments" / "evidence.sql").read_text(encoding="utf-8")
    vault = (WORKLOAD / "vault" / "evidence.sql").read_text(encoding="utf-8")
    return dict(PART.findall(payments)) | dict.fromkeys(COUNTED.findall(vault), "whole rows")


def columns(root: Path = WORKLOAD) -> Mapping[str, set[str]]:
    """Columns of every table of every service, as its file creates it and as migrations add to it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in root.rglob("*.sql"):
        text = path.read_text(encoding="utf-8")
        for table, inside in CREATED.findall(text):
            found[table] |= set(COLUMN.findall(inside))
        for table, column in ADDED.findall(text):
            found[table].add(column)
    return found


def test_a_column_that_a_migration_adds_is_seen(tmp_path: Path) -> None:
    """From the first release on every new column comes so, and of any type that a migration may use. Unseen, followers could lack it or
    differ in it, and after every failover ledgers would be called equal."""
    (tmp_path / "base.sql").write_text("CREATE TABLE a.b (\n    id uuid PRIMARY KEY,\n    said numeric(10,2)[] NOT NULL\n);\n")
    (tmp_path / "migrations").mkdir()
    added = (
        "\nALTER TABLE a.b\n    ADD COLUMN IF NOT EXISTS purpose jsonb;\nALTER TABLE a.b ADD COLUMN IF NOT EXISTS rate2 date;\n"
    )
    (tmp_path / "migrations" / "0001_expand_it.sql").write_text(f"-- Why.\n{added}")
    assert columns(tmp_path) == {"a.b": {"id", "said", "purpose", "rate2"}}


def test_every_published_table_is_compared_or_left_out_for_a_reason() -> None:
    """A follower that was not told of a table skips its rows, and confirms them. Compared, it is found before it is needed; left out by
    mistake, ledgers are called equal of which one has lost what was acknowledged."""
    published = {*schemas.payments().tables, *schemas.vault().tables}
    assert {"ledger.erasure", "vault.token"} <= published
    assert published - digests().keys() == LEFT_OUT.keys()
    assert digests().keys() <= published


@pytest.mark.parametrize("table", sorted(table for table in digests() if not table.startswith("vault.")))
def test_every_column_is_compared_or_left_out_for_a_reason(table: str) -> None:
    """Columns are named there, so one that a later file adds has to be added, or to be written down here."""
    named = set(re.findall(r"[a-z_]+", digests()[table]))
    assert columns()[table], "the search finds columns"
    assert columns()[table] - named == set(LEFT_COLUMNS.get(table, {}))
