"""The figures of a bench, from what its runs saw. Pure: every measurement is passed in."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.reconcile_recovery import percentile
from lab.report import Rehearsal, broken_promises
from lab.site_settings import NAMES
from lab.timeline import PHASES, Span

CUT_TO_OPEN = "cut_to_open"
"""The database's part of a failover: from the first cut to the winner's opening, elections and attachments in between."""

WIDTHS = (34, 6, 9, 9, 9)


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
    """Seconds."""
    cpu_ms: float
    """Processor time of the measuring process per payment."""


def spread(values: Iterable[float | None]) -> dict[str, float | int] | None:
    """Median, p95 (nearest rank), largest and number of the values that exist; None without any."""
    known = [value for value in values if value is not None]
    high = percentile(known, 0.95)
    if high is None:
        return None
    return {
        "median": round(statistics.median(known), 3),
        "p95": round(high, 3),
        "max": round(max(known), 3),
        "n": len(known),
    }


def durations_ms(spans: Iterable[Span]) -> dict[str, float]:
    """Length of every phase that was reached, and of all from cut to open together."""
    found = {span.name: span for span in spans}
    lengths = {name: found[name].ms for name in PHASES if name in found}
    if "cut" in found and "open" in found:
        lengths[CUT_TO_OPEN] = round((found["open"].end - found["cut"].begin) * 1000, 1)
    return lengths


def phases(runs: Iterable[Iterable[Span]]) -> dict[str, dict[str, float | int] | None]:
    """Spread of every phase over several runs, in milliseconds."""
    each = [durations_ms(spans) for spans in runs]
    return {name: spread(one.get(name) for one in each) for name in (*PHASES, CUT_TO_OPEN)}


def failover_figures(runs: Sequence[Rehearsal], aborted: int = 0) -> dict[str, Any]:
    """What several failovers of one fault have in common. `aborted`: runs that ended before they could say anything.

    A run without a first acknowledgement counts in `runs` and in `never_acknowledged`, not in the spread: it has no figure.
    """
    on_victim = [run for run in runs if run.etcd_leader_on_site]
    elsewhere = [run for run in runs if not run.etcd_leader_on_site]
    return {
        "runs": len(runs) + aborted,
        "aborted": aborted,
        "broken": sum(bool(broken_promises(run)) for run in runs) + aborted,
        "attempted": sum(run.reconciliation.attempted for run in runs),
        "acknowledged": sum(run.reconciliation.acknowledged for run in runs),
        "lost": sum(run.reconciliation.lost for run in runs),
        "duplicated": sum(run.reconciliation.duplicated for run in runs),
        "never_acknowledged": sum(run.recovery.first_acknowledged is None for run in runs),
        "first_ack_s": _first(runs),
        "first_ack_s_etcd_leader_on_victim": _first(on_victim),
        "first_ack_s_etcd_leader_elsewhere": _first(elsewhere),
        "clients_p95_s": {
            str(ttl): spread(run.recovery.by_name[name].p95 for run in runs if name in run.recovery.by_name)
            for name, ttl in NAMES.items()
        },
        "phases_ms": phases(run.spans for run in runs),
        "open_to_first_ack_ms": spread(_after_open(run) for run in runs),
        "follower_again_s": spread(_since_healed(run) for run in runs),
        "load_late_s": spread(run.load_late_s for run in runs),
        "cores_in_calm": spread(sum(run.cpu_seconds.values()) for run in runs if run.cpu_seconds),
    }


def switchover_figures(pauses: Sequence[Pause], *, failed: int = 0) -> dict[str, Any]:
    """What several switchovers have in common."""
    return {
        "runs": len(pauses) + failed,
        "failed": failed,
        "pause_s": spread(pause.longest_gap for pause in pauses),
        "epoch_pause_s": spread(pause.epoch_gap for pause in pauses),
        "phases_ms": phases(pause.spans for pause in pauses),
    }


def barrier_ratio(rounds: Sequence[Round]) -> dict[str, dict[str, float | int] | None]:
    """How much longer a payment takes behind our barrier than with PostgreSQL's own synchronous commit, round by round."""
    ours, native = ([one for one in rounds if one.kind == kind] for kind in ("barrier", "native"))
    pairs = [(a.latencies, b.latencies) for a, b in zip(ours, native, strict=True) if a.latencies and b.latencies]
    return {
        "ratio_of_medians": spread(statistics.median(a) / statistics.median(b) for a, b in pairs),
        "ratio_of_means": spread(statistics.fmean(a) / statistics.fmean(b) for a, b in pairs),
    }


