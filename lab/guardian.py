"""A process that outlives the lab by one sweep: `python -m lab.guardian WORKSPACE PID`, standard input is a pipe from the lab.

The lab is killed with SIGKILL: it cannot clean up, and PostgreSQL, etcd and the links would run on for ever. The kernel closes
the lab's end of the pipe, the guardian wakes and sweeps. Works wherever pipes and file locks do, so on macOS too.
"""

import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from lab.locking import Lock, Purpose
from lab.sweeping import sweep

DISMISSED = b"done"
"""What the lab writes when it has swept by itself."""


def watch(workspace: Path, lab: int, patience: timedelta = timedelta(seconds=10)) -> None:
    """Return once the lab is gone and nothing of it is left, or at once when it dismissed the guardian."""
    if sys.stdin.buffer.read(len(DISMISSED)):
        return
    lock = Lock(workspace)
    until = time.monotonic() + patience.total_seconds()
    while not lock.acquire(Purpose.SWEEP):
        holder = lock.holder()
        if (holder is not None and holder.pid != lab) or time.monotonic() > until:
            return  # A new lab of this name holds the lock: it swept before it began, and what is there now is its own.
        time.sleep(0.02)  # a lock that the kernel waits for cannot be given up at a deadline
    try:
        with suppress(TimeoutError):
            sweep(workspace)
    finally:
        lock.release()


if __name__ == "__main__":
    for deaf in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(deaf, signal.SIG_IGN)
    watch(Path(sys.argv[1]), int(sys.argv[2]))
