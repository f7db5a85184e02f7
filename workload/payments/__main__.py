"""`python -m workload.payments --settings FILE`: one process of the payments service. The password comes from the environment."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import uvloop

from workload import process
from workload.durable.database import Durably
from workload.payments.settings import PASSWORD_VARIABLE, Settings
from workload.payments.wiring import Assembly, serve

PROGRAM = process.Program(
    module="workload.payments",
    what="One process of the payments service.",
    shape=Settings,
    secrets={PASSWORD_VARIABLE: "the password of the role payments_app"},
)


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    durably: Durably = lambda durability: durability,
    now: Callable[[], float] = time.time,
) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error. `now`: Unix
    seconds, by which callers' tokens are judged."""
    try:
        assembly, listener = process.begin(
            PROGRAM, argv, environ, lambda settings, secrets: Assembly(settings, secrets[PASSWORD_VARIABLE], durably, now)
        )
    except process.CannotBegin as error:
        print(error, file=sys.stderr)
        return 2
    uvloop.run(serve(assembly, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
