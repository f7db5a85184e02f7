"""`trimaran controller ...`: the controller process itself."""

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The controller process.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The controller process."""


@app.command("run")
def run_controller(
    settings: Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of this controller, TOML.")],
) -> None:
    """Run one controller until SIGTERM or SIGINT."""
    from controller.errors import SettingsError
    from controller.process import run
    from controller.settings import read_settings

    try:
        given = read_settings(settings, os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error
    address = (given.listen.host, given.listen.port)
    try:
        listener = socket.create_server(address, backlog=128)
    except OSError as error:
        reason = f"expected an address that can be listened on, {address[0]}:{address[1]} cannot: {error.strerror}"
        print(f"{settings}: listen: {reason}; free it or choose another", file=sys.stderr)
        raise typer.Exit(2) from error
    raise typer.Exit(run(given, listener))
