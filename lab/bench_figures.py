"""The figures of a bench, from what its runs saw. Pure: every measurement is passed in."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.bench_probing_figures import probing_rows
from lab.bench_reckoning import Tally
from lab.bench_reckoning_vault import VaultTally
from lab.bench_surge_figures import surge_rows
from lab.bench_throughput_figures import throughput_rows
from lab.reconcile_recovery import Clients, percentile
from lab.report import Rehearsal
from lab.site_settings import NAMES
from lab.timeline import PHASES, Span

CUT_TO_OPEN = "cut_to_open"
"""The database's part of a failover: from the first cut to the winner's opening, elections and attachments in between."""

WIDTHS = (34, 6, 9, 9, 9)
CELLS = ("n", "median", "p95", "max")
COUNTS = ("runs", "acknowledged", "lost", "duplicated", "revived", "unbalanced", "astray", "broken", "aborted", "unreconciled")
BESIDE = (
    "vault_acknowledged",
    "vault_lost",
    "vault_duplicated",
    "vault_revived",
    "vault_unreconciled",
    "webhooks_lost",
    "webhooks_unread",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One switchover as the clients saw it."""

    source: str
    target: str
    longest_gap: float
    """Longest time without any acknowledgement around it, in seconds."""
    epoch_gap: float | None
    """Seconds from the last acknowledgement in an older epoch to the first in a newer one; None: the newer one never paid."""
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Payments of one kind (plain, native, barrier) made in one short while."""

    kind: str
    latencies: Sequence[float]
    """Seconds until the payer knew more, or was told that nobody knows: the slowest payments are among those."""
    unanswered: int = 0
    """Of these, payments that ended without an answer that settles them."""
    cpu_ms: float
    """Processor time of the measuring process per payment."""


def spread(values: Iterable[float | None]) -> dict[str, float | int | None] | None:
    """Median, p95 (nearest rank) and largest of `n` values, `never` of them infinite: a figure that falls there is null.

    Infinity is what was waited for and never came; left out, the worst run would make a median better. None is what was not
    there to be measured, and is left out; without any value there is no spread.
    """
    known = [value for value in values if value is not None]
    high = percentile(known, 0.95)
    if high is None:
        return None
    return {
        "median": _finite(statistics.median(known)),
        "p95": _finite(high),
        "max": _finite(max(known)),
        "n": len(known),
        "never": sum(math.isinf(value) for value in known),
    }


def durations_ms(spans: Iterable[Span]) -> dict[str, float]:
    """Length of every phase that was reached, and of all from cut to open together: infinite when that never came to an opening."""
    found = {span.name: span for span in spans}
    lengths = {name: found[name].ms for name in PHASES if name in found}
    if "cut" in found:
        opened = found["open"].end if "open" in found else math.inf
        lengths[CUT_TO_OPEN] = round((opened - found["cut"].begin) * 1000, 1)
    return lengths


def phases(runs: Iterable[Iterable[Span]]) -> dict[str, dict[str, float | int | None] | None]:
    """Spread of every phase over several runs, in milliseconds."""
    each = [durations_ms(spans) for spans in runs]
    return {name: spread(one.get(name) for one in each) for name in (*PHASES, CUT_TO_OPEN)}


def failover_figures(runs: Sequence[Rehearsal], tally: Tally, vault: VaultTally | None = None) -> dict[str, Any]:
    """What several failovers of one fault have in common; `tally` also knows the runs that ended before they could say anything, and
    `vault` what became of the cardholders' errands; None: there were none."""
    on_victim = [run for run in runs if run.etcd_leader_on_site]
    elsewhere = [run for run in runs if not run.etcd_leader_on_site]
    return {
        "runs": len(runs) + tally.aborted,
        **asdict(tally),
        **(asdict(vault) if vault else {}),
        "webhooks_lost": sum(run.webhooks.lost for run in runs if run.webhooks),
        "webhooks_unread": tally.aborted + sum(run.webhooks is None for run in runs),
        "never_acknowledged": sum(run.recovery.first_acknowledged is None for run in runs),
        "first_ack_s": _first(runs),
        "first_ack_s_etcd_leader_on_victim": _first(on_victim),
        "first_ack_s_etcd_leader_elsewhere": _first(elsewhere),
        "clients_p95_s": {
            str(ttl): spread(_p95(run.recovery.by_name[name]) for run in runs if _outlasts(run, name, ttl))
            for name, ttl in NAMES.items()
        },
        "phases_ms": phases(run.spans for run in runs),
        "open_to_first_ack_ms": spread(_after_open(run) for run in runs),
        "follower_again_s": spread(_since_healed(run) for run in runs),
        "load_late_s": spread(run.load_late_s for run in runs),
        "cores_in_calm": spread(sum(run.cpu_seconds.values()) for run in runs if run.cpu_seconds),
    }


