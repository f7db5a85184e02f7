"""`python -m workload.webhooks --settings FILE`: one process of the dispatcher. With `register` before it: one order of an operator
(`registration`). Passwords come from the environment."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

from workload import process
from workload.webhooks import registration
from workload.webhooks.settings import PASSWORD_VARIABLE, Settings
from workload.webhooks.signing import SecretsError
from workload.webhooks.wiring import Assembly, serve

PROGRAM = process.Program(
    module="workload.webhooks",
    what="One process of the webhook dispatcher.",
    shape=Settings,
    secrets={PASSWORD_VARIABLE: "the password of the role payments_webhooks"},
    refused=(SecretsError,),
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    if argv[:1] == [registration.VERB]:
        return registration.main(argv[1:], environ)
    try:
        assembly, listener = process.begin(
            PROGRAM, argv, environ, lambda settings, secrets: Assembly(settings, secrets[PASSWORD_VARIABLE])
        )
    except process.CannotBegin as error:
        print(error, file=sys.stderr)
        return 2
    # Not uvloop: it asks for names in four threads of its own, however many names are silent.
    asyncio.run(serve(assembly, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
