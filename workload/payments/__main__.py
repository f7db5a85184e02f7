"""`python -m workload.payments --settings FILE`: one process of the payments service. The password comes from the environment."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from workload import process
from workload.durable.database import Durably
from workload.durable.settings import SettingsError, read_settings
from workload.payments.settings import PASSWORD_VARIABLE, Settings
from workload.payments.wiring import Assembly, serve


def main(argv: Sequence[str], environ: Mapping[str, str], durably: Durably = lambda durability: durability) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m workload.payments", description="One process of the payments service.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    wanted = {PASSWORD_VARIABLE: "the password of the role payments_app"}
    try:
        settings, secrets = read_settings(arguments.settings, Settings, environ, wanted)
        listener = process.listen(settings.listen)
    except (SettingsError, process.CannotListen) as error:
        print(error if isinstance(error, SettingsError) else f"{arguments.settings}: {error}", file=sys.stderr)
        return 2
    process.log_json()

    async def run() -> None:
        await serve(Assembly(settings, secrets[PASSWORD_VARIABLE], durably), listener)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
