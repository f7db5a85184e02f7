"""What may stand in a migration: every rule names what happens without it.

Rules for changing this file: a statement is refused unless it is known to be harmless; the list of what is known grows only with a
test on a real server. Problems are lines `file: statement: why`.

| refused in expand | because |
|---|---|
| a column that is NOT NULL without a default | the previous version's writer inserts without it, and nobody can pay |
| a default that is no constant | every node would compute another value, and the table would be rewritten under its lock |
| a table without a primary key | its updates cannot be replicated |
| a sequence, a foreign key | sequences are not replicated; a reseed empties tables in any order |
| a table without guard, label, or grant to streams | clients write it on a follower, nobody knows its keep, no node can be seeded |
| a unique index or a constraint on a table in use | a follower that has it stops at a row that its writer, which has none yet, let in |
| an index made under a lock | payments wait for as long as it takes |
| removing anything | the previous version still needs it |
| anything in `trimaran` | the node's own functions are the fence; changed alike everywhere, no fingerprint would tell |
| a right but to read a table or to call a function, or for others than the service's roles | clients go round the ledger's rules |
| a function without a fixed search_path | who may make objects somewhere says what its names mean |
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workload.schema import effects, migration
from workload.schema.effects import CONSTANT, FULL, Effect, effect_of
from workload.schema.errors import Unfit
from workload.schema.labels import parse_label
from workload.schema.migration import Migration
from workload.schema.text import Statement

GUARD = re.compile(r"FOR EACH STATEMENT EXECUTE FUNCTION trimaran\.guard\(\)", re.IGNORECASE)
GUARDED = re.compile(rf"CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON {FULL} FOR EACH .*", re.IGNORECASE)
COLUMN_REST = re.compile(rf"(?: DEFAULT {CONSTANT})?(?: NOT NULL)?| NOT NULL DEFAULT {CONSTANT}", re.IGNORECASE)
CAST = re.compile(r"::([a-z0-9_]+(?:\[\])?)")
SEQUENCES = re.compile(r"\b(?:small|big)?serial\b|\bgenerated\b|\bidentity\b|\bnextval\b", re.IGNORECASE)
FOREIGN = re.compile(r"\breferences\b|\bforeign key\b", re.IGNORECASE)
SEARCH_PATH = re.compile(r"\bset search_path = pg_catalog,pg_temp\b", re.IGNORECASE)
NODE = re.compile(r"\btrimaran\b", re.IGNORECASE)
_ARGUMENTS = r"(?: ?\([^()]*\))?"
READS = re.compile(rf"SELECT ON (?:TABLE )?{FULL}(?:,{FULL})*", re.IGNORECASE)
CALLS = re.compile(rf"EXECUTE ON FUNCTION {FULL}{_ARGUMENTS}(?:,{FULL}{_ARGUMENTS})*", re.IGNORECASE)
TIMES = frozenset({"date", "timestamptz", "interval"})

ADDS = frozenset(
    {
        effects.Kind.ADD_COLUMN,
        effects.Kind.RELAX_COLUMN,
        effects.Kind.CREATE_TABLE,
        effects.Kind.CREATE_INDEX,
        effects.Kind.CREATE_INDEX_BESIDE,
        effects.Kind.CREATE_TRIGGER,
        effects.Kind.REPLACE_FUNCTION,
        effects.Kind.COMMENT,
        effects.Kind.GRANT,
        effects.Kind.REVOKE,
    }
)
REMOVES = frozenset(
    {
        effects.Kind.DROP_COLUMN,
        effects.Kind.DROP_TABLE,
        effects.Kind.DROP_INDEX,
        effects.Kind.DROP_FUNCTION,
        effects.Kind.REVOKE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What a statement stands in."""

    service: str
    created: frozenset[str]
    """Tables that the file itself makes."""


def check(migrations: Sequence[Migration], service: str) -> None:
    """Raises Unfit with everything that is wrong with these files, which are all of the service's."""
    problems = tuple(line for one in migrations for line in objections(one, migrations, service))
    if problems:
        raise Unfit(problems)


def objections(one: Migration, everything: Sequence[Migration], service: str) -> Iterator[str]:
    """Everything that is wrong with one file."""
    if not one.statements:
        yield f"{one.file}: (file): it has no statement"
    yield from _of_after(one, everything)
    is_expand = one.kind is migration.Kind.EXPAND
    created = frozenset(effect.table for _, effect in _known(one) if effect.kind is effects.Kind.CREATE_TABLE)
    file = _File(service=service, created=created)
    for statement in one.statements:
        effect = effect_of(statement)
        if effect is None or effect.kind not in (ADDS if is_expand else REMOVES):
            why = "adds harmlessly" if is_expand else "only removes"
            yield f"{one.file}: {_shown(statement)}: no statement that is known to be one that {why} (docs/schema.md)"
        elif NODE.search(_target(effect, statement)):
            yield f"{one.file}: {_shown(statement)}: what is in trimaran is the node's own, and no migration's"
        elif is_expand:
            yield from (f"{one.file}: {_shown(statement)}: {why}" for why in _EXPAND[effect.kind](effect, statement, file))
    yield from (f"{one.file}: {table}: {why}" for table in sorted(created) for why in _incomplete(table, one, service))


