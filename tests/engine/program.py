"""`python -m tests.engine.program`: runs one stack's program against the engine that standard input names."""

import asyncio
import json
import runpy
import sys

import pulumi
from pulumi import runtime


def main() -> int:
    """0: registered to its end. 1: refused, or something went wrong; the engine was told what."""
    told = json.load(sys.stdin)
    runtime.set_all_config(told.pop("config"), told.pop("secrets"))
    program = told.pop("program")
    runtime.configure(runtime.Settings(**told))
    try:
        asyncio.run(runtime.run_in_stack(lambda: runpy.run_path(program, run_name="__main__")))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
