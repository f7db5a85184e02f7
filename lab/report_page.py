"""The report as one page that needs nothing else: no script, no font, no picture from anywhere. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from lab.fleet import VAULT
from lab.record import Habit
from lab.report import KEPT, Rehearsal, document
from lab.report_services import told_beside, told_half_moved, told_unproven, told_vault
from lab.report_svg import phases, throughput
from lab.report_ways import ways_shown
from lab.report_webhooks import webhooks_rows

SHOWN_DIGEST = 16
"""Characters of a ledger's digest on the page; report.json holds all of them."""

Cell = tuple[object, str]
"""What it shows, and its class."""


def page(seen: Rehearsal) -> str:
    """The whole page."""
    said = document(seen)
    title = headline(said)
    body = "".join(
        (
            _head(said, title),
            _figures(said),
            _pictures(seen, said),
            _section("Services", _services(said)),
            _section("Requests", _rates(said)),
            _section("The way of a payment", ways_shown(said["trace"]) if said["trace"] else ""),
            _section("What happened", _timeline(said)),
            _section("Who had to wait", _clients(said)),
            _section("What the name servers said", _answers(said)),
            _section("Webhooks", _webhooks(said)),
            _section("Instances", _floors(said)),
            '<div class="pair">',
            _section("Ledgers", _ledgers(said)),
            _section("What is real here", _parts(said)),
            _section("Processor, in calm", _cpu(said)),
            "</div>",
        )
    )
    style = resources.files("lab").joinpath("report.css").read_text()
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def headline(said: Mapping[str, Any]) -> str:
    """The run in one sentence."""
    first = said["recovery_seconds"]["first_acknowledged"]
    after = "no payment was acknowledged afterwards" if first is None else f"paying again after {first:.2f} s"
    lost = f"{said['payments']['lost']} payments lost"
    if (vault := said["services"].get(VAULT)) is not None:
        lost = f"{said['payments']['lost']} payments and {vault['lost']} tokens lost"
    return f"{said['fault'].capitalize()} of {said['site']}: {after}, {lost}"


def _head(said: Mapping[str, Any], title: str) -> str:
    kept = said["verdict"] == KEPT
    verdict = "every promise was kept" if kept else "a promise was broken"
    unproven = f'<p class="soft">{escape(told_unproven(said))}</p>' if said["not_looked_at"] else ""
    moved = f"The writer moved from {said['writer_before']} (epoch {said['epoch_before']})"
    moved += f" to {said['writer_after'] or 'nobody known'} (epoch {said['epoch_after'] or 'unknown'})."
    if met := said["met_old_writer"]:
        moved += f" Payers sent {met} requests to {said['site']} after its healing and before it was fenced."
    if said["beside"]:
        moved += f" Beside it, from the fault to its healing: {', '.join(said['beside'])}."
    leader = " etcd's leader was lost with it." if said["etcd_leader_on_site"] and said["fault"] != "slow" else ""
    load = f" {said['offered_per_second']:g} payments a second were offered throughout, links of {said['round_trip_ms']:g} ms round trip."
    broken = "".join(f"<li>{escape(one)}</li>" for one in said["broken"])
    busy = f"<p>An offer was made {said['load_late_s']:.1f} s late: this machine was too busy for the times to mean much.</p>"
    exits = (busy if said["machine_too_busy"] else "") + "".join(
        f"<p>Ended though nobody ordered it: {escape(one)}</p>" for one in said["unordered_exits"]
    )
    return (
        f'<h1>{escape(title)}</h1><p><span class="verdict {"kept" if kept else "broken"}">{verdict}</span></p>'
        + unproven
        + (f'<ul class="broken">{broken}</ul>' if broken else "")
        + f'<p class="soft">{escape(moved + leader + load)}</p>{exits}'
    )


