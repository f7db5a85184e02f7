"""Migrations as values: numbered files of one service, `NNNN_expand_what.sql` or `NNNN_contract_what.sql`.

*Expand* adds, and is harmless to a writer and to followers of the version before. *Contract* removes, and says in its first lines
(`-- after: NNNN`) which expand step every running process must have been written for. A file that was applied is never changed.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable

from workload.schema.errors import Unfit
from workload.schema.text import Statement, split

FILE = re.compile(r"(?P<number>\d{4})_(?P<kind>expand|contract)_(?P<name>[a-z0-9_]+)\.sql")
AFTER = re.compile(r"^-- after: (\d{4})\s*$", re.MULTILINE)


class Kind(StrEnum):
    """Whether it adds or removes; the order of nodes follows from it."""

    EXPAND = "expand"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file."""

    number: int
    kind: Kind
    name: str
    statements: tuple[Statement, ...]
    after: int | None = None
    """Contract: the lowest schema version that every running process must need."""

    @property
    def file(self) -> str:
        """Name of the file, for people."""
        return f"{self.number:04}_{self.kind}_{self.name}.sql"

    @property
    def digest(self) -> str:
        """SHA-256 of the statements, sixteen hexadecimal digits: comments may be mended, statements may not."""
        told = "\0".join(statement.text for statement in self.statements)
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def read_migrations(package: str, service: str | None = None) -> tuple[Migration, ...]:
    """The migrations that a package of `workload` ships, in order, for a service of this name; it bears the package's unless another is
    given. Raises Unfit."""
    try:
        folder = resources.files(f"workload.{package}").joinpath("migrations")
    except ModuleNotFoundError as error:
        raise Unfit((f"{package}: package: expected one of the services' packages: {error}",)) from error
    files = {one.name: one.read_text(encoding="utf-8") for one in _sql(folder)}
    return parse({name: renamed(text, package, service or package) for name, text in files.items()})


def renamed(text: str, package: str, service: str) -> str:
    """The same script for a service of another name: its roles bear the service's name, its schemas keep the package's."""
    return re.sub(rf"\b{package}_(app|stream|control|webhooks)\b", rf"{service}_\1", text)


def parse(files: Mapping[str, str]) -> tuple[Migration, ...]:
    """Files by name as migrations, in order. Raises Unfit for names and numbers; what is inside is for `rules`."""
    found: list[Migration] = []
    problems: list[str] = []
    for name, text in sorted(files.items()):
        matched = FILE.fullmatch(name)
        if matched is None:
            problems.append(f"{name}: name: expected NNNN_expand_what.sql or NNNN_contract_what.sql")
            continue
        after = AFTER.search(text)
        found.append(
            Migration(
                number=int(matched["number"]),
                kind=Kind(matched["kind"]),
                name=matched["name"],
                statements=split(text),
                after=int(after[1]) if after else None,
            )
        )
    problems += _misnumbered(found)
    if problems:
        raise Unfit(tuple(problems))
    return tuple(found)


def _misnumbered(found: Iterable[Migration]) -> list[str]:
    """Numbers without gap and without twin: two branches merged with one number each would be applied in another order elsewhere."""
    return [
        f"{one.file}: number: expected {place:04}, one above the file before"
        for place, one in enumerate(found, start=1)
        if one.number != place
    ]


def _sql(folder: Traversable) -> list[Traversable]:
    return [one for one in folder.iterdir() if one.name.endswith(".sql")] if folder.is_dir() else []
