"""Commands that only look: status and explain."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import ContextFile, Json, Service, with_controllers

if TYPE_CHECKING:
    from controller.cli.inquiry import Inquiry

EVERY = 0.5
"""Seconds between two screens."""

Pause = Callable[[float], Awaitable[None]]


def status(
    context: ContextFile = None,
    service: Service = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew twice a second, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show who writes, what is under way, how old every fact is, what could be done."""
    if as_json:
        document = with_controllers(context, service, lambda asked: asked.status(), as_json=True)
        print(json.dumps(document, indent=2))
        return
    from rich.console import Console

    console = Console()
    if watch:
        with_controllers(context, service, lambda asked: keep_showing(asked, console, asyncio.sleep), stopped=Exit.DONE)
        return
    from controller.cli.screen import show

    show(with_controllers(context, service, lambda asked: asked.status()), console)


async def keep_showing(asked: "Inquiry", console: Any, pause: Pause) -> None:
    """One screen after the other until cancelled; a round in which nobody answers is a line on it, and no end."""
    from rich.live import Live
    from rich.text import Text

    from controller.cli.screen import Screen

    asked.doing = ""
    with Live(Text("asking ..."), console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            try:
                live.update(Screen(await asked.status()), refresh=True)
            except Ended as end:
                live.update(Text(end.line, "bold red"), refresh=True)
            await pause(EVERY)


def explain(
    context: ContextFile = None,
    service: Service = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="How many entries.")] = 20,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="The last ones before this time (ISO 8601).")] = None,
    as_json: Json = False,
) -> None:
    """Tell from the journal what was decided, and why."""
    query: dict[str, str | int] = {"limit": limit, **({"at": at} if at else {})}
    told = with_controllers(context, service, lambda asked: asked.freshest("explain", **query), as_json=as_json)
    entries = told["entries"]
    if as_json:
        print(json.dumps(entries, indent=2))
        return
    for entry in entries:
        print(f"{entry['sequence']}  {entry['said']}")
