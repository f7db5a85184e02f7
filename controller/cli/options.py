"""Options that several commands share, and the little that every command does with them."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from controller.cli.context import read_context
from controller.cli.exits import Ended, Exit

if TYPE_CHECKING:
    from controller.cli.inquiry import Inquiry

T = TypeVar("T")

ContextFile = Annotated[
    Path | None,
    typer.Option("--context", metavar="FILE", help="Which controllers there are. Default: TRIMARAN_CONTEXT, else the lab's own."),
]
Service = Annotated[str | None, typer.Option("--service", metavar="NAME", help="Default: the one of the context.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is journaled.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who asks; it is journaled. Default: the user of this machine.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask anything, as when there is no terminal.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long to follow; it goes on afterwards.")
]


def with_controllers(
    context: Path | None, service: str | None, work: "Callable[[Inquiry], Awaitable[T]]", stopped: Exit = Exit.STOPPED
) -> T:
    """Run one command's work against the controllers; an end becomes its line and its exit status, Ctrl-C becomes `stopped`."""
    from controller.cli.inquiry import inquiry

    async def run() -> T:
        async with inquiry(read_context(context, service, os.environ)) as asked:
            return await work(asked)

    try:
        return asyncio.run(run())
    except Ended as end:
        print(end.line, file=sys.stderr)
        raise typer.Exit(end.status) from end
    except KeyboardInterrupt as stop:
        raise typer.Exit(stopped) from stop


def interactive(*, no_input: bool) -> bool:
    """May a person be asked?"""
    return not no_input and sys.stdin.isatty() and sys.stderr.isatty()


def user() -> str:
    """The user of this machine."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
