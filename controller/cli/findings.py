"""Findings as a table: what is bad first, each with what to do; what is unknown for one reason is one row."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.core.checkup.catalogue import AREA
from controller.core.checkup.finding import Finding, Verdict

STYLE = {Verdict.BAD: "bold red", Verdict.UNKNOWN: "yellow", Verdict.WARNING: "cyan", Verdict.GOOD: "green"}

ORDER = tuple(STYLE)

SHOWN = 3
"""Checks of one row that are named."""


def show(findings: Sequence[Finding], console: Console, *, everything: bool) -> None:
    """Print them, and how many there are of each verdict."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    for column in ("", "area", "check", "of", "found"):
        table.add_column(column, no_wrap=column in {"", "area"}, overflow="fold")
    for verdict in ORDER:
        if verdict is Verdict.GOOD and not everything:
            continue
        for row in _rows([one for one in findings if one.verdict is verdict]):
            table.add_row(Text(str(verdict), STYLE[verdict]), *row)
    if table.row_count:
        console.print(table)
    console.print(said(findings))


def said(findings: Sequence[Finding]) -> str:
    """All of it in one line."""
    counts = {verdict: sum(one.verdict is verdict for one in findings) for verdict in ORDER}
    return f"{len(findings)} findings: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _rows(findings: Iterable[Finding]) -> Iterator[tuple[str, str, str, Text]]:
    """By what was seen: twenty things that nobody could ask of a silent server are one row."""

    def seen(one: Finding) -> tuple[str, str]:
        return one.subject, one.value if one.verdict is Verdict.UNKNOWN else str(one.check)

    for (subject, _), group in groupby(sorted(findings, key=seen), key=seen):
        found = list(group)
        first = found[0]
        areas = sorted({str(AREA[one.check]) for one in found})
        checks = [str(one.check) for one in found]
        more = f" and {len(checks) - SHOWN} more" if len(checks) > SHOWN else ""
        area = areas[0] if len(areas) == 1 else "several"
        yield area, ", ".join(checks[:SHOWN]) + more, subject, _found(first, alone=len(found) == 1)


def _found(one: Finding, *, alone: bool) -> Text:
    told = Text(one.value)
    if one.verdict is Verdict.GOOD:
        return told
    if alone:
        told.append(f"; needed: {one.limit}", "dim")
    told.append(f"\n{one.way_out}")
    return told
