"""Statements of a script: where one ends, and what a rule may look at."""

import pytest

from workload.schema.effects import Kind, effect_of
from workload.schema.text import split


def test_a_semicolon_ends_a_statement_only_where_postgresql_says_so() -> None:
    """Not in comments, not in text, not in a function's body."""
    script = """
    -- first; a comment
    COMMENT ON TABLE a.b IS 'one; two''s';  /* ; */
    CREATE OR REPLACE FUNCTION a.f() RETURNS text LANGUAGE sql AS $body$ SELECT 'x;'; $body$;
    DROP TABLE IF EXISTS a.b
    """
    assert [effect.kind for one in split(script) if (effect := effect_of(one))] == [
        Kind.COMMENT,
        Kind.REPLACE_FUNCTION,
        Kind.DROP_TABLE,
    ]
    assert split(script)[0].literals == ("one; two's",)


def test_a_script_of_nothing_has_no_statement() -> None:
    """Comments and empty statements are none."""
    assert split("-- nothing\n ; ;\n/* more */") == ()


@pytest.mark.parametrize(
    "hidden",
    ["COMMENT ON TABLE a.b IS 'x'; DROP TABLE a.b", "COMMENT ON TABLE a.b IS $$'$$; DROP TABLE IF EXISTS a.b"],
)
def test_nothing_hides_behind_text(hidden: str) -> None:
    """Quotes inside quotes end nothing."""
    assert len(split(hidden)) == 2


def test_text_can_never_pass_for_sql() -> None:
    """What is said inside quotes is not part of the shape."""
    (one,) = split("ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text DEFAULT ' NOT NULL UNIQUE'")
    effect = effect_of(one)
    assert effect is not None
    assert "UNIQUE" not in one.shape
    assert (effect.table, effect.name, effect.type) == ("a.b", "c", "text")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("alter table a.b add column if not exists c numeric(10, 2) not null default 0", Kind.ADD_COLUMN),
        ("ALTER TABLE a.b ALTER COLUMN c DROP NOT NULL", Kind.RELAX_COLUMN),
        ("CREATE TABLE IF NOT EXISTS a.b (id uuid PRIMARY KEY, at timestamptz)", Kind.CREATE_TABLE),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a.b (c) WHERE c IS NOT NULL", Kind.CREATE_INDEX_BESIDE),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON a.b USING btree (c)", Kind.CREATE_INDEX),
        ("GRANT SELECT, INSERT ON a.b TO payments_app, payments_stream", Kind.GRANT),
        ("REVOKE ALL ON FUNCTION a.f FROM PUBLIC", Kind.REVOKE),
        ("ALTER TABLE a.b DROP COLUMN IF EXISTS c", Kind.DROP_COLUMN),
        ("DROP INDEX CONCURRENTLY IF EXISTS a.i", Kind.DROP_INDEX),
        ("DROP FUNCTION IF EXISTS a.f(uuid, text)", Kind.DROP_FUNCTION),
    ],
)
def test_every_kind_is_known_by_its_shape(text: str, kind: Kind) -> None:
    """Spaces and capitals do not matter."""
    (one,) = split(text)
    effect = effect_of(one)
    assert effect is not None and effect.kind is kind


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE ledger.payment SET amount = 0",
        "ALTER TABLE a.b ADD COLUMN c uuid",
        "ALTER TABLE b ADD COLUMN IF NOT EXISTS c uuid",
        "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c bigserial",
        "ALTER TABLE a.b ADD CONSTRAINT x CHECK (c > 0)",
        "CREATE TABLE a.b (id uuid PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS a.b (id uuid PRIMARY KEY) PARTITION BY HASH (id)",
        "CREATE UNLOGGED TABLE IF NOT EXISTS a.b (id uuid PRIMARY KEY)",
        "DROP TABLE IF EXISTS a.b CASCADE",
        "DROP INDEX IF EXISTS a.i",
        "TRUNCATE a.b",
        "LOCK TABLE a.b",
        "SELECT 1",
        "GRANT payments_control TO payments_app",
        "GRANT SELECT ON a.b TO payments_app WITH GRANT OPTION",
        'ALTER TABLE "a"."b" DROP COLUMN IF EXISTS "c"',
    ],
)
def test_what_is_not_known_has_no_effect(text: str) -> None:
    """And is refused for that, whatever it may be."""
    assert effect_of(split(text)[0]) is None