def table(document: Mapping[str, Any]) -> str:
    """Everything as lines for people: what, runs, median, p95, max."""
    lines = [_row("", "n", "median", "p95", "max")]
    for fault in ("crash", "freeze", "partition"):
        if (part := document.get(fault)) is not None:
            counts = f"{part['runs']} runs, {part['acknowledged']} acknowledged, {part['lost']} lost"
            lines.append(f"{fault}: {counts}, {part['duplicated']} duplicated, {part['broken']} broken")
            lines += _rows("  first acknowledgement s", part["first_ack_s"])
            lines += _rows("    etcd leader on the victim", part["first_ack_s_etcd_leader_on_victim"])
            lines += _rows("    etcd leader elsewhere", part["first_ack_s_etcd_leader_elsewhere"])
            for ttl, found in part["clients_p95_s"].items():
                lines += _rows(f"  clients p95, TTL {ttl} s", found)
            lines += _phase_rows(part["phases_ms"])
            lines += _rows("  open to first ack ms", part["open_to_first_ack_ms"])
            lines += _rows("  follower again after healing s", part["follower_again_s"])
            lines += _rows("  processor cores in calm", part["cores_in_calm"])
    if (part := document.get("switchover")) is not None:
        lines.append(f"switchover: {part['runs']} runs, {part['failed']} failed, {part['lost']} lost")
        lines += _rows("  write pause s (longest gap)", part["pause_s"])
        lines += _rows("  write pause s (between epochs)", part["epoch_pause_s"])
        lines += _phase_rows(part["phases_ms"])
    if (part := document.get("barrier")) is not None:
        lines += _barrier_rows(part)
    return "\n".join(lines)


def _first(runs: Iterable[Rehearsal]) -> dict[str, float | int] | None:
    return spread(run.recovery.first_acknowledged for run in runs)


def _after_open(run: Rehearsal) -> float | None:
    """Milliseconds from the end of the opening's write to the first acknowledgement; negative when clients were faster."""
    opened = next((span.end for span in run.spans if span.name == "open"), None)
    first = run.recovery.first_acknowledged
    return None if opened is None or first is None else (first - opened) * 1000


def _since_healed(run: Rehearsal) -> float | None:
    return None if run.whole_at is None or run.healed_at is None else run.whole_at - run.healed_at


def _row(*cells: object) -> str:
    first, *rest = (str(cell) for cell in cells)
    return first.ljust(WIDTHS[0]) + "".join(cell.rjust(width) for cell, width in zip(rest, WIDTHS[1:], strict=True))


def _rows(name: str, found: Mapping[str, float] | None) -> list[str]:
    return [] if found is None else [_row(name, found["n"], found["median"], found["p95"], found["max"])]


def _phase_rows(found: Mapping[str, Mapping[str, float] | None]) -> list[str]:
    return [row for name, one in found.items() for row in _rows(f"    {name.replace('_', ' ')} ms", one)]


def _barrier_rows(part: Mapping[str, Any]) -> list[str]:
    lines = []
    if (near := part.get("no_delay")) is not None:
        lines.append(f"barrier, no delay, {near['payers']} payers: {part['ratio_no_delay']} x native (medians)")
        lines += [_row(f"  {name} ms", one["n"], one["median"], one["p95"], one["max"]) for name, one in near["ms"].items()]
    if (far := part.get("delayed")) is not None:
        lines.append("barrier, 25 ms round trip, writer azure: median latency in round trips (measured / nominal)")
        for site, one in far.items():
            ms = one["ms"]["barrier"]
            lines.append(_row(f"  {site} {one['round_trips_measured']} / {one['round_trips_nominal']}  ms", *ms_cells(ms)))
    return lines


def ms_cells(found: Mapping[str, float]) -> tuple[float, ...]:
    """The cells of one row."""
    return found["n"], found["median"], found["p95"], found["max"]
