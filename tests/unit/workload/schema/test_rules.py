"""What may stand in a migration: each rule alone, with a file that breaks just this one."""

import pytest

from workload.schema.errors import Unfit
from workload.schema.migration import Kind, parse, read_migrations, renamed
from workload.schema.rules import check, objections

TABLE = """
CREATE TABLE IF NOT EXISTS ledger.note (id uuid PRIMARY KEY, said text NOT NULL);
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.note
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
COMMENT ON TABLE ledger.note IS 'retention=forever residency=any contains=none: notes';
GRANT SELECT ON ledger.note TO payments_stream;
CREATE INDEX IF NOT EXISTS note_by_said ON ledger.note (said);
"""

SOUND = {
    "0001_expand_column.sql": """
        ALTER TABLE ledger.payment ADD COLUMN IF NOT EXISTS purpose text;
        ALTER TABLE ledger.payment ADD COLUMN IF NOT EXISTS tries integer NOT NULL DEFAULT 0;
        ALTER TABLE ledger.payment ADD COLUMN IF NOT EXISTS kind text DEFAULT 'plain'::text NOT NULL;
        CREATE INDEX CONCURRENTLY IF NOT EXISTS payment_by_purpose ON ledger.payment (purpose);
        CREATE OR REPLACE FUNCTION ledger.pay(new_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp AS $$ SELECT trimaran.admit(); $$;
        REVOKE ALL ON FUNCTION ledger.pay FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION ledger.pay TO payments_app;""",
    "0002_expand_table.sql": TABLE,
    "0003_contract_column.sql": "-- after: 0001\nALTER TABLE ledger.payment DROP COLUMN IF EXISTS purpose;",
}


def wrong(text: str, name: str = "0001_expand_it.sql", **others: str) -> str:
    """What is said against one file."""
    migrations = parse({name: text, **others})
    return "\n".join(objections(migrations[0], migrations, "payments"))


def test_a_sound_set_of_files_passes() -> None:
    """Additions and a removal that waits for the version that replaces what goes."""
    check(parse(SOUND), "payments")


@pytest.mark.parametrize("service", ["payments", "vault"])
def test_what_the_services_ship_is_sound(service: str) -> None:
    """Every file in this repository, also for a service of another name."""
    check(read_migrations(service), service)
    check(read_migrations(service, "other"), "other")


