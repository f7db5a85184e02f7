"""`trimaran drill ...`: says in the journal that a drill begins or ends, so that everything people are told in between is marked.

Like `trimaran rebuild` it goes by a controller's settings and asks etcd itself. It breaks nothing: what is to fail is somebody else's work.
"""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import By, Reason, leave, user

if TYPE_CHECKING:
    from controller.ports import Draft
    from controller.settings import Settings

app = typer.Typer(help="Mark what people are told during a drill.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the drill is called: letters, digits, spaces and .-_")]
SettingsFile = Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of a controller, TOML.")]
OneService = Annotated[str, typer.Option("--service", metavar="NAME", help="Whose drill.")]
Lasting = Annotated[
    str, typer.Option("--for", metavar="TIME", help='"30m", "2h": when it ends by itself, if nobody ends it; at most a day.')
]
Patience = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60.0, help="For etcd to answer.")]

WORDS = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}"


@app.callback()
def _group() -> None:
    """Mark what people are told during a drill."""


@app.command()
def begin(
    name: Name,
    settings: SettingsFile,
    service: OneService,
    reason: Reason,
    lasting: Lasting = "1h",
    by: By = "",
    timeout: Patience = 3.0,
) -> None:
    """From now on everything that people are told of the service begins with [DRILL], until the drill is ended or its time is over."""
    from controller.core.drilling import DRILL_BEGUN, begun

    at, lasts = datetime.now(UTC), _lasting(lasting)
    body = begun(_name(name), by=by or user(), reason=reason, at=at, lasts=lasts)
    _journal(settings, service, timeout, DRILL_BEGUN, body)
    print(f"{service}: drill {name} has begun; it ends by itself at {(at + lasts).isoformat(timespec='seconds')}")


@app.command()
def end(name: Name, settings: SettingsFile, service: OneService, reason: Reason, by: By = "", timeout: Patience = 3.0) -> None:
    """What happens from now on is no drill; the end of an incident that began in it is still marked."""
    from controller.core.drilling import DRILL_ENDED, ended

    _journal(settings, service, timeout, DRILL_ENDED, ended(_name(name), by=by or user(), reason=reason))
    print(f"{service}: drill {name} is over")


def _name(given: str) -> str:
    import re

    if re.fullmatch(WORDS, given) is None:
        leave(Ended(Exit.USAGE, f"NAME: expected up to 63 letters, digits, spaces and .-_, not {given!r}"), as_json=False)
    return given


def _lasting(given: str) -> timedelta:
    from controller.core.drilling import LONGEST_DRILL
    from controller.settings_tables import duration

    try:
        lasts = duration(given)
    except ValueError as error:
        leave(Ended(Exit.USAGE, f"--for: expected {error}, not {given}"), as_json=False)
    if not timedelta() < lasts <= LONGEST_DRILL:
        leave(Ended(Exit.USAGE, f"--for: expected at most {LONGEST_DRILL.days} day, not {given}"), as_json=False)
    return lasts


def _journal(path: Path, service: str, timeout: float, kind: str, body: Mapping[str, object]) -> None:
    from controller.errors import Refused, SettingsError, TrimaranError
    from controller.ports import Draft
    from controller.settings import read_settings

    try:
        given = read_settings(path, os.environ)
    except SettingsError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=False)
    if service not in given.services:
        known = ", ".join(sorted(given.services))
        leave(Ended(Exit.USAGE, f"--service: expected one of the settings' services: {known}"), as_json=False)
    try:
        asyncio.run(_written(given, service, Draft(kind=kind, body=body), timedelta(seconds=timeout)))
    except Refused as error:
        leave(Ended(Exit.REFUSED, f"{error}. Nothing was written"), as_json=False)
    except TrimaranError as error:
        leave(Ended(Exit.UNKNOWN, f"{error}. Give the same command again: twice does no harm"), as_json=False)
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=False)


async def _written(given: "Settings", service: str, draft: "Draft", deadline: timedelta) -> None:
    from controller.marking import mark
    from controller.wiring_drill import journal_of

    async with journal_of(given, deadline) as coordination:
        await mark(coordination, service, draft)
