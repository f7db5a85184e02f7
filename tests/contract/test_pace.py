"""What excuses a late deadline, and what does not."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

from tests.contract.pace import paced

STOPPED = """
import time
from tests.contract.pace import paced
with paced() as pace:
    print("running", flush=True)
    time.sleep(0.2)
print(pace.took.total_seconds(), pace.stalled.total_seconds())
"""


async def test_a_loop_that_is_blocked_is_not_excused() -> None:
    """It is the very fault that a deadline's test is there to find."""
    with paced() as pace:
        asyncio.get_running_loop().call_soon(time.sleep, 0.3)
        await asyncio.sleep(0.01)
    assert pace.took - pace.stalled >= timedelta(seconds=0.25)


def test_a_process_that_stands_still_is_excused() -> None:
    """Stopped for half a second in the middle of a fifth of one."""
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "running\n"
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(child.pid, signal.SIGCONT)
        took, stalled = map(float, child.stdout.readline().split())
    assert took >= 0.5
    assert 0.4 <= stalled <= took
