"""`python -m workload.webhooks --settings FILE`: one process of the dispatcher. The password comes from the environment."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workload import process
from workload.durable.settings import SettingsError, read_settings
from workload.webhooks.settings import PASSWORD_VARIABLE, Settings
from workload.webhooks.signing import SecretsError
from workload.webhooks.wiring import Assembly, serve


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m workload.webhooks", description="One process of the webhook dispatcher.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    wanted = {PASSWORD_VARIABLE: "the password of the role payments_app"}
    try:
        settings, secrets = read_settings(arguments.settings, Settings, environ, wanted)
        assembly = Assembly(settings, secrets[PASSWORD_VARIABLE])
        listener = process.listen(settings.listen)
    except (SettingsError, SecretsError, process.CannotListen) as error:
        print(error, file=sys.stderr)
        return 2
    process.log_json()

    async def run() -> None:
        await serve(assembly, listener)

    # Not uvloop: it asks for names in four threads of its own, however many names are silent.
    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