BROKEN = (
    ("a NOT NULL column without default", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text NOT NULL;", "without a default"),
    ("a computed default", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c uuid DEFAULT gen_random_uuid();", "constant default"),
    ("now as a text", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c timestamptz DEFAULT 'now';", "read anew on every node"),
    (
        "now as one of several",
        "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c timestamptz[] DEFAULT '{now}';",
        "read anew on every node",
    ),
    (
        "now as a time within a text",
        "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text DEFAULT 'now'::timestamptz;",
        "another type",
    ),
    ("a table's number", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c bigint DEFAULT 'ledger.payment'::regclass;", "another type"),
    ("a unique column", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text UNIQUE;", "constant default or none"),
    ("a foreign column", "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c uuid REFERENCES a.d;", "constant default or none"),
    (
        "two changes at once",
        "ALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text, ADD COLUMN IF NOT EXISTS d text;",
        "constant default",
    ),
    ("a unique index", "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a.b (c);", "stops a follower"),
    ("an index under a lock", "CREATE INDEX IF NOT EXISTS i ON a.b (c);", "CONCURRENTLY"),
    (
        "a trigger on a table in use",
        "CREATE OR REPLACE TRIGGER t BEFORE INSERT ON a.b FOR EACH ROW EXECUTE FUNCTION a.f();",
        "in use",
    ),
    ("a removal", "ALTER TABLE a.b DROP COLUMN IF EXISTS c;", "adds harmlessly"),
    ("a change of rows", "UPDATE a.b SET c = 1;", "adds harmlessly"),
    ("a right taken away", "REVOKE ALL ON a.b FROM payments_app;", "taking a right away"),
    ("a comment that is no label", "COMMENT ON TABLE a.b IS 'notes';", "label"),
    ("nothing", "-- nothing", "no statement"),
    ("a version to wait for", "-- after: 0001\nCOMMENT ON COLUMN a.b IS 'x';", "waits for no version"),
    ("a function of the node's", "CREATE OR REPLACE FUNCTION trimaran.admit() RETURNS void AS 'SELECT 1';", "the node's own"),
    ("a right on the node", "GRANT SELECT ON trimaran.node TO payments_app;", "the node's own"),
    ("a right on its schema", "GRANT USAGE ON SCHEMA trimaran TO payments_app;", "the node's own"),
    ("a right of its own taken away", "REVOKE ALL ON FUNCTION trimaran.admit FROM PUBLIC;", "the node's own"),
    ("a column of the node's", "COMMENT ON COLUMN trimaran.node.role IS 'x';", "the node's own"),
    ("a right to write", "GRANT INSERT, UPDATE ON ledger.payment TO payments_app;", "nothing else"),
    ("every right", "GRANT ALL ON ledger.payment TO payments_app;", "nothing else"),
    ("a right on a whole schema", "GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO payments_app;", "nothing else"),
    ("a right for everybody", "GRANT SELECT ON ledger.payment TO public;", "payments's own roles"),
    ("a right for another service", "GRANT SELECT ON ledger.payment TO vault_app;", "payments's own roles"),
    ("a right for the owner", "GRANT SELECT ON ledger.payment TO payments_control;", "payments's own roles"),
    ("a stream that calls", "GRANT EXECUTE ON FUNCTION ledger.pay TO payments_stream;", "a stream only reads"),
    ("names from the caller", "CREATE OR REPLACE FUNCTION a.f() RETURNS void LANGUAGE sql AS 'SELECT 1';", "search_path"),
    (
        "names from elsewhere",
        "CREATE OR REPLACE FUNCTION a.f() RETURNS void LANGUAGE sql SET search_path = public AS 'SET search_path = pg_catalog, pg_temp';",
        "search_path",
    ),
    ("no primary key", TABLE.replace(" PRIMARY KEY", ""), "without a primary key"),
    ("a sequence", TABLE.replace("said text", "said bigserial"), "sequences are not replicated"),
    ("a foreign key", TABLE.replace("said text", "said uuid REFERENCES ledger.payment"), "no foreign keys"),
    ("no guard", TABLE.replace("TRIGGER guard", "TRIGGER other"), "without its guard"),
    ("a guard that guards nothing", TABLE.replace("trimaran.guard()", "ledger.nothing()"), "without its guard"),
    ("a guard for half of it", TABLE.replace("INSERT OR UPDATE OR DELETE", "INSERT"), "without its guard"),
    ("no label", TABLE.replace("COMMENT ON TABLE ledger.note", "COMMENT ON TABLE ledger.payment"), "no label"),
    ("no stream", TABLE.replace("payments_stream", "payments_app"), "payments_stream may not read it"),
)


@pytest.mark.parametrize(("name", "text", "said"), BROKEN, ids=[case[0] for case in BROKEN])
def test_each_rule_refuses_what_only_it_refuses(name: str, text: str, said: str) -> None:
    """One line, which says what is wrong; without the rule the file would pass."""
    told = wrong(text)
    assert said in told, name
    assert len(told.splitlines()) == 1, told


CONTRACT = "ALTER TABLE ledger.payment DROP COLUMN IF EXISTS purpose;"


@pytest.mark.parametrize("header", ["", "-- after: 0002\n", "-- after: 0009\n"], ids=["none", "itself", "none there is"])
def test_a_removal_names_what_replaces_it(header: str) -> None:
    """Otherwise nobody could say which version must be gone before."""
    migrations = parse({"0001_expand_a.sql": SOUND["0001_expand_column.sql"], "0002_contract_b.sql": header + CONTRACT})
    assert "an earlier expand step" in "\n".join(objections(migrations[1], migrations, "payments"))


def test_a_removal_leaves_the_node_alone() -> None:
    """It would take the fence away, on every node alike."""
    text = "-- after: 0001\nDROP FUNCTION IF EXISTS trimaran.admit();"
    migrations = parse({"0001_expand_a.sql": SOUND["0001_expand_column.sql"], "0002_contract_b.sql": text})
    assert "the node's own" in "\n".join(objections(migrations[1], migrations, "payments"))


def test_a_removal_only_removes() -> None:
    """An addition in it would reach the writer first."""
    text = "-- after: 0001\nALTER TABLE a.b ADD COLUMN IF NOT EXISTS c text;"
    migrations = parse({"0001_expand_a.sql": SOUND["0001_expand_column.sql"], "0002_contract_b.sql": text})
    assert "only removes" in "\n".join(objections(migrations[1], migrations, "payments"))


def test_every_problem_is_told_at_once() -> None:
    """One edit mends them all."""
    with pytest.raises(Unfit) as unfit:
        check(parse({"0001_expand_a.sql": BROKEN[0][1] + BROKEN[6][1], "0002_expand_b.sql": BROKEN[7][1]}), "payments")
    assert len(unfit.value.problems) == 3


@pytest.mark.parametrize(
    "names",
    [
        ["1_expand_a.sql"],
        ["0001_change_a.sql"],
        ["0001_expand_A.sql"],
        ["0002_expand_a.sql"],
        ["0001_expand_a.sql", "0001_expand_b.sql"],
    ],
)
def test_numbers_have_no_gap_and_no_twin(names: list[str]) -> None:
    """Two branches, merged with one number each, would be carried out in another order elsewhere."""
    with pytest.raises(Unfit):
        parse(dict.fromkeys(names, "COMMENT ON COLUMN a.b IS 'x';"))


def test_a_digest_is_of_what_is_done() -> None:
    """A comment may be mended after the file was applied, a statement may not."""
    (one,) = parse({"0001_expand_a.sql": "COMMENT ON COLUMN a.b IS 'x';"})
    (same,) = parse({"0001_expand_a.sql": "-- why\nCOMMENT ON COLUMN a.b IS 'x'"})
    (other,) = parse({"0001_expand_a.sql": "COMMENT ON COLUMN a.b IS 'y';"})
    assert one.digest == same.digest != other.digest
    assert one.kind is Kind.EXPAND


def test_a_service_of_another_name_has_roles_of_its_own() -> None:
    """Schemas keep the package's name; whoever logs in bears the service's."""
    assert renamed("GRANT SELECT ON ledger.a TO payments_app, payments_stream", "payments", "pay7") == (
        "GRANT SELECT ON ledger.a TO pay7_app, pay7_stream"
    )
