"""Every process a lab ever started, on disk, so that a later lab can end what a crashed one left behind."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import trees

FILE = "processes.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One process. The birth keeps a later owner of the same pid from being taken for it."""

    pid: int
    born: str
    label: str


class Registry:
    """Append-only list of processes in the workspace.

    An entry is written before the process does anything (see `processes.launch`): a lab killed between starting a server and
    noting it would leave a server that nobody ever ends.
    """

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / FILE

    def record(self, pid: int, label: str) -> Entry | None:
        """Note a process; None when it is gone already."""
        born = trees.birth(pid)
        if born is None:
            return None
        entry = Entry(pid=pid, born=born, label=label)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, (json.dumps(asdict(entry)) + "\n").encode())
        finally:
            os.close(file)
        return entry

    def entries(self) -> Iterator[Entry]:
        """All entries in order; a last line torn by a crash is passed over, its process never got leave to start."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue
