"""`python -m workload.vault --settings FILE`: one process of the vault. The password comes from the environment."""

import argparse
import os
import ssl
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import uvloop

from workload import process
from workload.access import wiring as access
from workload.access.door import caller_of
from workload.durable.database import Durably
from workload.durable.settings import SettingsError, read_settings
from workload.vault.callers import OPERATIONS
from workload.vault.key_services import open_services
from workload.vault.settings import PASSWORD_VARIABLE, Settings
from workload.vault.wiring import Assembly, serve


def main(argv: Sequence[str], environ: Mapping[str, str], durably: Durably = lambda durability: durability) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m workload.vault", description="One process of the token vault.")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    wanted = {PASSWORD_VARIABLE: "the password of the role vault_app"}
    try:
        settings, secrets = read_settings(arguments.settings, Settings, environ, wanted)
        door = access.build(settings.access)
        wrappers = open_services(settings.key_services)
        listener = process.listen(settings.listen)
    except (SettingsError, process.CannotListen, ssl.SSLError, OSError) as error:
        print(error if isinstance(error, SettingsError) else f"{arguments.settings}: {error}", file=sys.stderr)
        return 2
    process.log_json()

    async def run() -> None:
        assembly = Assembly(
            settings,
            secrets[PASSWORD_VARIABLE],
            wrappers,
            who=caller_of,
            door=partial(door.door, operations=OPERATIONS),
            keepers=(door.keep,),
            durably=durably,
        )
        await serve(assembly, listener)

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
