"""A new node from nothing: the service's base schema and every migration on it, before anything streams.

A node that holds nothing and follows nobody needs no order among nodes and no wait: the same statements run as one script, and the
record says that they did.
"""

from collections.abc import Sequence

from workload.schema import effects, migration
from workload.schema.effects import effect_of
from workload.schema.migration import Migration


def baseline(migrations: Sequence[Migration]) -> str:
    """The migrations as a script for an empty ledger, to be run after the base schema. Running it again changes nothing."""
    lines: list[str] = []
    for one in migrations:
        lines.extend(f"{_beside_nobody(statement.text)};" for statement in one.statements)
        steps = len(one.statements)
        lines.append(
            "INSERT INTO trimaran.migration (number, name, kind, digest, steps, done, began_at, ended_at)"  # noqa: S608  our files
            f" VALUES ({one.number}, '{one.name}', '{one.kind}', '{one.digest}', {steps}, {steps}, now(), now())"
            " ON CONFLICT (number) DO NOTHING;"
        )
    return "\n".join(lines)


def tables(migrations: Sequence[Migration], base: Sequence[str]) -> tuple[str, ...]:
    """Every table to be published: those of the base schema, and what the migrations add and drop."""
    names = list(base)
    for one in migrations:
        for statement in one.statements:
            effect = effect_of(statement)
            if effect is None:
                continue
            if effect.kind is effects.Kind.CREATE_TABLE and effect.table not in names:
                names.append(effect.table)
            if effect.kind is effects.Kind.DROP_TABLE and effect.table in names:
                names.remove(effect.table)
    return tuple(names)


def version(migrations: Sequence[Migration]) -> int:
    """The schema version that code of this checkout is written for: what its processes tell as the version they need."""
    return max((one.number for one in migrations if one.kind is migration.Kind.EXPAND), default=0)


def _beside_nobody(text: str) -> str:
    """CONCURRENTLY cannot run in a script, and on an empty table there is nobody beside whom it would have to."""
    kept = text.split("CONCURRENTLY ", 1)
    return "".join(kept) if len(kept) == 2 and "INDEX" in kept[0].upper() else text
