"""Run by `pulumi up`: one stack's program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.program import run

run()
