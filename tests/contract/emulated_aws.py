"""The emulated AWS as a process of its own, shared by the tests of a module."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROPAGATION = 0.3
"""Seconds until a change of the zone is INSYNC."""
PROMOTION = 0.5
"""Seconds until a promoted replica is available."""


@contextmanager
def emulated_aws(folder: Path) -> Iterator[str]:
    """Its URL."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"propagation": PROPAGATION, "promotion": PROMOTION}))
    command = [sys.executable, "-m", "lab.clouds.aws", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        finally:
            server.terminate()
