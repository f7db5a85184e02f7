"""How much of the processor each process of a lab uses, with everything it starts itself."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from lab.processes import Supervised


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Processor seconds used so far, by label."""

    at: float
    used: Mapping[str, float]


def read_consumption(processes: Mapping[str, Supervised]) -> Reading:
    """Look at every living process once. A child that ended is counted by the parent that has waited for it."""
    used = {}
    for label, process in processes.items():
        with suppress(psutil.Error):
            root = psutil.Process(process.pid)
            own = root.cpu_times()
            used[label] = own.user + own.system + own.children_user + own.children_system
            for child in root.children(recursive=True):
                with suppress(psutil.Error):
                    times = child.cpu_times()
                    used[label] += times.user + times.system
    return Reading(at=time.monotonic(), used=used)


def cores(before: Reading, after: Reading) -> Mapping[str, float]:
    """Processor seconds per second between two readings, largest first."""
    span = after.at - before.at
    shares = {label: (used - before.used[label]) / span for label, used in after.used.items() if label in before.used}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
