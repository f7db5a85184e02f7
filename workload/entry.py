"""`python -m workload.entry MODULE ...`: what a container starts with. Files that came in variables are put where the program looks for
them, the variables are forgotten, and this process becomes `python -m MODULE ...`. Needs nothing but the standard library.

Secret stores of all three clouds hand a container variables; programs read papers from files. A variable is inherited by whatever a
program starts and stands in its crash reports; a file of mode 0600 in a place of its own does not.
"""

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "FILE_"
PLACE = Path("/run/trimaran")
"""Made with the image, for its user alone; where the file system is read-only a volume of the instance's own."""

_SHAPE = re.compile(r"FILE_((?:[A-Z0-9]+_)*[A-Z0-9]+)_([A-Z0-9]+)")

Become = Callable[[str, tuple[str, ...], Mapping[str, str]], object]
"""As `os.execve`: a program, its arguments, its environment. Does not come back, except in a test."""


class CannotEnter(Exception):
    """The program cannot be started. `problems` has a line for each thing to mend; no line says what a variable holds."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One file that came in a variable."""

    variable: str
    name: str
    """In the place."""
    content: str = field(repr=False)


def file_name(variable: str) -> str | None:
    """`settings.toml` for `FILE_SETTINGS_TOML`: the last word is the suffix. No two variables have the same; None: it names no file."""
    shape = _SHAPE.fullmatch(variable)
    return f"{shape[1].replace('_', '-')}.{shape[2]}".lower() if shape else None


def carried(environ: Mapping[str, str]) -> tuple[Carried, ...]:
    """The files that came in variables. Raises CannotEnter with every problem."""
    found, problems = list[Carried](), list[str]()
    for variable, content in sorted(environ.items()):
        if not variable.startswith(PREFIX):
            continue
        if (name := file_name(variable)) is None:
            problems.append(f"environment: {variable}: expected a name with a suffix, as in FILE_SETTINGS_TOML; give it one")
        elif not content.strip():
            problems.append(
                f"environment: {variable}: expected a file's content, it is empty; fill its place in the secret store"
            )
        else:
            found.append(Carried(variable=variable, name=name, content=content))
    if problems:
        raise CannotEnter(problems)
    return tuple(found)


def without_files(environ: Mapping[str, str]) -> Mapping[str, str]:
    """What is left for the program."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def variable_of(name: str) -> str:
    """The variable that a file comes in: what `file_name` undoes."""
    return f"{PREFIX}{re.sub('[-.]', '_', name)}".upper()


def put(files: Sequence[Carried], place: Path) -> None:
    """Write them, each at once or not at all, readable by this user alone. Old ones are replaced. Raises CannotEnter."""
    if not files:
        return
    if (open_to := _open_to(place)) is not None:
        needs = ", ".join(one.variable for one in files)
        raise CannotEnter(
            [f"{place}: expected a directory of this user's alone (mode 0700), {open_to}; {needs} would be read there"]
        )
    problems = []
    for one in files:
        try:
            _write(place / one.name, os.fsencode(one.content))
        except OSError as error:
            problems.append(f"environment: {one.variable}: expected {place / one.name} to be writable: {error.strerror}")
    if problems:
        raise CannotEnter(problems)


def look_for(arguments: Sequence[str], place: Path) -> None:
    """Is every file of the place there that the program is told to read? Raises CannotEnter with the variables that bring what is not."""
    missing = [path for path in map(Path, arguments) if path.parent == place and not path.exists()]
    if missing:
        raise CannotEnter(
            [f"environment: {variable_of(path.name)}: expected what {path} is to hold, it is not set" for path in missing]
        )


def _open_to(place: Path) -> str | None:
    """Why somebody else could read or replace what is written there; None: nobody can."""
    try:
        found = place.lstat()
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return "it is none"
    if found.st_uid != os.geteuid():
        return f"it belongs to user {found.st_uid} and this is user {os.geteuid()}"
    if others := stat.S_IMODE(found.st_mode) & 0o077:
        return f"others have rights to it ({others:04o})"
    return None


def _write(path: Path, content: bytes) -> None:
    # 1. A container is killed while it writes. 2. It is started again on the same volume. 3. Half a key is there, and a program that was
    # started by hand beside it reads that. So the file appears under its name when it is whole.
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as opened:
        opened.write(content)
    part.replace(path)


def main(argv: Sequence[str], environ: Mapping[str, str], place: Path = PLACE, become: Become = os.execve) -> int:
    """Become the program that `argv` names. Exit status 2 when its files cannot be put there, with a line per problem on standard error."""
    if not argv or argv[0].startswith("-"):
        sys.stderr.write("usage: python -m workload.entry MODULE [ARGUMENT ...]\n")
        return 2
    try:
        put(carried(environ), place)
        look_for(argv[1:], place)
    except CannotEnter as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # Not as a child: a child would have to be told of every signal, and the one that is forgotten ends payments in the middle.
    become(sys.executable, (sys.executable, "-I", "-m", *argv), without_files(environ))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
