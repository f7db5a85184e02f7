"""What a container starts with: files come in variables, lie where their program looks, and are nobody else's."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.entry import CannotEnter, carried, file_name, main, put, variable_of, without_files

PEM = "-----BEGIN PRIVATE KEY-----\nnobody may read this\n-----END PRIVATE KEY-----\n"
ROOT = Path(__file__).parents[3]


@dataclass(slots=True)
class Became:
    """Stands in for `os.execve`: remembers what this process would have become."""

    commands: list[Sequence[str]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, program: str, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """As `os.execve`, and comes back."""
        assert program == command[0]
        self.commands.append(command)
        self.environments.append(environment)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """As the image has it."""
    made = tmp_path / "run"
    made.mkdir(mode=0o700)
    return made


def mode(path: Path) -> int:
    """Its rights."""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("FILE_SETTINGS_TOML", "settings.toml"),
        ("FILE_CLIENT_KEYS_PEM", "client-keys.pem"),
        ("FILE_TOKEN", None),
        ("FILE__PEM", None),
        ("FILE_../X_PEM", None),
        ("FILE_a_PEM", None),
        ("PASSWORD", None),
    ],
)
def test_a_variable_says_what_its_file_is_called(variable: str, name: str | None) -> None:
    """The last word is the suffix; whatever could lead out of the place is no name at all."""
    assert file_name(variable) == name


@given(st.sets(st.from_regex(r"FILE_([A-Z0-9]{1,3}_){1,3}[A-Z]{1,2}", fullmatch=True), min_size=2))
def test_no_two_variables_have_the_same_file(variables: set[str]) -> None:
    """One would silently win: a program that starts with another one's key."""
    names = [file_name(one) for one in variables]
    assert None not in names and len(set(names)) == len(names)


def test_the_program_gets_its_files_and_never_sees_the_variables(place: Path) -> None:
    """Files of this user alone, everything else handed on, and the same interpreter without its surroundings."""
    became = Became()
    environment = {"FILE_IDENTITY_PEM": PEM, "FILE_SETTINGS_TOML": "site = 'aws'\n", "APP_PASSWORD": "p", "HOME": "/"}
    assert main(["workload.vault", "--settings", "s"], environment, place, became) == 0
    assert {path.name: path.read_text() for path in place.iterdir()} == {"identity.pem": PEM, "settings.toml": "site = 'aws'\n"}
    assert {mode(path) for path in place.iterdir()} == {0o600}
    assert became.environments == [{"APP_PASSWORD": "p", "HOME": "/"}]
    assert became.commands == [(sys.executable, "-I", "-m", "workload.vault", "--settings", "s")]


def test_a_container_that_starts_again_has_the_new_files(place: Path) -> None:
    """Old files, a half-written one and whatever else took the name's place are no hindrance, and nothing is written through a link."""
    elsewhere = place.parent / "elsewhere"
    elsewhere.write_text("untouched")
    (place / "identity.pem").write_text("yesterday's, and longer than today's" * 9)
    (place / "identity.pem").chmod(0o444)
    (place / ".settings.toml.part").write_text("hal")
    (place / "settings.toml").symlink_to(elsewhere)
    for _ in range(2):
        put(carried({"FILE_IDENTITY_PEM": PEM, "FILE_SETTINGS_TOML": "new"}), place)
    assert {path.name: path.read_text() for path in place.iterdir()} == {"identity.pem": PEM, "settings.toml": "new"}
    assert (elsewhere.read_text(), mode(place / "identity.pem")) == ("untouched", 0o600)


