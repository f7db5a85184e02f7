"""A part of the lab as a program of its own: settings from a file, one line of JSON once it can be asked, an end when it is told."""

import argparse
import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

S = TypeVar("S", bound=BaseModel)

Ready = Callable[[int, int], None]
"""Told of the port and of the lab's own, once both can be asked."""

ENDS = (signal.SIGTERM, signal.SIGINT)


def read_settings(program: str, kind: type[S]) -> S:
    """The settings in the file that `--settings` names. Raises pydantic.ValidationError, OSError; a wrong command line ends the process."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--settings", type=Path, required=True)
    return kind.model_validate_json(parser.parse_args().settings.read_bytes())


def say_ready(**ports: int) -> None:
    """What whoever started this program waits for on its standard output."""
    print(json.dumps({"ready": True, **ports}), flush=True)


def run_until_told(work: Callable[[asyncio.Event, Ready], Awaitable[None]]) -> None:
    """Run in a new event loop; the event given is set by SIGTERM or SIGINT."""

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in ENDS:
            loop.add_signal_handler(number, stop.set)
        await work(stop, lambda port, control: say_ready(port=port, control_port=control))

    asyncio.run(run())
