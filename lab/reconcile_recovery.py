"""How long clients had to wait, from their own record. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lab.record import Acknowledged, Attempted, Enrolled, Failed, Habit, Line, Offered


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Recovery of a group of devices, in seconds after the fault."""

    affected: int
    unrecovered: int
    """Affected, and without an acknowledgement to the end of the record."""
    healed_first: int = 0
    """Affected, and paid again only once healing had begun. How long they would have waited for anything else is not known."""
    p50: float | None
    p95: float | None
    max: float | None
    """None where an unrecovered device, or one that was healed first, would have to be counted, or nobody was affected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What a fault cost those who pay."""

    first_acknowledged: float | None
    """Seconds from the fault to the first acknowledgement in an epoch above the one at injection; None: there was none.

    In the prototype the old writer's last acknowledgements arrived 22 to 55 ms after the crash, so without the epoch this figure
    would be those of a service that never went down.
    """
    clients: Clients
    """Those that honour TTLs."""
    by_name: Mapping[str, Clients]
    """The same per DNS name, which is: per TTL."""
    ignoring_ttl: Clients | None = None
    """Those that keep their first address for ever, when it was one of the site that failed; None: none took part."""


def recovery(
    lines: Iterable[Line], *, fault_at: float, epoch_before: int, until: float = math.inf, site: str | None = None
) -> Recovery:
    """Recovery after a fault at `fault_at` (monotonic seconds, as in the record) while epoch `epoch_before` reigned.

    A client is a device. It is affected when an attempt of one of its payments ended without settling it between `fault_at` and
    `until` (give the moment of the next fault or of healing, or that one's trouble counts as this one's). It has recovered at
    its first acknowledgement after the first such failure, whichever payment that was for; its recovery is the time from the
    fault to there. An acknowledgement between the fault and its first failure does not count: that was the old writer's last
    word. A device that offered nothing while the service was away is not affected. One that still held the old address when its
    site was healed pays again at once, and the heal's moment is no figure of the name's TTL: it is counted apart. Devices that
    ignore TTLs are a group of their own: what they wait for is no figure of any TTL. Of them only those count there that were
    sent to `site`, the one that failed: who keeps a living site's address for ever waits for the writer and for nothing else, and two
    such seconds would pass for the recovery of clients whose address is dead. None: all of them.
    """
    names, devices, ignoring, sent = {}, {}, set(), set()
    first: float | None = None
    failed_at: dict[int, float] = {}
    recovered_at: dict[int, float] = {}
    for line in sorted(lines, key=lambda line: line.t):
        match line:
            case Enrolled() if line.habit == Habit.IGNORES_TTL:
                ignoring.add(line.device)
            case Offered():
                devices[line.key], names[line.device] = line.device, line.name
            case Failed() if fault_at <= line.t < until:
                failed_at.setdefault(devices[line.key], line.t)
                sent |= {devices[line.key]} if line.site == site else set()
            case Acknowledged() if line.t >= fault_at:
                if line.epoch > epoch_before and first is None:
                    first = line.t - fault_at
                if devices[line.key] in failed_at:
                    recovered_at.setdefault(devices[line.key], line.t)
            case _:
                pass
    waits: dict[str, list[float]] = defaultdict(list)
    held: list[float] = []
    for device in failed_at:
        group = held if device in ignoring and (site is None or device in sent) else waits[names[device]]
        group.append(recovered_at.get(device, math.inf) - fault_at)
    healing = until - fault_at
    honest = {name for device, name in names.items() if device not in ignoring}
    return Recovery(
        first_acknowledged=first,
        clients=_clients([wait for group in waits.values() for wait in group], healing),
        by_name={name: _clients(waits.get(name, []), healing) for name in sorted(honest)},
        ignoring_ttl=_clients(held, healing) if ignoring else None,
    )


def longest_gap(lines: Iterable[Line], *, begin: float, end: float) -> float:
    """Longest time without any acknowledgement between two moments: the write pause of a switchover, as clients see it."""
    moments = [line.t for line in lines if isinstance(line, Acknowledged) and begin <= line.t <= end]
    edges = [begin, *sorted(moments), end]
    return max(later - earlier for earlier, later in pairwise(edges))


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least this share of all values does not exceed; None without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def attempts_at(lines: Iterable[Line], site: str, *, begin: float, end: float) -> int:
    """Requests that payers sent to this site between two moments."""
    return sum(isinstance(line, Attempted) and line.site == site and begin <= line.t < end for line in lines)


def _clients(waits: Sequence[float], healing: float) -> Clients:
    own = [wait if wait < healing else math.inf for wait in waits]
    unrecovered = sum(map(math.isinf, waits))
    return Clients(
        affected=len(waits),
        unrecovered=unrecovered,
        healed_first=sum(map(math.isinf, own)) - unrecovered,
        p50=_finite(percentile(own, 0.5)),
        p95=_finite(percentile(own, 0.95)),
        max=_finite(percentile(own, 1.0)),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value
