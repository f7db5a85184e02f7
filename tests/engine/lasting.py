"""How long a plugin serves: until the engine ends it, or is gone itself.

An engine that is killed because it does not come to an end takes nobody with it: its plugins are in process groups of their own, and would
be there for ever.
"""

import os
from contextlib import suppress
from typing import Any

LOOKS = 5.0
"""Seconds between two looks at who has started it."""


def until_alone(server: Any) -> None:
    """Serve until then."""
    engine = os.getppid()
    with suppress(KeyboardInterrupt):
        while server.wait_for_termination(LOOKS) and os.getppid() == engine:
            continue
