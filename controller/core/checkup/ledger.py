"""What is published: all of every table, each row told by its key, and no row that a client could write on a follower."""

from collections.abc import Iterable, Mapping

from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Ledger, Table
from controller.core.checkup.finding import Judge, Said, bad, good

MARKERS = "trimaran.marker"
"""The steps write it themselves, so no guard is on it."""

PUBLISHED = frozenset({"insert", "update", "delete"})

MISSING = "`trimaran bootstrap` makes it, `trimaran schema apply` brings what a migration adds."


def replica_identity(ledger: Ledger) -> Said:
    """Every row can be told from every other, here and where it is applied."""
    without = [one.name for one in ledger.tables if one.identity == "n" or (one.identity == "d" and not one.key)]
    limit = "a primary key, or another identity, on every published table"
    return _of(ledger, without, limit, "Give each a primary key in a migration: an UPDATE or DELETE there fails on the writer.")


def guards(ledger: Ledger) -> Said:
    """On a follower clients write nothing, and the apply worker everything."""
    without = [one.name for one in ledger.tables if one.name != MARKERS and not one.guarded]
    limit = "trimaran.guard() before insert, update and delete, enabled for clients only"
    way_out = "CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ... FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard()"
    return _of(ledger, without, limit, f"{way_out}; without it a client writes on a follower, and the stream stops at that key.")


def sequences(ledger: Ledger) -> Said:
    """Sequences are not replicated: the next writer would begin with numbers that are taken."""
    numbered = [f"{one.name}.{column}" for one in ledger.tables for column in one.numbered]
    return _of(ledger, numbered, "no column that a sequence fills", "Use UUIDv7 keys, made by the service.")


def publication(ledger: Ledger) -> Said:
    """One publication of everything that happens to a row, and not of TRUNCATE: nobody follows a node that is emptied to be copied anew."""
    limit = "insert, update and delete of whole named tables, the markers among them"
    if not ledger.published:
        return bad("there is no publication", limit, MISSING)
    wrong = [
        *(("all tables",) if ledger.all_tables else ()),
        *(f"no {one}" for one in sorted(PUBLISHED - ledger.operations)),
        *(sorted(ledger.operations - PUBLISHED)),
        *(f"a part of {one.name}" for one in ledger.tables if one.narrowed),
        *(("no markers",) if ledger.tables and MARKERS not in _names(ledger.tables) else ()),
        *(("no table",) if not ledger.tables else ()),
    ]
    if not wrong:
        return good(f"{len(ledger.tables)} tables", limit)
    way_out = (
        "ALTER PUBLICATION ... SET (publish = 'insert, update, delete'), or SET TABLE; then look at every follower's digest."
    )
    return bad(", ".join(wrong), limit, way_out)


def _of(ledger: Ledger, wrong: Iterable[str], limit: str, way_out: str) -> Said:
    if found := tuple(wrong):
        return bad(", ".join(found), limit, way_out)
    if not ledger.tables:
        return bad("no table is published", limit, MISSING)
    return good(f"{len(ledger.tables)} tables", limit)


def _names(tables: Iterable[Table]) -> frozenset[str]:
    return frozenset(one.name for one in tables)


JUDGES: Mapping[Check, Judge[Ledger]] = {
    Check.REPLICA_IDENTITY: replica_identity,
    Check.GUARDS: guards,
    Check.SEQUENCES: sequences,
    Check.PUBLICATION: publication,
}
