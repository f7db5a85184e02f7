"""`python -m workload.payments --settings FILE`: one process of the payments service. The password comes from the environment."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
import uvloop

from workload.payments.settings import SettingsError, read_settings
from workload.payments.wiring import Assembly, Durably, serve


def main(argv: Sequence[str], environ: Mapping[str, str], durably: Durably = lambda durability: durability) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m workload.payments", description="One process of the payments service.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    try:
        settings, password = read_settings(arguments.settings, environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    listen = settings.listen
    try:
        listener = socket.create_server((listen.host, listen.port), backlog=1024)
    except OSError as error:
        reason = f"expected an address that can be listened on, {listen.host}:{listen.port} cannot: {error.strerror}"
        print(f"{arguments.settings}: listen: {reason}; free it or choose another", file=sys.stderr)
        return 2
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )

    async def run() -> None:
        await serve(Assembly(settings, password, durably), listener)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
