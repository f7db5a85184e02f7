"""Files of records: one JSON object a line, appended before anything counts, read only when every line is known.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

L = TypeVar("L")


class DamagedError(Exception):
    """The record cannot be relied on: says which line and why."""


class Lines(Generic[L]):
    """How the kinds of one record are written and read."""

    def __init__(self, kinds: Mapping[str, type[Any]]) -> None:
        """`kinds`: dataclasses of plain values, by the name under which each stands in the file."""
        self._kinds = dict(kinds)
        self._names = {kind: name for name, kind in kinds.items()}
        self._fields = {kind: tuple(field.name for field in fields(kind)) for kind in kinds.values()}

    def write(self, line: L) -> bytes:
        """One line of the file."""
        kind = type(line)
        content = {"kind": self._names[kind], **{name: getattr(line, name) for name in self._fields[kind]}}
        return json.dumps(content, separators=(",", ":")).encode() + b"\n"

    def read(self, text: str) -> L:
        """The line as a value. Raises DamagedError."""
        try:
            content = json.loads(text)
            found: L = self._kinds[content.pop("kind")](**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{error!r} in {text[:120]!r}") from error
        return found

    def read_file(self, path: Path) -> Iterator[L]:
        """Every line, in order. Raises DamagedError with the line's number.

        A last line without its end was being written and is left out: what it would have said had not been counted yet.
        """
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                if not text.endswith("\n"):
                    return
                try:
                    yield self.read(text)
                except DamagedError as error:
                    raise DamagedError(f"{path.name}, line {number}: {error}") from error


class Appended(Generic[L]):
    """One file, open for appending. An existing one is continued, never shortened."""

    def __init__(self, path: Path, lines: Lines[L]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lines = lines

    def append(self, line: L) -> None:
        """Returns once the kernel has the whole line. Raises OSError (a full disk) before anything counts."""
        content = self._lines.write(line)
        while content:
            content = content[os.write(self._file, content) :]

    def close(self) -> None:
        """Have the disk hold everything, then close."""
        os.fsync(self._file)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
