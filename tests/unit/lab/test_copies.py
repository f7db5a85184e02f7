"""Copies of PostgreSQL go when what they copy is gone, and never from under a lab."""

from datetime import timedelta
from pathlib import Path

from lab.copies import ORIGIN, name_of, remove_stale

NOW = timedelta(0)


def installed(place: Path, program: str = "a program") -> Path:
    """A package that holds a PostgreSQL."""
    (place / "pginstall" / "bin").mkdir(parents=True)
    (place / "pginstall" / "bin" / "postgres").write_text(program)
    return place


def copied(folder: Path, package: Path) -> Path:
    """A copy of it, as `binaries` makes one."""
    copy = folder / name_of(package)
    copy.mkdir(parents=True)
    (copy / ORIGIN).write_text(str(package))
    return copy


def test_a_copy_lives_as_long_as_what_it_copies(tmp_path: Path) -> None:
    """An environment that was thrown away, one that was reinstalled, and a draft nobody finished leave no copy behind."""
    kept, gone, changed = (installed(tmp_path / name) for name in ("kept", "gone", "changed"))
    folder = tmp_path / "copies"
    copies = {package: copied(folder, package) for package in (kept, gone, changed)}
    draft = folder / ".kept-1-2.77"
    draft.mkdir()
    (gone / "pginstall" / "bin" / "postgres").unlink()
    (changed / "pginstall" / "bin" / "postgres").write_text("another program")
    assert remove_stale(folder) == ()
    assert set(remove_stale(folder, spared=NOW)) == {copies[gone].name, copies[changed].name, draft.name}
    assert list(folder.iterdir()) == [copies[kept]]


def test_nothing_to_remove_is_no_error(tmp_path: Path) -> None:
    """Who runs as an ordinary user has no copies at all."""
    assert remove_stale(tmp_path / "none", spared=NOW) == ()
