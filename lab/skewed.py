"""A controller or a payments service whose wall clock is wrong: `python -m lab.skewed SECONDS MODULE ... --settings FILE`.

The shift goes in where each program is put together; nothing of the product reads it from anywhere. Monotonic clocks are right, as on a
machine whose clock somebody has set. What the databases stamp and what OpenSSL dates certificates by is not shifted.
"""

import os
import socket
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from controller.clock import SystemClock
from controller.process import run
from controller.settings import read_settings
from workload.payments.__main__ import main as run_payments

PAYMENTS = "workload.payments"


class SkewedClock(SystemClock):
    """The machine's clocks, the wall clock ahead by `by`; behind when that is negative."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        """Wall clock in UTC, shifted."""
        return super().now() + self._by


def main(argv: Sequence[str]) -> int:
    """Run until stopped; the program's own exit status."""
    seconds, module, *rest = argv
    by = timedelta(seconds=float(seconds))
    if module == PAYMENTS:
        return run_payments(rest, os.environ, now=lambda: time.time() + by.total_seconds())
    settings = read_settings(Path(rest[-1]), os.environ)
    listener = socket.create_server((settings.listen.host, settings.listen.port), backlog=128)
    return run(settings, listener, SkewedClock(by))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