def _figures(said: Mapping[str, Any]) -> str:
    payments, recovery = said["payments"], said["recovery_seconds"]
    shown = (
        (_seconds(recovery["first_acknowledged"]), "first payment in the new epoch"),
        (_seconds(recovery["clients_p95"]), "95 % of affected clients paying again"),
        (f"{payments['acknowledged']:,}", f"acknowledged of {payments['attempted']:,} attempted"),
        (payments["lost"], "acknowledged and lost"),
        (payments["duplicated"], "paid twice"),
        (_seconds(said["follower_again_s"]), f"until {said['site']} counted again"),
    )
    items = "".join(f"<li><strong>{escape(str(value))}</strong><span>{escape(what)}</span></li>" for value, what in shown)
    return f'<ul class="figures">{items}</ul>'


def _pictures(seen: Rehearsal, said: Mapping[str, Any]) -> str:
    first = said["recovery_seconds"]["first_acknowledged"]
    marks: list[tuple[float, str]] = [(0.0, f"{said['fault']} of {said['site']}")]
    marks += [(t, name) for t, name in ((seen.healing_at, "healing"), (seen.whole_at, "follower again")) if t is not None]
    if first is not None:
        marks.append((first, f"{first:.2f} s"))
    width = seen.bins[1].t - seen.bins[0].t if len(seen.bins) > 1 else 0.1
    key = '<p class="key soft"><i class="ok"></i>acknowledged<i class="no"></i>failed attempts<i class="dash"></i>offered</p>'
    picture = throughput(seen.bins, marks, seen.offered_per_second * width)
    return _section("What clients saw", key + f'<div class="scroll">{picture}</div>') + _section(
        "Where the time went", f'<div class="scroll">{phases(seen.spans, first)}</div>'
    )


def _timeline(said: Mapping[str, Any]) -> str:
    rows = [((f"{one['t']:.3f}", "number"), (one["who"], ""), (one["what"], "")) for one in said["timeline"]]
    return _table((("seconds", "number"), ("by", ""), ("what", "")), rows)


def _ledgers(said: Mapping[str, Any]) -> str:
    rows = [((site, ""), (digest[:SHOWN_DIGEST], "code")) for site, digest in said["ledgers"].items()]
    verdict = "All three hold the same." if said["ledgers_equal"] else "They differ."
    course = (
        f"{said['histories_astray']} times the course of payments is wrong." if said["histories_astray"] else "No history forks."
    )
    etcd = "etcd's members agree." if said["etcd"]["equal"] else "etcd's members disagree."
    return (
        f"<p>{verdict} {course} {etcd}</p>"
        + "".join(f"<p>{escape(one)}</p>" for one in said["unknown"])
        + _table((("site", ""), ("SHA-256 of all rows", "")), rows)
    )


def _services(said: Mapping[str, Any]) -> str:
    figures = ("epoch", "first in it", "asked", "acknowledged", "lost", "twice")
    heads = (("service", ""), ("writer", ""), *((name, "number") for name in figures), ("the three sites", ""))
    rows = [
        (
            (name, ""),
            (f"{one['writer_before']} → {one['writer_after'] or 'nobody known'}", ""),
            (f"{one['epoch_before']} → {one['epoch_after'] or 'unknown'}", "number"),
            (_seconds(one["first_ack_s"]), "number"),
            *((f"{one[figure]:,}", "number") for figure in ("attempted", "acknowledged", "lost", "duplicated")),
            ("hold the same" if one["ledgers_equal"] else "differ", ""),
        )
        for name, one in said["services"].items()
    ]
    told = (told_half_moved(said), told_vault(said), f"Of the payments {beside}." if (beside := told_beside(said)) else "")
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in told if note)
    return _table(heads, rows) + notes


