"""What a run of load looks like from outside while it goes on: one JSON object, replaced once a second."""

import json
import os
import statistics
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from lab.record import Acknowledged, Answered, Approved, Declined, Failed, Held, Line, Offered, Unresolved

OTHER_ENDS = ("held", "declined", "unresolved")
"""Of a payment, beside its acknowledgement."""


class Stats:
    """Counts the lines as they are written. For people and progress only: reconciliation reads the record itself."""

    def __init__(self, monotonic: Callable[[], float], cpu: Callable[[], float]) -> None:
        """`cpu`: seconds of processor time this process has used."""
        self._monotonic, self._cpu, self._cpu_at_start = monotonic, cpu, cpu()
        self.counts: Counter[str] = Counter()
        self.sites: Counter[str] = Counter()
        self.authorities: Counter[str] = Counter()
        """Answers by the authority that gave them."""
        self.why: Counter[str] = Counter()
        self.latest_offer = 0.0
        """Seconds by which the latest offer of all was made too late: this process was kept from running."""
        self.bound_hit = 0
        self._recent: deque[Acknowledged] = deque()
        self._last: Acknowledged | None = None
        self._held: set[str] = set()

    def count(self, line: Line) -> None:
        """Take note of a line that is already written."""
        match line:
            case Offered():
                self.counts["offered"] += 1
            case Acknowledged():
                self.counts["acknowledged"] += 1
                self.sites[line.site] += 1
                self._recent.append(line)
                self._last = line
            case Held():
                self.counts["held"] += line.key not in self._held
                self._held.add(line.key)
            case Approved():
                # It is under way again until its payer is told that it is made.
                self.counts["held"] -= 1
            case Failed():
                self.counts["failed_attempts"] += 1
                self.why[line.why] += 1
            case Declined():
                self.counts["declined"] += 1
            case Unresolved():
                self.counts["unresolved"] += 1
            case Answered():
                self.authorities[line.authority] += 1
            case _:
                pass

    def snapshot(self, *, phase: str) -> dict[str, object]:
        """Everything as plain values. `phase`: offering, settling or done."""
        now = self._monotonic()
        while self._recent and self._recent[0].t < now - 1:
            self._recent.popleft()
        latencies = sorted(line.latency for line in self._recent)
        acknowledged = self.counts["acknowledged"]
        spent = self._cpu() - self._cpu_at_start
        return {
            "t": now,
            "phase": phase,
            **{name: self.counts[name] for name in ("offered", "acknowledged", *OTHER_ENDS, "failed_attempts")},
            "in_flight": self.counts["offered"] - acknowledged - sum(self.counts[name] for name in OTHER_ENDS),
            "rate_last_second": len(latencies),
            "latency_ms_last_second": _spread(latencies),
            "last_acknowledged": None
            if self._last is None
            else {"t": self._last.t, "epoch": self._last.epoch, "site": self._last.site},
            "sites": dict(self.sites),
            "authorities": dict(self.authorities),
            "why": dict(self.why.most_common(8)),
            "latest_offer_s": self.latest_offer,
            "bound_hit": self.bound_hit,
            "cpu_ms_per_payment": 1000 * spent / acknowledged if acknowledged else None,
        }


def publish(path: Path, snapshot: dict[str, object]) -> None:
    """Replace the file in one step: a reader sees the old object or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(snapshot) + "\n")
    os.replace(fresh, path)


def _spread(latencies: list[float]) -> dict[str, float] | None:
    if not latencies:
        return None
    return {
        "median": 1000 * statistics.median(latencies),
        "p95": 1000 * latencies[int(0.95 * (len(latencies) - 1))],
        "max": 1000 * latencies[-1],
    }
