"""The sequences' part of the matrix's page. Pure."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lab.matrix.report import AS_PROMISED


def sequences(told: Sequence[Mapping[str, Any]]) -> str:
    """What came of every sequence, round by round; empty without any."""
    return f"<section><h2>Sequences</h2>{''.join(map(_sequence, told))}</section>" if told else ""


def _sequence(one: Mapping[str, Any]) -> str:
    kept = one["verdict"] == AS_PROMISED
    policy = f" Policy: {', '.join(one['policy'])}." if one["policy"] else " Policy: the default."
    people = " Failovers are left to people." if one["failovers_left_to_people"] else ""
    paid = f" {one['acknowledged']:,} payments acknowledged, {one['lost']} lost." if "acknowledged" in one else ""
    said = f"{len(one['rounds'])} of {one['of']} rounds.{policy}{people}{paid}"
    head = f'<h3 class="mark {"kept" if kept else "broken"}">{escape(one["sequence"])}: {escape(one["verdict"])}</h3>'
    wrong = "".join(f"<li>{escape(said)}</li>" for said in one["wrong"])
    heads = "<th>round</th><th>what struck</th><th>promised</th><th>writer</th><th>held by</th>" + "".join(
        f'<th class="number">{name}</th>' for name in ("pause", "whole again")
    )
    rows = "".join(map(_round, one["rounds"]))
    table = f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    return f'{head}<p class="soft">{escape(said)}</p>' + (f"<ul>{wrong}</ul>{table}" if wrong else table)


def _round(one: Mapping[str, Any]) -> str:
    before, after = one["before"], one["at_end"] or {"writer": "unknown", "epoch": "unknown"}
    moved = f"{before['writer']} ({before['epoch']}) → {after['writer']} ({after['epoch']})"
    mark = "broken" if one["wrong"] else "kept"
    texts = (one["struck"] or one["begin"], one["promised"], moved, ", ".join(one["guards"]) or "–")
    whole = "–" if one["whole_s"] is None else f"{one['whole_s']:.1f} s"
    return (
        f'<tr><td><span class="mark {mark}">{escape(one["round"])}</span></td>'
        + "".join(f"<td>{escape(text)}</td>" for text in texts)
        + f'<td class="number">{one["pause_s"]:.1f} s</td><td class="number">{whole}</td></tr>'
    )