def _outlasts(run: Rehearsal, name: str, ttl: float) -> bool:
    """Did payers use this name, and did the fault last longer than its TTL? One that was healed before tells how long it lasted, and
    nothing about payers who would have had to find the other site."""
    return name in run.recovery.by_name and (run.healing_at is None or run.healing_at >= ttl)


def switchover_figures(pauses: Sequence[Pause], *, failed: int = 0) -> dict[str, Any]:
    """What several switchovers have in common."""
    return {
        "runs": len(pauses) + failed,
        "failed": failed,
        "pause_s": spread(pause.longest_gap for pause in pauses),
        "epoch_pause_s": spread(_or_never(pause.epoch_gap) for pause in pauses),
        "phases_ms": phases(pause.spans for pause in pauses),
    }


def barrier_ratio(rounds: Sequence[Round]) -> dict[str, dict[str, float | int | None] | None]:
    """How much longer a payment takes behind our barrier than with PostgreSQL's own synchronous commit, round by round."""
    ours, native = ([one for one in rounds if one.kind == kind] for kind in ("barrier", "native"))
    pairs = [(a.latencies, b.latencies) for a, b in zip(ours, native, strict=True) if a.latencies and b.latencies]
    return {
        "ratio_of_medians": spread(statistics.median(a) / statistics.median(b) for a, b in pairs),
        "ratio_of_means": spread(statistics.fmean(a) / statistics.fmean(b) for a, b in pairs),
    }


def table(document: Mapping[str, Any]) -> str:
    """Everything as lines for people: what, runs, median, p95, max."""
    lines = [_row("", *CELLS)]
    for fault in ("crash", "freeze", "partition"):
        if (part := document.get(fault)) is not None:
            lines.append(f"{fault}: {_counts(part, *COUNTS, 'never_acknowledged')}")
            lines.append(f"  {_counts(part, *BESIDE)}")
            lines += _rows("  first acknowledgement s", part.get("first_ack_s"))
            lines += _rows("    etcd leader on the victim", part.get("first_ack_s_etcd_leader_on_victim"))
            lines += _rows("    etcd leader elsewhere", part.get("first_ack_s_etcd_leader_elsewhere"))
            for ttl, found in part.get("clients_p95_s", {}).items():
                lines += _rows(f"  clients p95, TTL {ttl} s", found)
            lines += _phase_rows(part.get("phases_ms", {}))
            lines += _rows("  open to first ack ms", part.get("open_to_first_ack_ms"))
            lines += _rows("  follower again after healing s", part.get("follower_again_s"))
            lines += _rows("  processor cores in calm", part.get("cores_in_calm"))
    if (part := document.get("switchover")) is not None:
        lines.append(f"switchover: {_counts(part, *COUNTS, 'failed')}")
        lines += _rows("  write pause s (longest gap)", part.get("pause_s"))
        lines += _rows("  write pause s (between epochs)", part.get("epoch_pause_s"))
        lines += _phase_rows(part.get("phases_ms", {}))
    if (part := document.get("barrier")) is not None:
        lines += _barrier_rows(part)
    if (part := document.get("evacuation")) is not None:
        lines += _evacuation_rows(part)
    if (part := document.get("probing")) is not None:
        lines += probing_rows(part)
    if (part := document.get("throughput")) is not None:
        lines += throughput_rows(part)
    if (part := document.get("surge")) is not None:
        lines.append(f"surge: {_counts(part, 'lost', 'duplicated', 'unreconciled', 'failed', 'broken')}")
        lines += surge_rows(part.get("scenes", {}))
    if (part := document.get("detection")) is not None:
        lines += _detection_rows(part)
    return "\n".join(lines)


