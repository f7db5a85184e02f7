"""`python -m workload.vault --settings FILE`: one process of the vault. The password comes from the environment."""

import os
import sys
from collections.abc import Mapping, Sequence

import uvloop

from workload import process
from workload.durable.database import Durably
from workload.vault.key_services import open_services
from workload.vault.settings import PASSWORD_VARIABLE, Settings
from workload.vault.wiring import Assembly, serve

PROGRAM = process.Program(
    module="workload.vault",
    what="One process of the token vault.",
    shape=Settings,
    secrets={PASSWORD_VARIABLE: "the password of the role vault_app"},
    refused=(OSError,),
)


def main(argv: Sequence[str], environ: Mapping[str, str], durably: Durably = lambda durability: durability) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""

    def build(settings: Settings, secrets: Mapping[str, str]) -> Assembly:
        wrappers = open_services(settings.key_services)
        return Assembly(settings, secrets[PASSWORD_VARIABLE], wrappers, durably=durably)

    try:
        assembly, listener = process.begin(PROGRAM, argv, environ, build)
    except process.CannotBegin as error:
        print(error, file=sys.stderr)
        return 2
    uvloop.run(serve(assembly, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
