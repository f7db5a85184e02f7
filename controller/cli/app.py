"""The whole command tree. Importing it stays cheap: every command imports what it needs when it runs.

Other packages add commands through the entry point group `trimaran.commands`: the name is the command, the value a typer app, or a
function that is given the parent app. They are imported only when their command is run. In a checkout that nobody installed they are
those that its pyproject.toml names.
"""

import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import typer

from controller.cli import act, audit, bootstrap, doctor, drill, erase, look, notify, process, rebuild, schema, settings
from controller.cli.exits import Exit, listed

GROUP = "trimaran.commands"

CHECKOUT = Path(__file__).resolve().parents[2] / "pyproject.toml"
"""Where this package lies in a checkout; there is none beside an installed one."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def build(arguments: Sequence[str] = (), extensions: Iterable[EntryPoint] = ()) -> typer.Typer:
    """The command tree; of the extensions, only the one that the arguments name is imported."""
    app = typer.Typer(
        name="trimaran",
        help="Keeps a payments service afloat on three clouds.",
        epilog="\b\nExit status:\n" + listed(),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )
    for command in (look.status, look.explain, act.switchover, act.failover, act.promote, act.pause, act.resume, act.mode):
        app.command(command.__name__)(command)
    app.add_typer(audit.app, name="audit")
    app.add_typer(schema.app, name="schema")
    app.command("erase")(erase.erase)
    app.command("doctor")(doctor.doctor)
    app.command("notify")(notify.notify)
    app.add_typer(drill.app, name="drill")
    app.command("bootstrap")(bootstrap.bootstrap)
    app.command("rebuild")(rebuild.rebuild)
    app.add_typer(settings.app, name="settings")
    app.add_typer(process.app, name="controller")
    app.command("run", hidden=True)(process.run_controller)  # `python -m controller run` reads better than twice the word
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    for extension in sorted(extensions, key=lambda one: one.name):
        if extension.name == named:
            _extend(app, extension)
        else:
            app.command(extension.name, help=f"See trimaran {extension.name} --help.")(_elsewhere)
    return app


def known_extensions(project: Path = CHECKOUT, installed: Iterable[EntryPoint] | None = None) -> tuple[EntryPoint, ...]:
    """Those that are installed; without any, those that the project file names: `python -m controller demo` works before `pip`."""
    if present := tuple(entry_points(group=GROUP) if installed is None else installed):
        return present
    try:
        named = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["entry-points"][GROUP]
    except (OSError, ValueError, KeyError):
        return ()
    return tuple(EntryPoint(name=name, value=value, group=GROUP) for name, value in named.items())


def run(arguments: Sequence[str], extensions: Iterable[EntryPoint] | None = None) -> int:
    """Run one command; answers its exit status. `extensions`: those that are installed, unless given."""
    try:
        app = build(arguments, known_extensions() if extensions is None else extensions)
        typer.main.get_command(app)(list(arguments), prog_name="trimaran")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _extend(app: typer.Typer, extension: EntryPoint) -> None:
    """Add the commands of another package; whatever is wrong with it is one line."""
    try:
        value = extension.load()
        if isinstance(value, typer.Typer):
            app.add_typer(value, name=extension.name)
        else:
            value(app)
    except Exception as error:
        print(f"trimaran {extension.name}: {extension.value} cannot be loaded: {error!r}", file=sys.stderr)
        raise SystemExit(int(Exit.BROKEN)) from error


def _elsewhere() -> None:
    """Stands in a listing for a command that was not asked for."""
