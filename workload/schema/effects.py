"""What one statement of a migration does, as far as the order of the steps depends on it.

Rules for changing this file: a statement that fits no shape here has no effect that is known, and is refused. Shapes are of
`Statement.shape`: one line, no space before and inside parentheses and around commas, text in quotes left out. Names are plain lower
case, and always with their schema: whoever needs quotes around a name should choose another one.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from workload.schema.text import LITERAL, Statement

NAME = r"[a-z_][a-z0-9_]*"
FULL = rf"{NAME}\.{NAME}"
TYPE = r"(?:uuid|text|boolean|smallint|integer|bigint|double precision|numeric\(\d+,\d+\)|date|timestamptz|interval|bytea|jsonb)(?:\[\])?"
CONSTANT = rf"(?:{re.escape(LITERAL)}(?:::{NAME}(?:\[\])?)?|-?\d+(?:\.\d+)?|true|false)"


class Kind(StrEnum):
    """Every effect that an order is known for."""

    ADD_COLUMN = "add column"
    RELAX_COLUMN = "allow null"
    CREATE_TABLE = "create table"
    CREATE_INDEX = "create index"
    CREATE_INDEX_BESIDE = "create index concurrently"
    CREATE_TRIGGER = "create trigger"
    REPLACE_FUNCTION = "replace function"
    COMMENT = "comment"
    GRANT = "grant"
    REVOKE = "revoke"
    DROP_COLUMN = "drop column"
    DROP_TABLE = "drop table"
    DROP_INDEX = "drop index"
    DROP_FUNCTION = "drop function"


ALONE = frozenset({Kind.CREATE_INDEX_BESIDE, Kind.DROP_INDEX})
"""PostgreSQL runs these outside a transaction only."""

SHAPES: tuple[tuple[Kind, str], ...] = (
    (Kind.ADD_COLUMN, rf"ALTER TABLE (?P<table>{FULL}) ADD COLUMN IF NOT EXISTS (?P<name>{NAME}) (?P<type>{TYPE})(?P<rest>.*)"),
    (Kind.RELAX_COLUMN, rf"ALTER TABLE (?P<table>{FULL}) ALTER COLUMN (?P<name>{NAME}) DROP NOT NULL"),
    (Kind.CREATE_TABLE, rf"CREATE TABLE IF NOT EXISTS (?P<table>{FULL}) ?\((?P<rest>.*)\)"),
    (
        Kind.CREATE_INDEX_BESIDE,
        rf"CREATE (?P<unique>UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<name>{NAME}) ON (?P<table>{FULL})[ (].*",
    ),
    (Kind.CREATE_INDEX, rf"CREATE (?P<unique>UNIQUE )?INDEX IF NOT EXISTS (?P<name>{NAME}) ON (?P<table>{FULL})[ (].*"),
    (Kind.CREATE_TRIGGER, rf"CREATE OR REPLACE TRIGGER (?P<name>{NAME}) .* ON (?P<table>{FULL}) (?P<rest>FOR EACH .*)"),
    (Kind.REPLACE_FUNCTION, rf"CREATE OR REPLACE FUNCTION (?P<name>{FULL}) ?\(.*"),
    (Kind.COMMENT, rf"COMMENT ON TABLE (?P<table>{FULL}) IS {re.escape(LITERAL)}"),
    (Kind.COMMENT, rf"COMMENT ON (?:COLUMN|FUNCTION) .* IS {re.escape(LITERAL)}"),
    (Kind.GRANT, r"GRANT (?P<rest>[a-z, ]+ ON .*) TO (?P<role>[a-z0-9_,]+)"),
    (Kind.REVOKE, r"REVOKE (?P<rest>[a-z, ]+ ON .*) FROM (?P<role>[a-z0-9_,]+)"),
    (Kind.DROP_COLUMN, rf"ALTER TABLE (?P<table>{FULL}) DROP COLUMN IF EXISTS (?P<name>{NAME})"),
    (Kind.DROP_TABLE, rf"DROP TABLE IF EXISTS (?P<table>{FULL})"),
    (Kind.DROP_INDEX, rf"DROP INDEX CONCURRENTLY IF EXISTS (?P<name>{FULL})"),
    (Kind.DROP_FUNCTION, rf"DROP FUNCTION IF EXISTS (?P<name>{FULL}) ?\([^()]*\)"),
)

_COMPILED = tuple((kind, re.compile(shape, re.IGNORECASE)) for kind, shape in SHAPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One statement's effect; what does not apply to its kind is empty."""

    kind: Kind
    table: str = ""
    name: str = ""
    """Of the column, index, trigger or function."""
    type: str = ""
    rest: str = ""
    role: str = ""
    unique: bool = False

    @property
    def alone(self) -> bool:
        """Must it run outside a transaction?"""
        return self.kind in ALONE


def effect_of(statement: Statement) -> Effect | None:
    """What the statement does; None: nothing that an order is known for."""
    for kind, shape in _COMPILED:
        found = shape.fullmatch(statement.shape)
        if found is not None:
            parts = found.groupdict(default="")
            if kind is Kind.CREATE_TABLE and not _encloses(parts["rest"]):
                return None
            return Effect(
                kind=kind,
                table=parts.get("table", ""),
                name=parts.get("name", ""),
                type=parts.get("type", ""),
                rest=parts.get("rest", ""),
                role=parts.get("role", ""),
                unique=bool(parts.get("unique")),
            )
    return None


def _encloses(inside: str) -> bool:
    """Do the parentheses around this text belong together? Otherwise something stands behind the first one's end."""
    depth = 0
    for sign in inside:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return depth == 0
