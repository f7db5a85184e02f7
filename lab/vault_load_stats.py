"""What a run of cardholders looks like from outside while it goes on. For progress only: reconciliation reads the record itself."""

from collections import Counter
from collections.abc import Callable

from lab.record import Declined, Failed, Unresolved
from lab.vault_load_record import Erased, ErasureWanted, Line, Revealed, RevealWanted, Tokenized, TokenWanted


class Stats:
    """Counts the lines as they are written."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.counts: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self.latest_offer = 0.0
        """Seconds by which the latest errand of all was begun too late: this process was kept from running."""
        self.bound_hit = 0
        self._last: Tokenized | Erased | None = None

    def count(self, line: Line) -> None:
        """Take note of a line that is already written."""
        match line:
            case TokenWanted() | RevealWanted() | ErasureWanted():
                self.counts["offered"] += 1
            case Tokenized() | Erased():
                self.counts["acknowledged"] += 1
                self._last = line
            case Revealed():
                self.counts["acknowledged"] += 1
            case Failed():
                self.counts["failed_attempts"] += 1
                self.why[line.why] += 1
            case Declined():
                self.counts["declined"] += 1
            case Unresolved():
                self.counts["unresolved"] += 1
            case _:
                pass

    def snapshot(self, *, phase: str) -> dict[str, object]:
        """Everything as plain values. `phase`: offering, settling or done."""
        counts = {name: self.counts[name] for name in ("offered", "acknowledged", "declined", "unresolved", "failed_attempts")}
        settled = counts["acknowledged"] + counts["declined"] + counts["unresolved"]
        last = self._last
        return {
            "t": self._monotonic(),
            "phase": phase,
            **counts,
            "in_flight": counts["offered"] - settled,
            "last_acknowledged": None if last is None else {"t": last.t, "epoch": last.epoch, "site": last.site},
            "why": dict(self.why.most_common(8)),
            "latest_offer_s": self.latest_offer,
            "bound_hit": self.bound_hit,
        }