@pytest.mark.parametrize("empty", ["", " \n"])
def test_every_empty_variable_is_named_and_no_content_is(place: Path, empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A place in the secret store that nobody filled: the operator reads which one, and the log holds no key."""
    became = Became()
    environment = {"FILE_IDENTITY_PEM": PEM, "FILE_AUTHORITY_PEM": empty, "FILE_SETTINGS_TOML": empty, "FILE_X": PEM}
    assert main(["workload.vault"], environment, place, became) == 2
    said = capsys.readouterr().err
    assert all(f"environment: {one}: expected" in said for one in ("FILE_AUTHORITY_PEM", "FILE_SETTINGS_TOML", "FILE_X"))
    assert "FILE_IDENTITY_PEM" not in said and "nobody may read" not in said
    assert not became.commands and not list(place.iterdir())


def test_nothing_is_written_where_others_may_look(tmp_path: Path) -> None:
    """A directory with rights of others, none at all, a link to one, a file: refused before the first byte, with whose file it was for."""
    open_to_all, real, file = tmp_path / "open", tmp_path / "real", tmp_path / "file"
    open_to_all.mkdir()
    open_to_all.chmod(0o750)
    real.mkdir(mode=0o700)
    file.write_text("")
    link = tmp_path / "link"
    link.symlink_to(real)
    for place, why in (
        (open_to_all, "others have rights"),
        (tmp_path / "none", "cannot be looked at"),
        (link, "it is none"),
        (file, "it is none"),
    ):
        with pytest.raises(CannotEnter, match=why) as refused:
            put(carried({"FILE_IDENTITY_PEM": PEM}), place)
        assert "FILE_IDENTITY_PEM" in str(refused.value) and "nobody may read" not in str(refused.value)
    assert not [*open_to_all.iterdir(), *real.iterdir()]


def test_a_place_of_somebody_else_is_refused(place: Path) -> None:
    """An empty volume that came as another user's: that one could take the key out again."""
    if os.geteuid() == 0:
        os.chown(place, 10001, 10001)
    else:  # only root can give a directory away; there is one that is root's
        place = Path("/")
    with pytest.raises(CannotEnter, match="belongs to user"):
        put(carried({"FILE_IDENTITY_PEM": PEM}), place)


def test_what_cannot_be_written_is_named(place: Path) -> None:
    """A directory of that name: the variable, and nothing of what it holds. The other files are tried too, so that all is told at once."""
    (place / "identity.pem").mkdir()
    (place / "clients.pem").mkdir()
    with pytest.raises(CannotEnter) as refused:
        put(carried({"FILE_IDENTITY_PEM": PEM, "FILE_CLIENTS_PEM": PEM}), place)
    assert [line.split(":")[1].strip() for line in refused.value.problems] == ["FILE_CLIENTS_PEM", "FILE_IDENTITY_PEM"]
    assert "nobody may read" not in str(refused.value)


def test_without_files_no_place_is_needed(tmp_path: Path) -> None:
    """A program that is given nothing to keep starts anywhere."""
    became = Became()
    assert main(["controller", "run"], {"HOME": "/"}, tmp_path / "none", became) == 0
    assert became.environments == [{"HOME": "/"}]


def test_bytes_are_kept_as_they_came(place: Path) -> None:
    """A secret need be no text: what `os.environ` could not read as UTF-8 is written as it was."""
    put(carried({"FILE_IDENTITY_P12": os.fsdecode(b"\x80\xff\n")}), place)
    assert (place / "identity.p12").read_bytes() == b"\x80\xff\n"


@pytest.mark.parametrize("argv", [[], ["--settings"]])
def test_it_says_how_it_is_used(argv: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a program there is nothing to become."""
    assert main(argv, {}, place, Became()) == 2
    assert "MODULE" in capsys.readouterr().err


def test_other_variables_are_left_alone() -> None:
    """PROFILE_X and file_x are not ours."""
    kept = {"PROFILE_X": "1", "file_x": "2", "MY_FILE_PEM": "3"}
    assert without_files({**kept, "FILE_A_PEM": "4"}) == kept


def test_a_file_that_came_in_no_variable_is_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A definition without the variable: which one it is stands there, rather than a path that nobody but the image knows."""
    became, settings = Became(), place / "settings.toml"
    command = ["workload.vault", "--settings", str(settings), str(place / "client-keys.pem"), "/elsewhere/x.pem"]
    assert main(command, {"FILE_IDENTITY_PEM": PEM}, place, became) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == ["FILE_SETTINGS_TOML", "FILE_CLIENT_KEYS_PEM"]
    assert not became.commands
    settings.write_text("put there by a volume")
    assert main(command[:3], {"FILE_IDENTITY_PEM": PEM}, place, became) == 0


@given(st.from_regex(r"FILE_([A-Z0-9]{1,3}_){1,3}[A-Z]{1,2}", fullmatch=True))
def test_a_file_says_which_variable_it_came_in(variable: str) -> None:
    """The operator who is told of a missing one sets just that."""
    assert (name := file_name(variable)) is not None and variable_of(name) == variable


PLAYED = """
import os, signal
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
print(os.getpid(), "nobody" in Path("/proc/self/environ").read_text(), os.environ["KEPT"], flush=True)
"""


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_process_itself_becomes_the_program(place: Path, umask: int) -> None:
    """The same process: whoever tells it to end tells the program, whose status is the container's. The key is in no environment any more,
    and its file is this user's alone however loose the surroundings are."""
    entry = "import os, sys; from pathlib import Path; from workload.entry import main; main(sys.argv[2:], os.environ, Path(sys.argv[1]))"
    process = subprocess.Popen(
        # `timeit` stands in for a program: a module that runs what it is given.
        [sys.executable, "-c", entry, place, "timeit", "-n", "1", "-r", "1", "-s", PLAYED, "signal.pause()"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "FILE_IDENTITY_PEM": PEM, "KEPT": "kept"},
        umask=umask,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().split() == [str(process.pid), "False", "kept"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 7
    finally:
        process.kill()
        process.communicate()
    found = (place / "identity.pem").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.geteuid())
