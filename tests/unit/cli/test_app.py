"""The command tree as a whole: quick to start, open to other packages, and honest when one of them is broken."""

import io
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer

from controller.cli import act, app, context, options
from controller.cli.exits import Ended, Exit

HERE = "tests.unit.cli.extension"
EXTENSIONS = tuple(
    EntryPoint(name=name, value=value, group=app.GROUP)
    for name, value in (
        ("lab", f"{HERE}:app"),
        ("greet", f"{HERE}:add"),
        ("failing", f"{HERE}:broken"),
        ("absent", "no_such_package:app"),
    )
)


def run(*arguments: str) -> int:
    """One command with these extensions."""
    return app.run(list(arguments), EXTENSIONS)


def test_an_extension_is_a_group_or_adds_to_the_parent(capsys: pytest.CaptureFixture[str]) -> None:
    """Both kinds of value work, with their own subcommands."""
    assert (run("lab", "up"), run("lab", "down"), run("greet")) == (Exit.DONE, Exit.DONE, Exit.DONE)
    assert capsys.readouterr().out == "up\ndown\nhello\n"


@pytest.mark.parametrize(("name", "why"), [("failing", "no hull"), ("absent", "no_such_package")])
def test_a_broken_extension_is_one_line(capsys: pytest.CaptureFixture[str], name: str, why: str) -> None:
    """Exit 1 with what cannot be loaded, and no traceback."""
    assert run(name) == Exit.BROKEN
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and why in said and name in said


def test_a_broken_extension_harms_nobody_else(capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed, never imported, and every other command works."""
    assert run("--help") == Exit.DONE
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in ("lab", "greet", "failing", "absent", "status"))
    assert run("lab", "up") == Exit.DONE


def test_help_imports_nothing_heavy() -> None:
    """`trimaran --help` needs no HTTP client, no database driver, no cloud's SDK and no screen."""
    program = (
        "import sys; from controller.cli import app; app.run(['--help'], ())\n"
        "heavy = {'aiohttp', 'pydantic', 'psycopg', 'boto3', 'rich', 'structlog', 'lab'} & set(sys.modules)\n"
        "print(*sorted(heavy), sep='', end='', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert "switchover" in done.stdout


def test_a_context_of_somebody_else_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default place is shared: another user's file there would send our commands to their controllers."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = context.default_path()
    path.parent.mkdir()
    path.write_text('{"service": "payments", "controllers": {"aws": "http://127.0.0.1:1"}}')
    assert context.read_context(None, None, {}).service == "payments"
    assert context.read_context(None, "vault", {}).service == "vault"
    other = path.stat().st_uid + 1
    monkeypatch.setattr("os.getuid", lambda: other)
    path.parent.rename(path.parent.with_name(context.default_path().parent.name))
    with pytest.raises(Ended) as end:
        context.read_context(None, None, {})
    assert end.value.status is Exit.USAGE and "another user" in end.value.line


def test_where_the_context_comes_from(tmp_path: Path) -> None:
    """The option wins over the environment."""
    given, named = tmp_path / "given.json", tmp_path / "named.json"
    for path in (given, named):
        path.write_text(f'{{"service": "{path.stem}", "controllers": {{"aws": "http://127.0.0.1:1/"}}}}')
    environ = {context.VARIABLE: str(named)}
    assert context.read_context(given, None, environ).service == "given"
    assert context.read_context(None, None, environ).service == "named"
    assert context.read_context(given, None, environ).controllers == {"aws": "http://127.0.0.1:1"}


STATUS = {"service": "payments", "posture": {"writer": "azure", "reign": 4, "mode": "automatic"}}


@pytest.mark.parametrize(
    ("severe", "typed", "agreed"),
    [(False, "y\n", True), (False, "\n", False), (True, "payments\n", True), (True, "y\n", False), (True, "\n", False)],
)
def test_friction_grows_with_danger(monkeypatch: pytest.MonkeyPatch, *, severe: bool, typed: str, agreed: bool) -> None:
    """A switchover takes a yes, a failover the service's name; a bare Enter is always a no, and then nothing was asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    if agreed:
        act.confirm_move("leave azure", STATUS, severe=severe)
    else:
        with pytest.raises(Ended) as end:
            act.confirm_move("leave azure", STATUS, severe=severe)
        assert end.value.status is Exit.USAGE


def test_nobody_is_asked_without_a_terminal() -> None:
    """Scripts never hang on a question."""
    assert not options.interactive(no_input=True)
    assert not options.interactive(no_input=False)


def test_stopping_to_follow_is_its_own_status(tmp_path: Path) -> None:
    """Ctrl-C ends the following, not what was asked for."""
    path = tmp_path / "context.json"
    path.write_text('{"service": "payments", "controllers": {"aws": "http://127.0.0.1:1"}}')

    async def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as end:
        options.with_controllers(path, None, interrupted)
    assert end.value.exit_code == Exit.STOPPED
