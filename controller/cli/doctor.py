"""`trimaran doctor`: is everything so that a failover can be trusted? It asks, and changes nothing.

Like `trimaran schema` it reaches everything itself, by a controller's settings and the passwords in the environment: the controllers may
not run yet, and what it finds is seen from where it runs.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import Json, leave

if TYPE_CHECKING:
    from controller.core.checkup.finding import Finding

SettingsFile = Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of a controller, TOML.")]
OneService = Annotated[
    str | None,
    typer.Option("--service", metavar="NAME", help="Whose databases. Default: those of every service of the settings."),
]
Patience = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60.0, help="For each question; many are asked at once.")
]
Everything = Annotated[bool, typer.Option("--all", help="Show what is good, too.")]


def doctor(
    settings: SettingsFile, service: OneService = None, timeout: Patience = 3.0, all_: Everything = False, as_json: Json = False
) -> None:
    """Check everything that a failover rests on: servers, roles, streams, clocks, DNS, certificates, credentials, capacity, drift.

    Reads only, and is safe at any time. Exit 0: nothing bad, at most warnings; 11: something is bad; 12: nothing is known to be bad, and
    something could not be asked.
    """
    from controller.core.checkup.finding import Verdict, worst

    findings = _look(settings, service, timedelta(seconds=timeout), as_json=as_json)
    if as_json:
        print(json.dumps(document(findings), indent=2))
    else:
        from rich.console import Console

        from controller.cli.findings import show

        show(findings, Console(), everything=all_)
    match worst(findings):
        case Verdict.BAD:
            raise typer.Exit(Exit.UNFIT)
        case Verdict.UNKNOWN:
            raise typer.Exit(Exit.UNTOLD)


def _look(path: Path, service: str | None, deadline: timedelta, *, as_json: bool) -> "Sequence[Finding]":
    from controller.errors import SettingsError, TrimaranError
    from controller.settings import read_settings
    from controller.wiring_checkup import checkup

    try:
        given = read_settings(path, os.environ)
    except SettingsError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    if service is not None and service not in given.services:
        known = ", ".join(sorted(given.services))
        leave(Ended(Exit.USAGE, f"--service: expected one of the settings' services: {known}"), as_json=as_json)
    chosen = {name: one for name, one in given.services.items() if service in (None, name)}
    try:
        return asyncio.run(checkup(given, chosen, deadline))
    except TrimaranError as error:  # of putting it together: settings name an identity or a cloud that nothing can be asked with
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=as_json)


def document(findings: "Sequence[Finding]") -> Any:
    """All of it, for machines."""
    from controller.core.checkup.catalogue import AREA
    from controller.core.checkup.finding import Verdict, worst

    return {
        "verdict": str(worst(findings)),
        "counts": {str(verdict): sum(one.verdict is verdict for one in findings) for verdict in Verdict},
        "findings": [
            {
                "area": str(AREA[one.check]),
                "check": str(one.check),
                "subject": one.subject,
                "verdict": str(one.verdict),
                "value": one.value,
                "limit": one.limit,
                "way_out": one.way_out,
            }
            for one in findings
        ],
    }
