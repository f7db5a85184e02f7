"""`trimaran notify`: does everybody who is to be told hear us? It sends a trial to each channel, marked as a drill, and changes nothing.

Like `trimaran doctor` it goes by a controller's settings, and what it finds is seen from where it runs.
"""

import asyncio
import json
import os
from datetime import timedelta
from typing import Annotated

import typer

from controller.cli.doctor import SettingsFile
from controller.cli.exits import Ended, Exit
from controller.cli.options import Json, leave

Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", metavar="NAME", help="One of the settings' channels; may be given again. Default: all."),
]
Patience = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=60.0, help="For each message.")]


def notify(settings: SettingsFile, channel: Channels = None, timeout: Patience = 3.0, as_json: Json = False) -> None:
    """Send a trial to everybody who is told what happens, and say who accepted it.

    It begins with [DRILL]; PagerDuty is given an alert that is resolved at once. The heartbeat is left alone: a ping of ours would hide a
    silence. Exit 0: accepted by all; 11: not by all.
    """
    from controller.clock import SystemClock
    from controller.errors import SettingsError
    from controller.settings import read_settings
    from controller.wiring_telling import trial

    try:
        given = read_settings(settings, os.environ)
    except SettingsError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    known = [one.name for one in given.notify]
    strange = sorted(set(channel or ()) - set(known))
    if strange or not known:
        told = f"one of the settings' channels: {', '.join(known) or 'there is none'}"
        leave(Ended(Exit.USAGE, f"--channel: expected {told}"), as_json=as_json)
    chosen = [one for one in given.notify if channel is None or one.name in channel]
    try:
        found = asyncio.run(trial(chosen, sorted(given.services)[0], timedelta(seconds=timeout), SystemClock()))
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=as_json)
    if as_json:
        print(json.dumps({"accepted": {name: not because for name, because in found.items()}, "because": dict(found)}, indent=2))
    else:
        for name, because in found.items():
            print(f"{name}: {because or 'accepted'}")
    if any(found.values()):
        raise typer.Exit(Exit.UNFIT)