def _of_after(one: Migration, everything: Sequence[Migration]) -> Iterator[str]:
    if one.kind is migration.Kind.EXPAND:
        if one.after is not None:
            yield f"{one.file}: after: an expand step waits for no version"
        return
    needed = next((other for other in everything if other.number == one.after), None)
    if needed is None or needed.number >= one.number or needed.kind is not migration.Kind.EXPAND:
        yield f"{one.file}: after: expected a line `-- after: NNNN` that names an earlier expand step, the one that replaces what goes"


def _column(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    rest = effect.rest.rstrip()
    if COLUMN_REST.fullmatch(rest) is None:
        yield "one column, with a constant default or none; keys, checks and computed values stop a follower or rewrite the table"
    elif "not null" in rest.lower() and "default" not in rest.lower():
        yield "NOT NULL without a default: the writer of the version before inserts without it"
    elif (cast := CAST.search(rest.lower())) and cast[1] != effect.type.lower():
        yield "a default that is cast to another type is computed anew on every node: `now` as a time, a table's name as its number"
    elif "default" in rest.lower() and effect.type.lower().removesuffix("[]") in TIMES:
        yield "a time as a default may be read anew on every node, as `now` is"


def _table(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if "primary key" not in statement.shape.lower():
        yield "a table without a primary key cannot be replicated"
    if SEQUENCES.search(effect.rest):
        yield "sequences are not replicated: keys are UUIDv7"
    if FOREIGN.search(effect.rest):
        yield "no foreign keys: a reseed empties the tables in any order"


def _index(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if effect.table in file.created:
        return
    if effect.unique:
        yield "a unique index stops a follower at a row that the writer, which has none yet, let in"
    if effect.kind is effects.Kind.CREATE_INDEX:
        yield "payments wait while it is made: CREATE INDEX CONCURRENTLY"


def _trigger(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if effect.table not in file.created:
        yield "a trigger on a table in use changes what the version before does"


def _nothing(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    yield from ()


def _comment(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if effect.table and parse_label(statement.literals[-1]) is None:
        yield "a table's comment is its label: retention, residency, contains"


def _function(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if SEARCH_PATH.search(statement.shape) is None:
        yield "a function without SET search_path = pg_catalog, pg_temp takes its names from whoever calls it"


def _grant(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    known = rf"{file.service}_(?!control\b)[a-z]+"
    is_read, is_call = READS.fullmatch(effect.rest), CALLS.fullmatch(effect.rest)
    if not is_read and not is_call:
        yield "SELECT on tables, EXECUTE on functions, by name, and nothing else: who may write a table goes round what keeps its rules"
    elif not all(re.fullmatch(known, role) and (is_read or not role.endswith("_stream")) for role in effect.role.split(",")):
        yield f"rights are for {file.service}'s own roles, and a stream only reads"


def _target(effect: Effect, statement: Statement) -> str:
    """Names of what is changed; what a new function or trigger calls is not among them."""
    if effect.kind in (effects.Kind.GRANT, effects.Kind.REVOKE):
        return effect.rest
    return f"{effect.table} {effect.name}" if effect.table or effect.name else statement.shape


def _revoke(effect: Effect, statement: Statement, file: _File) -> Iterator[str]:
    if effect.role.lower() != "public":
        yield "taking a right away is no addition"


_Rule = Callable[[Effect, Statement, _File], Iterator[str]]

_EXPAND: dict[effects.Kind, _Rule] = {
    effects.Kind.ADD_COLUMN: _column,
    effects.Kind.RELAX_COLUMN: _nothing,
    effects.Kind.CREATE_TABLE: _table,
    effects.Kind.CREATE_INDEX: _index,
    effects.Kind.CREATE_INDEX_BESIDE: _index,
    effects.Kind.CREATE_TRIGGER: _trigger,
    effects.Kind.REPLACE_FUNCTION: _function,
    effects.Kind.COMMENT: _comment,
    effects.Kind.GRANT: _grant,
    effects.Kind.REVOKE: _revoke,
}


def _incomplete(table: str, one: Migration, service: str) -> Iterator[str]:
    """What a new table lacks."""
    known = list(_known(one))
    if not any(
        effect.kind is effects.Kind.CREATE_TRIGGER
        and effect.table == table
        and GUARDED.fullmatch(statement.shape)
        and GUARD.fullmatch(effect.rest)
        for statement, effect in known
    ):
        yield "without its guard a client could write it on a follower"
    if not any(effect.kind is effects.Kind.COMMENT and effect.table == table for _, effect in known):
        yield "it has no label"
    if not any(effect.kind is effects.Kind.GRANT and _reads(effect, table, f"{service}_stream") for _, effect in known):
        yield f"{service}_stream may not read it: no node could be seeded with it"


def _reads(effect: Effect, table: str, role: str) -> bool:
    privileges, _, things = effect.rest.partition(" ON ")
    return privileges.upper() == "SELECT" and table in things.removeprefix("TABLE ").split(",") and role in effect.role.split(",")


def _known(one: Migration) -> Iterator[tuple[Statement, Effect]]:
    for statement in one.statements:
        effect = effect_of(statement)
        if effect is not None:
            yield statement, effect


def _shown(statement: Statement) -> str:
    return statement.shape if len(statement.shape) <= 70 else f"{statement.shape[:67]}..."
