"""Commands `lab` and `demo`, hung into `trimaran` by entry points; also `python -m lab`. Importing it is cheap."""

import asyncio
import json as codec
import logging
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.exits import Exit
from lab.errors import LabError

STOPPED_BY = {signal.SIGINT: Exit.STOPPED, signal.SIGTERM: Exit.ENDED, signal.SIGHUP: Exit.HUNG_UP}
"""How a command ends that a signal stopped: in good order."""

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Which lab, when several run.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

lab = typer.Typer(name="lab", help="Three clouds on this machine: start them, hurt them, heal them.", no_args_is_help=True)
demo = typer.Typer(name="demo", help="One cloud dies under load; a report tells what became of every payment.")


@lab.command()
def up(
    name: Name = "lab",
    load: Annotated[
        float, typer.Option("--load", metavar="RATE", help="Payments a second offered while the lab is up; 0: none.")
    ] = 0,
    json: Json = False,
) -> None:
    """Start a lab and keep it up until Ctrl-C or `lab down`."""
    from lab.keeping import keep_up

    _end(_run(keep_up(name, load, as_json=json)))


@lab.command()
def status(name: Name = "lab", json: Json = False) -> None:
    """Who writes, what runs, what is broken on purpose."""
    from lab import visiting

    _end(_run(visiting.show_status(name, as_json=json)))


@lab.command()
def fault(
    kind: Annotated[
        str,
        typer.Argument(metavar="FAULT", help="crash, freeze, partition, deaf, disk-full, ...; an unknown one lists them all."),
    ],
    place: Annotated[
        str | None, typer.Argument(metavar="PLACE", help="aws, azure, gcp; of an authority route53, azuredns, clouddns; issuer.")
    ] = None,
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Break something, now."""
    from lab import visiting

    _end(_run(visiting.order(name, "fault", {"fault": kind, "place": place}, as_json=json)))


@lab.command()
def heal(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="aws, azure, gcp, route53, azuredns, clouddns or issuer.")],
    name: Name = "lab",
    json: Json = False,
) -> None:
    """Undo whatever was done to a place; returns when it runs again."""
    from lab import visiting

    _end(_run(visiting.order(name, "heal", {"place": place}, as_json=json)))


@lab.command("ask")
def ask_service(
    client: Annotated[
        str, typer.Argument(metavar="CLIENT", help="merchant-1, wallet-1, reviewer, ...; an unknown one lists them all.")
    ],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, DELETE.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="As in the OpenAPI documents, such as /v1/payments.")],
    body: Annotated[str, typer.Option("--body", metavar="JSON", help="What is sent; none when it is left out.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="KEY", help="Idempotency-Key; a new one when it is left out.")] = "",
    service: Annotated[str, typer.Option("--service", metavar="SERVICE", help="payments or vault.")] = "payments",
    at: Annotated[str, typer.Option("--at", metavar="SITE", help="Whose edge is asked.")] = "azure",
    name: Name = "lab",
) -> None:
    """Ask a service as one of the lab's clients, with its certificate and its token; prints the answer."""
    from lab import visiting

    try:
        content = codec.loads(body) if body else None
    except ValueError as error:
        raise typer.BadParameter(f"--body is no JSON: {error}") from error
    wish = {"client": client, "method": method.upper(), "path": path, "body": content, "key": key, "service": service, "site": at}
    _end(_run(visiting.ask_service(name, wish)))


@lab.command()
def down(name: Name = "lab", json: Json = False) -> None:
    """End a lab; returns when nothing of it is left."""
    from lab import visiting

    _end(_run(visiting.take_down(name, as_json=json)))


@demo.callback(invoke_without_command=True)
def show(
    fault: Annotated[str, typer.Option("--fault", metavar="FAULT", help="crash, freeze or partition.")] = "crash",
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIRECTORY", help="Where report.json and report.html go; an earlier report there is removed first."
        ),
    ] = Path("out/demo"),
    name: Name = "demo",
    rate: Annotated[float, typer.Option("--rate", metavar="RATE", min=1, help="Payments offered a second.")] = 25,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--beside",
            metavar="FAULT@PLACE",
            help="Lose an authority or the issuer too, as in api-hang@route53, issuer-down; can be given again.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Start a lab, hurt its writer under load, heal it, reconcile, report. Exit 0 only when every promise was kept."""
    from lab.showing import show_demo

    _end(_run(show_demo(fault, out, name, rate, beside or (), as_json=json)))


def main() -> None:
    """`python -m lab`: the lab's commands, with `demo` beside them."""
    app = typer.Typer(name="python -m lab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.registered_commands += lab.registered_commands
    app.add_typer(demo)
    app()


def _run(work: Coroutine[Any, Any, Exit]) -> int:
    """Run a command's work; Ctrl-C and SIGTERM end it in good order. Answers the exit status."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a killed server is no news here

    async def interruptible() -> int:
        task = asyncio.current_task()
        assert task is not None, "there is a task inside a coroutine"
        seen: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            seen.append(number)
            task.cancel()

        for number in STOPPED_BY:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            return await work
        except LabError as error:  # whatever command: its place cannot be used, for one
            print(error, file=sys.stderr)
            return Exit.BROKEN
        except asyncio.CancelledError:
            return STOPPED_BY[seen[0] if seen else signal.SIGINT]

    return asyncio.run(interruptible())


def _end(status: int) -> None:
    sys.exit(int(status))