def _detection_rows(part: Mapping[str, Any]) -> list[str]:
    lines = [
        f"detection, payments of seed {one['seed']}: {one['false_positives_per_10000']} of 10,000 honest ones held, at most"
        f" {one['longest_row_of_false_positives']} in a row; recall of incidents {one['recall_of_incidents']}"
        for one in part.get("payments", ())
    ]
    if traffic := part.get("traffic"):
        crowds, recall = traffic["false_in_crowds"], traffic["recall"]
        lines.append(f"detection, traffic: {traffic['false_in_calm']} false in calm, in crowds {crowds}, recall {recall}")
    return lines


def _evacuation_rows(part: Mapping[str, Any]) -> list[str]:
    return [
        f"evacuation of {services} services, {label}: {place} told in {one['told_s']} s, clean in {one['clean_s']} s, {one['calls']} calls"
        for label in ("unthrottled", "throttled")
        for services, found in part.get(label, {}).items()
        for place, one in found.items()
    ]


def _counts(part: Mapping[str, Any], *names: str) -> str:
    return ", ".join(f"{part[name]} {name.replace('_', ' ')}" for name in names if name in part)


def _first(runs: Iterable[Rehearsal]) -> dict[str, float | int | None] | None:
    return spread(_or_never(run.recovery.first_acknowledged) for run in runs)


def _p95(group: Clients) -> float | None:
    """None: nobody was affected. Infinite: more than one in twenty of those who were never recovered."""
    return _or_never(group.p95) if group.affected else None


def _after_open(run: Rehearsal) -> float | None:
    """Milliseconds from the end of the opening's write to the first acknowledgement; negative when clients were faster."""
    opened = next((span.end for span in run.spans if span.name == "open"), None)
    return None if opened is None else (_or_never(run.recovery.first_acknowledged) - opened) * 1000


def _since_healed(run: Rehearsal) -> float:
    return math.inf if run.whole_at is None or run.healed_at is None else run.whole_at - run.healed_at


def _or_never(value: float | None) -> float:
    return math.inf if value is None else value


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else round(value, 3)


def _row(*cells: object) -> str:
    first, *rest = ("never" if cell is None else str(cell) for cell in cells)
    return first.ljust(WIDTHS[0]) + "".join(cell.rjust(width) for cell, width in zip(rest, WIDTHS[1:], strict=True))


def _rows(name: str, found: Mapping[str, float | None] | None) -> list[str]:
    return [] if found is None else [_row(name, *(found[cell] for cell in CELLS))]


def _phase_rows(found: Mapping[str, Mapping[str, float | None] | None]) -> list[str]:
    return [row for name, one in found.items() for row in _rows(f"    {name.replace('_', ' ')} ms", one)]


def _barrier_rows(part: Mapping[str, Any]) -> list[str]:
    lines = []
    if (near := part.get("no_delay")) is not None:
        lines.append(f"barrier, no delay, {near['payers']} payers: {part['ratio_no_delay']} x native (medians)")
        lines += [row for name, one in near["ms"].items() for row in _rows(f"  {name} ms", one)]
        lines.append(f"  unanswered: {_by_kind(near['unanswered'])}")
    if far := part.get("delayed"):
        lines.append("barrier, 25 ms round trip, writer azure: median latency in round trips (measured / nominal)")
        for site, one in far.items():
            lines += _rows(f"  {site} {one['round_trips_measured']} / {one['round_trips_nominal']}  ms", one["ms"]["barrier"])
            lines.append(f"    unanswered: {_by_kind(one['unanswered'])}")
    return lines


def _by_kind(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in counts.items())
