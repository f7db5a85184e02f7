"""A new node from nothing: the same tables as one that was migrated, and a record that says so."""

from workload.schema.baseline import baseline, tables, version
from workload.schema.migration import parse, read_migrations
from workload.schema.text import split

FILES = parse(
    {
        "0001_expand_a.sql": """
            CREATE TABLE IF NOT EXISTS a.new (id uuid PRIMARY KEY, said text);
            CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a.old (c);
            COMMENT ON TABLE a.new IS 'retention=forever residency=any contains=none: CONCURRENTLY kept';""",
        "0002_contract_b.sql": "-- after: 0001\nDROP TABLE IF EXISTS a.old;",
    }
)


def test_a_script_for_an_empty_node_needs_nobody_beside_it() -> None:
    """CONCURRENTLY is refused inside a script; words in text are left alone."""
    script = baseline(FILES)
    assert "INDEX IF NOT EXISTS i" in script
    assert "CONCURRENTLY kept" in script and script.count("CONCURRENTLY") == 1


def test_the_record_says_that_everything_is_done() -> None:
    """Or the first migration afterwards would do it all again."""
    records = [one.text for one in split(baseline(FILES)) if one.text.startswith("INSERT")]
    assert len(records) == len(FILES)
    for record, one in zip(records, FILES, strict=True):
        assert f"VALUES ({one.number}, '{one.name}', '{one.kind}', '{one.digest}'" in record


def test_published_is_what_there_is_in_the_end() -> None:
    """A table that came is, one that went is not."""
    assert tables(FILES, ("a.old", "a.other")) == ("a.other", "a.new")


def test_code_needs_the_newest_addition() -> None:
    """A removal is nothing that code needs."""
    assert version(FILES) == 1
    assert version(()) == 0
    assert version(read_migrations("payments")) >= 2
