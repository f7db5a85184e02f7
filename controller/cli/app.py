"""The whole command tree. Importing it must stay cheap: every command imports what it needs when it runs."""

from collections.abc import Sequence

import typer

from controller.cli import process


def build() -> typer.Typer:
    """The command tree with its groups."""
    app = typer.Typer(name="trimaran", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.add_typer(process.app, name="controller")
    app.command("run", hidden=True)(process.run_controller)  # `python -m controller run` reads better than twice the word
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command; answers its exit status."""
    try:
        typer.main.get_command(build())(list(arguments), prog_name="trimaran")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
