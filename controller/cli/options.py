"""Options that several commands share, and the little that every command does with them."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from controller.cli.context import read_context
from controller.cli.exits import Ended, Exit

if TYPE_CHECKING:
    from controller.cli.inquiry import Inquiry

T = TypeVar("T")

PROMPT, AGAIN = 0.7, 2.0
"""Seconds until something is said about a wait, and between two such lines."""

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
Request = Annotated[
    str | None,
    typer.Option("--request", metavar="ID", help="Repeat an order under the id it was given with: it is carried out once."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long to follow; it goes on afterwards.")
]


def with_controllers(
    context: Path | None,
    service: str | None,
    work: "Callable[[Inquiry], Awaitable[T]]",
    *,
    as_json: bool = False,
    stopped: Exit = Exit.STOPPED,
) -> T:
    """Run one command's work against the controllers; an end becomes its line and its exit status, Ctrl-C becomes `stopped`."""
    from controller.cli.inquiry import inquiry

    async def run() -> T:
        async with inquiry(read_context(context, service, os.environ)) as asked:
            waiting = asyncio.create_task(_tell_what_takes_long(asked))
            try:
                return await work(asked)
            finally:
                waiting.cancel()

    try:
        return asyncio.run(run())
    except Ended as end:
        leave(end, as_json=as_json)
    except KeyboardInterrupt:
        leave(Ended(stopped, ""), as_json=as_json)


def leave(end: Ended, *, as_json: bool) -> NoReturn:
    """End the command: the line on standard error, and for machines one document on standard output all the same."""
    if end.line:
        print(end.line, file=sys.stderr)
    if as_json:
        print(json.dumps({"outcome": end.status.name.lower(), "exit": int(end.status), "error": end.line}, indent=2))
    raise typer.Exit(end.status) from end


async def _tell_what_takes_long(asked: "Inquiry") -> None:
    """Nobody looks at an empty screen for more than a second."""
    passed = PROMPT
    await asyncio.sleep(PROMPT)
    while True:
        if asked.doing:
            print(f"{passed:6.1f} s  {asked.doing} ...", file=sys.stderr, flush=True)
        await asyncio.sleep(AGAIN)
        passed += AGAIN


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