def _rates(said: Mapping[str, Any]) -> str:
    heads = (("service", ""), *((name, "number") for name in ("requests", "errors", "refused", "99 % within")), ("not asked", ""))
    rows = [
        (
            (service, ""),
            *((f"{one[name]:,}", "number") for name in ("requests", "errors", "refused")),
            ("–" if one["p99_ms"] is None else f"{one['p99_ms']} ms", "number"),
            (", ".join(one["silent"]), ""),
        )
        for service, one in said["rates"].items()
    ]
    note = "As the processes counted them since each of them started, health checks left out; times from head to answer at the service."
    return _table(heads, rows) + f'<p class="soft">{note}</p>' if rows else ""


def _clients(said: Mapping[str, Any]) -> str:
    figures = ("affected", "median", "95 %", "last", "healed first")
    heads = (("clients that resolve", ""), *((name, "number") for name in figures))
    groups = dict(said["clients_by_name"])
    if (held := said["clients_by_habit"].get(Habit.IGNORES_TTL)) is not None:
        groups["any name, ignoring its TTL"] = held
    rows = [
        (
            (name, ""),
            (group["affected"], "number"),
            *((_seconds(group[figure]), "number") for figure in ("p50", "p95", "max")),
            (group["healed_first"], "number"),
        )
        for name, group in groups.items()
    ]
    note = "Healed first: still held the old address when its site was healed; what else they would have waited for is not known."
    return _table(heads, rows) + f'<p class="soft">{note}</p>'


def _answers(said: Mapping[str, Any]) -> str:
    heads = (("authority", ""), *((name, "number") for name in ("answers", "stale", "share", "last stale", "silent")))
    rows = [
        (
            (authority, ""),
            (one["answered"], "number"),
            (one["stale"], "number"),
            ("–" if one["stale_share"] is None else f"{one['stale_share']:.0%}", "number"),
            (_seconds(one["last_stale_s"]) + (" and on" if one["unended"] else ""), "number"),
            (one["unanswered"], "number"),
        )
        for authority, one in said["answers"].items()
    ]
    note = (
        f"From the decision to drain {said['site']} until its healing began. Stale: sent the client to {said['site']} all the same."
        " Silent: queries that got no answer in time and were put to another authority."
    )
    return _table(heads, rows) + f'<p class="soft">{escape(note)}</p>' if rows else ""


def _webhooks(said: Mapping[str, Any]) -> str:
    if said["webhooks"] is None:
        return ""
    rows = [((name, ""), (value, "number")) for name, value in webhooks_rows(said["webhooks"])]
    note = "What merchants wrote down themselves against every site's outbox, once all had had the time to arrive."
    return _table((("events", ""), ("", "number")), rows) + f'<p class="soft">{note}</p>'


def _floors(said: Mapping[str, Any]) -> str:
    heads = (("floor of instances at", ""), *((name, "number") for name in ("asked at", "from", "to", "took")), ("", ""))
    rows = [
        (
            (one["site"], ""),
            (_seconds(one["t"]), "number"),
            *(("–" if one[name] is None else one[name], "number") for name in ("before", "after")),
            (f"{one['took_ms']:.0f} ms", "number"),
            (f"not raised: {one['because']}" if one["because"] else "", ""),
        )
        for one in said["floors"]
    ]
    note = "Asked of the clouds' APIs beside steering, as far as a deadline allows. No payment waits for it."
    return _table(heads, rows) + f'<p class="soft">{note}</p>' if rows else ""


def _parts(said: Mapping[str, Any]) -> str:
    rows = [((part["name"], ""), (part["kind"], ""), (part["version"], "")) for part in said["parts"]]
    return _table((("part", ""), ("", ""), ("version", "")), rows)


def _cpu(said: Mapping[str, Any]) -> str:
    rows = [((name, ""), (f"{share:.2f}", "number")) for name, share in said["cpu_cores"].items() if share >= 0.005]
    total = sum(said["cpu_cores"].values())
    return _table((("process", ""), ("cores", "number")), [*rows, (("together", ""), (f"{total:.2f}", "number"))])


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _table(heads: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    head = "".join(f'<th class="{kind}">{escape(str(said))}</th>' for said, kind in heads)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{escape(str(said))}</td>' for said, kind in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"
