"""A vault whose data keys are wrapped in its own memory: `python -m lab.bench_throughput_vault --settings FILE`.

What a cloud's key service costs is the cloud's, and an emulated one on the same processor would be measured as if it were the vault.
"""

import os
import sys
from collections.abc import Mapping

import uvloop

from lab.memory_kms import MemoryKms
from workload import process
from workload.vault.__main__ import PROGRAM
from workload.vault.settings import PASSWORD_VARIABLE, Settings
from workload.vault.wiring import Assembly, serve


def build(settings: Settings, secrets: Mapping[str, str]) -> Assembly:
    """The vault, with a key service in memory in place of each that is named."""
    wrappers = tuple(MemoryKms(cloud=cloud) for cloud in settings.key_services.named)
    return Assembly(settings, secrets[PASSWORD_VARIABLE], wrappers)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    assembly, listener = process.begin(PROGRAM, sys.argv[1:], os.environ, build)
    uvloop.run(serve(assembly, listener))


if __name__ == "__main__":
    main()
