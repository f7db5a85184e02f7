"""Command lines in documents, held against the commands that there are, without running them."""

import shlex

import typer
from typer.core import TyperGroup

from controller.cli.app import build, known_extensions


def understood(line: str) -> str:
    """Full name of the command that would run. Raises an error of the command line's for an option, argument or command there is not."""
    program, *given = shlex.split(line)
    assert program == "trimaran", line
    extensions = tuple(known_extensions())
    command = typer.main.get_command(build(given[:1], extensions))
    context = command.make_context(program, [*given])
    names = [program]
    while isinstance(command, TyperGroup):
        name, inner, rest = command.resolve_command(context, [*getattr(context, "_protected_args", ()), *context.args])
        assert name is not None and inner is not None, line
        names.append(name)
        command, context = inner, inner.make_context(name, rest, parent=context)
    return " ".join(names)
