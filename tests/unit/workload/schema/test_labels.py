"""Labels: their form, and that no table of any service is without one."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import controller.postgres
import workload
from workload.schema.labels import Contains, Label, astray, parse_label, place_of, unplaced
from workload.schema.text import split

WORKLOAD = Path(workload.__file__).parent
NODE = Path(controller.postgres.__file__).parent
CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([a-z_]+\.[a-z_]+)", re.IGNORECASE)
LABELLED = re.compile(r"COMMENT ON TABLE ([a-z_]+\.[a-z_]+) IS", re.IGNORECASE)
TIMED = re.compile(r"^\s*([a-z_]+)\s+timestamptz", re.IGNORECASE | re.MULTILINE)


def schema_files() -> list[Path]:
    """Every SQL file of every service, and of the node."""
    return sorted((*WORKLOAD.rglob("*.sql"), *NODE.glob("*.sql")))


def found(pattern: re.Pattern[str]) -> dict[str, str]:
    """Tables that some file creates or labels, with the statement that does."""
    statements = [one.text for path in schema_files() for one in split(path.read_text(encoding="utf-8"))]
    return {match[1].lower(): text for text in statements if (match := pattern.match(text))}


def test_every_table_of_every_service_is_labelled() -> None:
    """Nobody adds one without saying how long, where and what of."""
    tables = found(CREATED)
    assert {"ledger.payment", "vault.wrap", "trimaran.node"} <= set(tables), "the search finds tables"
    assert sorted(set(tables) - set(found(LABELLED))) == []


def test_every_label_can_be_read() -> None:
    """The fixed form, in all files."""
    for table, text in found(LABELLED).items():
        (statement,) = split(text)
        assert parse_label(statement.literals[-1]) is not None, table


def test_every_retention_counts_from_a_time_that_the_table_has() -> None:
    """A label that names no column of its table could not be carried out."""
    tables = found(CREATED)
    for table, text in found(LABELLED).items():
        (statement,) = split(text)
        label = parse_label(statement.literals[-1])
        assert label is not None
        if label.retention is not None:
            assert label.by in TIMED.findall(tables[table]), table


def test_numbers_and_keys_are_where_they_belong() -> None:
    """Cardholder data and secrets are in the vault and nowhere else."""
    for table, text in found(LABELLED).items():
        (statement,) = split(text)
        label = parse_label(statement.literals[-1])
        assert label is not None
        if label.contains in (Contains.CARDHOLDER, Contains.SECRET):
            assert table.startswith("vault."), table


def test_a_label_says_how_long_where_and_what_of() -> None:
    """The whole form."""
    assert parse_label("retention=400d by=at residency=eu,ch contains=personal: who looked: and why") == Label(
        retention=timedelta(days=400),
        by="at",
        residency=frozenset({"eu", "ch"}),
        contains=Contains.PERSONAL,
        said="who looked: and why",
    )
    for word in ("forever", "service"):
        label = parse_label(f"retention={word} residency=any contains=none")
        assert label is not None and label.retention is None and label.by == ""


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "payments",
        "retention=400d residency=any contains=none",
        "retention=0d by=at residency=any contains=none",
        "retention=forever by=at residency=any contains=none",
        "retention=forever residency= contains=none",
        "retention=forever residency=any contains=everything",
        "retention=forever residency=any contains=none payments",
        "residency=any retention=forever contains=none",
        " retention=forever residency=any contains=none",
    ],
)
def test_what_is_not_in_the_form_is_no_label(comment: str | None) -> None:
    """A label that may be read two ways is read by nobody."""
    assert parse_label(comment) is None


def test_residency_is_checked_where_places_are_known() -> None:
    """A site elsewhere is a breach, an unknown one is not; it is told apart."""
    label = parse_label("retention=forever residency=eu contains=none")
    assert label is not None
    places = {"aws": "eu", "azure": "", "gcp": "us"}
    assert astray(label, places) == ("gcp",)
    assert unplaced(label, frozenset({"aws", "azure", "gcp", "new"}), places) == ("azure", "new")
    anywhere = parse_label("retention=forever residency=any contains=none")
    assert anywhere is not None
    assert astray(anywhere, places) == () == unplaced(anywhere, frozenset(places), places)


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("eu-central-1", "eu"),
        ("europe-west3", "eu"),
        ("us-east-1", "us"),
        ("eu-west-2", "uk"),
        ("europe-west6", "ch"),
        ("germanywestcentral", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_regions_name_tells_its_place_or_nothing(region: str | None, place: str) -> None:
    """What is not known is not guessed; two names lie, and are known to."""
    assert place_of(region) == place
