"""`python -m workload.screening --settings FILE`: one process of the screening service."""

import sys
from collections.abc import Sequence

import uvloop

from workload import process
from workload.screening.settings import Settings
from workload.screening.wiring import Assembly, serve

PROGRAM = process.Program(module="workload.screening", what="One process of the screening service.", shape=Settings)


def main(argv: Sequence[str]) -> int:
    """Run until stopped. Exit status 2 when the settings cannot be used, with one line per problem on standard error."""
    try:
        assembly, listener = process.begin(PROGRAM, argv, {}, lambda settings, _: Assembly(settings))
    except process.CannotBegin as error:
        print(error, file=sys.stderr)
        return 2
    uvloop.run(serve(assembly, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
