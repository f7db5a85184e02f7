"""`python -m workload.screening --settings FILE`: one process of the screening service."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from workload import process
from workload.durable.settings import SettingsError, read_settings
from workload.screening.settings import Settings
from workload.screening.wiring import Assembly, serve


def main(argv: Sequence[str]) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m workload.screening", description="One process of the screening service.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    try:
        settings, _ = read_settings(arguments.settings, Settings, {}, {})
        listener = process.listen(settings.listen)
    except (SettingsError, process.CannotListen) as error:
        print(error if isinstance(error, SettingsError) else f"{arguments.settings}: {error}", file=sys.stderr)
        return 2
    process.log_json()
    uvloop.run(serve(Assembly(settings), listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
