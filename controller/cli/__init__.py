"""The command line: `trimaran`, also `python -m controller`."""

import sys


def main() -> None:
    """Run the command that the arguments name, and exit with its status."""
    from controller.cli.app import run

    sys.exit(run(sys.argv[1:]))
