"""Copies of PostgreSQL and HAProxy that the dropped account can read: named after what they copy, and removed when that is gone.

40 MB each, one for every environment that a lab was ever started from: whoever clones, tries and throws away would fill the disk.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil

FOLDER = ".binaries"
ORIGIN = "origin"
"""File in a copy that names what was copied."""

POSTGRES, HAPROXY = "pginstall/bin/postgres", "bin/haproxy"
"""Programs of packages that are copied."""

SPARED = timedelta(minutes=10)
"""A copy that was used so recently is left alone: a lab of another name may be about to start from it."""


def name_of(installed: Path) -> str:
    """What a copy of this package is called; a reinstalled one gets another."""
    program = POSTGRES if (installed / POSTGRES).exists() else HAPROXY
    found = (installed / program).stat()
    return f"{installed.name}-{found.st_size:x}-{found.st_mtime_ns:x}"


def used(copy: Path) -> None:
    """Note that a lab is about to start from this copy."""
    with suppress(OSError):
        os.utime(copy)


def remove_stale(folder: Path, spared: timedelta = SPARED) -> tuple[str, ...]:
    """Remove copies of installations that are gone or changed, and drafts nobody finished, unless something runs from them.

    Answers their names. Nothing that goes wrong here stops a lab.
    """
    with suppress(OSError, psutil.Error):
        old = [copy for copy in folder.iterdir() if _age(copy) >= spared.total_seconds() and not _wanted(copy)]
        running = list(_programs()) if old else []
        stale = [copy for copy in old if not any(program.is_relative_to(copy) for program in running)]
        for copy in stale:
            shutil.rmtree(copy, ignore_errors=True)
        return tuple(copy.name for copy in stale)
    return ()


def _age(copy: Path) -> float:
    return time.time() - copy.stat().st_mtime


def _wanted(copy: Path) -> bool:
    try:
        return name_of(Path((copy / ORIGIN).read_text())) == copy.name
    except OSError:
        return False


def _programs() -> Iterator[Path]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield Path(process.exe())
