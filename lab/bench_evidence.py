"""What is kept of a run that broke a promise: the clients' record, every ledger, the journal and every process's log. `lab.hindsight`
judges it again."""

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from controller.errors import TrimaranError
from lab.errors import LabError
from lab.hindsight import keep_ledgers
from lab.laboratory import Laboratory
from lab.ledgers import read_ledgers

TROUBLE = (LabError, TrimaranError, OSError)
"""What may end a run without ending the bench (a TimeoutError is an OSError): the figures so far are worth more than a traceback."""


async def keep_evidence(lab: Laboratory, place: Path, run: str, broken: Sequence[str]) -> None:
    """Copy everything about this run to `place`, replacing what an earlier bench left there; the lab may be in any state."""
    try:
        entries = [json.dumps(asdict(entry), default=str) for entry in await lab.witness.journal()]
    except TrimaranError as error:
        entries = [json.dumps({"unreadable": str(error)})]
    ledgers, unread = await read_ledgers(lab)
    folders = {name: lab.workspace.directory(name) for name in ("logs", "load")}
    await asyncio.to_thread(_write, place, run, folders, {"broken.txt": broken, "journal.jsonl": entries})
    await asyncio.to_thread(keep_ledgers, place, ledgers, unread)


def _write(place: Path, run: str, folders: Mapping[str, Path], files: Mapping[str, Sequence[str]]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, lines in files.items():
        (place / name).write_text("".join(f"{line}\n" for line in lines))
    for name, folder in folders.items():
        with suppress(OSError):
            shutil.copytree(folder, place / name, ignore=_of_other_runs(run))


def _of_other_runs(run: str) -> Callable[[str, list[str]], list[str]]:
    """For copytree: of the load's folder only this run's files."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder).name == "load" and not name.startswith(f"{run}.")]

    return ignored
