"""Run by the engine (`pulumi preview --policy-pack policies`): serves the pack until it is told to stop."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import serve

serve()
