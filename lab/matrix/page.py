"""The matrix as one page that needs nothing else: no script, no font, no picture from anywhere. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from lab.matrix.cells import Victim, cells
from lab.matrix.report import AS_PROMISED, DOCUMENT
from lab.matrix.sequel_page import sequences

STYLE = """
td.matrix { min-width: 11rem; } td.matrix p { margin: 0; } td.matrix .soft { font-size: .82rem; }
.mark { font-weight: 600; } .kept.mark::before { content: "\\2713\\00a0"; } .broken.mark::before { content: "\\2717\\00a0"; }
"""


def page(said: Mapping[str, Any]) -> str:
    """The whole page; `said` is the report."""
    title = headline(said)
    body = "".join(
        (
            _head(said, title),
            _figures(said),
            _matrix(said["results"]) if said["results"] else "",
            _wrong(said["results"]),
            sequences(said["sequences"]),
            _every(said["results"]),
        )
    )
    style = resources.files("lab").joinpath("report.css").read_text() + STYLE
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def headline(said: Mapping[str, Any]) -> str:
    """The matrix in one sentence."""
    told = said["sequences"]
    kept = sum(one["verdict"] == AS_PROMISED for one in told)
    parts = [f"{said['as_promised']} of {said['cells']} cells"] if said["cells"] else []
    parts += [f"{kept} of {len(told) + len(said['sequences_left'])} sequences"] if told else []
    return f"Fault matrix: {' and '.join(parts)} as promised, {said['lost']} payments lost"


def _head(said: Mapping[str, Any], title: str) -> str:
    sequels = not said["sequences_left"] and all(one["verdict"] == AS_PROMISED for one in said["sequences"])
    kept = said["as_promised"] == said["cells"] and sequels
    verdict = "everything is as promised" if kept else "not everything is as promised"
    note = (
        f"The matrix has {len(cells())} cells, {said['cells']} of them are told here. Every cell ran on three clouds of its own; what had"
        f" to come of it stands in {DOCUMENT}. A pause is the longest time in which nobody anywhere was told"
        " that a payment is made, from the fault to the end of the run."
    )
    missing = [*said["left"], *said["sequences_left"]]
    left = f"<p>Not played: {escape(', '.join(missing))}.</p>" if missing else ""
    return (
        f'<h1>{escape(title)}</h1><p><span class="verdict {"kept" if kept else "broken"}">{verdict}</span></p>'
        f'<p class="soft">{escape(note)}</p>{left}'
    )


def _figures(said: Mapping[str, Any]) -> str:
    pauses = [one["pause_s"] for one in said["results"] if "pause_s" in one]
    shown = (
        (said["as_promised"], "cells as promised"),
        (said["differs"], "cells that differ"),
        (said["not_played"] + len(said["left"]), "cells not played"),
        (f"{said['acknowledged']:,}", "payments acknowledged"),
        (said["lost"], "of them lost"),
        (f"{max(pauses):.1f} s" if pauses else "–", "longest pause"),
    )
    items = "".join(f"<li><strong>{escape(str(value))}</strong><span>{escape(what)}</span></li>" for value, what in shown)
    return f'<ul class="figures">{items}</ul>'


def _matrix(results: Sequence[Mapping[str, Any]]) -> str:
    """Faults down, victims across."""
    by_name = {(one["fault"], one["victim"]): one for one in results}
    heads = "".join(f"<th>{escape(str(victim))}</th>" for victim in Victim)
    rows = "".join(
        f"<tr><td>{escape(fault)}</td>{''.join(_cell(by_name.get((fault, victim))) for victim in Victim)}</tr>"
        for fault in dict.fromkeys(one["fault"] for one in results)
    )
    table = f'<div class="scroll"><table><thead><tr><th>fault of</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f"<section><h2>What came of every fault</h2>{table}</section>"


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return '<td class="matrix soft">–</td>'
    kept = one["verdict"] == AS_PROMISED
    mark = f'<p class="mark {"kept" if kept else "broken"}">{escape(_outcome(one))}</p>'
    said = f"pause {one['pause_s']:.1f} s, lost {one['lost']}" if "pause_s" in one else ""
    return f'<td class="matrix">{mark}<p class="soft">{escape(said)}</p></td>'


def _outcome(one: Mapping[str, Any]) -> str:
    return str(one["promised"] if one["verdict"] == AS_PROMISED else one["verdict"])


def _wrong(results: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td>{escape(one['cell'])}</td><td>{escape(one['promised'])}</td><td>{'<br>'.join(map(escape, one['wrong']))}</td></tr>"
        for one in results
        if one["wrong"]
    ]
    if not rows:
        return ""
    heads = "<th>cell</th><th>promised</th><th>what differs</th>"
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    return f"<section><h2>What differs</h2>{table}</section>"


def _every(results: Sequence[Mapping[str, Any]]) -> str:
    figures = ("pause", "whole again", "acknowledged", "lost")
    heads = "<th>cell</th><th>writer</th><th>how it was answered</th>" + "".join(
        f'<th class="number">{name}</th>' for name in figures
    )
    rows = "".join(
        f"<tr><td>{escape(one['cell'])}</td><td>{escape(_moved(one))}</td><td>{escape(one['answered_by'])}</td>"
        f'<td class="number">{_seconds(one["pause_s"])}</td><td class="number">{_seconds(one["whole_s"])}</td>'
        f'<td class="number">{one["acknowledged"]:,}</td><td class="number">{one["lost"]}</td></tr>'
        for one in results
        if "pause_s" in one
    )
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f"<section><h2>Every cell</h2>{table}</section>" if rows else ""


def _moved(one: Mapping[str, Any]) -> str:
    before, after = one["before"], one["after"]
    return f"{before['writer']} ({before['epoch']}) → {after['writer'] or 'unknown'} ({after['epoch'] or 'unknown'})"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
