"""A status as one screen: who writes since when, what is under way, every fact with its age, what could be done now.

When everything in full would not fit the terminal, every matter gets one line; `explain` and `status --json` have the rest.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

COLOURS = {"healthy": "green", "failing": "bold red", "unknown": "yellow"}

WIDE = 112
"""Columns from which the table has every column, and units are spelled with a space; a row with two dead parts needs as many."""

LAST_DECISION = 240
"""Characters of the last decision that are shown."""


class Screen:
    """One status, laid out for the terminal it is printed on."""

    def __init__(self, status: Document) -> None:
        self._status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        full = _laid_out(self._status, wide=wide, brief=False)
        height = console.height - 1  # the prompt, or the cursor, takes a line of its own
        yield full if len(console.render_lines(full, options)) <= height else _laid_out(self._status, wide=wide, brief=True)


def show(status: Document, console: Console) -> None:
    """Print it."""
    console.print(Screen(status), soft_wrap=False)


def _laid_out(status: Document, *, wide: bool, brief: bool) -> Group:
    head = [*_head(status), _plan(status)]
    blocked = (_blocked_moves if brief else _blocked_reasons)(status)
    rest = [*_evidence(status, brief=brief), *blocked, *_warnings(status, brief=brief), _last(status)]
    lines = [*head, *rest]
    for line in lines if brief else ():
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines[: len(head)], _sites(status) if wide else _narrow_sites(status), *lines[len(head) :])


def _head(status: Document) -> Iterator[Text]:
    posture = status["posture"]
    since = f" since {_clock(posture['since'])}" if posture["since"] else ""
    yield Text(
        f"{status['service']}: {posture['writer']} writes{since}, epoch {posture['reign']}, mode {posture['mode']}", "bold"
    )
    if status["stale"]:
        yield Text(
            f"STALE: etcd's majority has not answered for {_age(status['tick_age_s'])}; payments go on as they are", "bold red"
        )
    if pause := posture["pause"]:
        until = f"until {_clock(pause['until'])}" if pause["until"] else "until resumed"
        yield Text(f"PAUSED by {pause['by']} since {_clock(pause['since'])} {until}: {pause['reason']}", "bold yellow")
    if (fleet := status.get("fleet")) and fleet["said"]:
        yield Text(f"fleet {fleet['said']}", "bold yellow")
    if not posture["settled"]:
        yield Text("not settled: no follower has confirmed this epoch's first transaction yet", "yellow")
    if (found := status["verified"]) and not found["proven"]:
        yield Text(f"the last move was not proven, {_clock(found['at'])}: {found['said']}", "bold yellow")


def _plan(status: Document) -> Text:
    plan = status["plan"]
    if plan is None:
        count = len(status["requests"])
        waiting = f"; {count} request{'s' if count > 1 else ''} waiting" if count else ""
        return Text(f"no plan under way{waiting}", "dim")
    owner = plan["owner"] if plan["owner_alive"] else f"{plan['owner'] or 'nobody'}, which is gone"
    subject = f" {plan['subject']}" if plan["subject"] else ""
    what = f"{plan['kind']}{subject} to epoch {plan['epoch']}, since {_clock(plan['started'])}"
    other = f"; {plan['schema']}" if plan.get("schema") else ""
    return Text(f"{what}: {plan['doing']} ({plan['phase']}, by {owner}){other}", "bold cyan")


def _sites(status: Document) -> Table:
    table = _table("site", "wanted", "traffic", "edge", "database", "node says", "behind", "confirms")
    for name, site in status["sites"].items():
        table.add_row(
            name,
            Text(site["wanted"], "bold" if site["wanted"] == "writer" else ""),
            f"{site['weight']:g}",
            _health(site["health"]["edge"]),
            _health(site["health"]["database"]),
            _node(site["node"]),
            _behind(site["node"]),
            _confirms(site),
        )
    return table


def _narrow_sites(status: Document) -> Table:
    """The same in 80 columns: no spaces in ages, and what is behind stands beside what is confirmed."""
    table = _table("site", "wanted", "share", "edge", "database", "node says", "confirms")
    table.padding = (0, 1, 0, 0)
    for name, site in status["sites"].items():
        node = _node(site["node"])
        cells = [_health(site["health"]["edge"]), _health(site["health"]["database"]), node]
        short = [Text(_tight(cell.plain), cell.style) for cell in cells]
        confirms = _tight(f"{_confirms(site)} {_behind(site['node'])}".strip())
        table.add_row(name, site["wanted"], f"{site['weight']:g}", *short, confirms)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _health(health: Document) -> Text:
    return Text(f"{health['health']} {_age(health['age_s'])}".rstrip(), COLOURS[health["health"]])


def _node(node: Document | None) -> Text:
    if node is None:
        return Text("never answered", "yellow")
    pinned = "" if node["pinned"] else ", NOT PINNED"
    young = node["age_s"] < 1 and node["pinned"]
    return Text(f"{node['role']} of {node['epoch']}{pinned}, {_age(node['age_s'])}", "" if young else "yellow")


def _behind(node: Document | None) -> str:
    return "" if node is None or node["lag_bytes"] is None else _bytes(node["lag_bytes"])


def _confirms(site: Document) -> str:
    if site["wanted"] == "writer":
        return ""
    return {True: "yes", False: "no", None: "unknown"}[site["confirms"]]


def _evidence(status: Document, *, brief: bool) -> Iterator[Text]:
    """By whom and when this was known, what was heard from whom, and every voice about what is not healthy."""
    heard = [
        f"{site} {_age(said['age_s'])}" + (" (suspects itself)" if said["suspects_itself"] else "")
        for site, said in status["vantages"].items()
    ]
    known = f"as {status['controller']} knew it {_age(status['tick_age_s'])} ago"
    alive = ", ".join(status["controllers"]) or "none"
    yield Text(f"{known}; heard from: {', '.join(heard) or 'nobody'}; controllers alive: {alive}", "dim")
    for name, site in status["sites"].items():
        for part, health in site["health"].items():
            if health["health"] != "healthy":
                said = _brief_voices(health["voices"]) if brief else _voices(health["voices"])
                yield Text(f"{name}/{part} {health['health']}: {said or 'nobody said anything'}", COLOURS[health["health"]])
        if (traffic := site.get("traffic")) and traffic["health"] == "failing":
            told = f"by its own edge's count {_age(traffic['age_s'])} ago; it has no vote"
            yield Text(f"{name}/traffic failing: {told}", COLOURS["failing"])


def _voices(voices: list[Document]) -> str:
    return "; ".join(f"{voice['vantage']} {voice['health']} {_age(voice['age_s'])} ({voice['detail']})" for voice in voices)


def _brief_voices(voices: list[Document]) -> str:
    """Every voice, and of the details the first that tells of a failure."""
    said = ", ".join(f"{voice['vantage']} {voice['health']} {_tight(_age(voice['age_s']))}" for voice in voices)
    detail = next((voice["detail"] for voice in voices if voice["health"] == "failing"), "")
    return f"{said} ({detail})" if detail else said


def _asked(status: Document) -> Mapping[str, list[Document]]:
    moves, writer = status["moves"], status["posture"]["writer"]
    asked = {f"switchover to {site}": refusals for site, refusals in moves["switchover"].items()}
    asked[f"failover from {writer}"] = moves["failover"]
    asked[f"automation, should {writer} fail"] = moves["automatic_failover"]
    return asked


def _possible(asked: Mapping[str, list[Document]]) -> Text:
    possible = [name for name, refusals in asked.items() if not refusals]
    return Text(f"possible now: {', '.join(possible) or 'nothing'}", "green" if possible else "yellow")


def _blocked_reasons(status: Document) -> Iterator[Text]:
    """Every refusal once and in full, with the moves that it blocks."""
    asked = _asked(status)
    yield _possible(asked)
    told: dict[str, list[str]] = {}
    for name, refusals in asked.items():
        for refusal in refusals:
            told.setdefault(refusal["said"], []).append(name)
    for said, names in told.items():
        yield Text(f"blocked: {', '.join(names)}: {said}", "yellow")


def _blocked_moves(status: Document) -> Iterator[Text]:
    """Every blocked move once, with the guards that refuse it and what they saw."""
    asked = _asked(status)
    yield _possible(asked)
    for name, refusals in asked.items():
        if refusals:
            said = "; ".join(f"{one['guard']} ({one['value']})" for one in refusals)
            yield Text(f"blocked: {name}: {said}", "yellow")


def _warnings(status: Document, *, brief: bool) -> Iterator[Text]:
    """What providers say that a person should mend in peace; it blocks nothing. Brief: all in one line."""
    found = status["warnings"]
    if brief and found:
        seen = "; ".join(f"{one['site']}'s {one['subject']}: {one['value']}" for one in found)
        yield Text(f"warning: {seen}", "yellow")
        return
    for one in found:
        age = "" if one["age_s"] is None else f" (said {_age(one['age_s'])} ago)"
        yield Text(f"warning: {one['said']}{age}", "yellow")


def _last(status: Document) -> Text:
    said = str(status["decision"])
    shown = said if len(said) <= LAST_DECISION else f"{said[:LAST_DECISION]}... (`trimaran explain`)"
    return Text(f"last decision: {shown}", "dim")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _tight(text: str) -> str:
    """Without the spaces that numbers and words are read well with."""
    for wide, narrow in ((" min ", "m"), (" min", "m"), (" KiB", "K"), (" MiB", "M"), (" of ", " "), (",", "")):
        text = text.replace(wide, narrow)
    return text.replace(" s", "s").replace(" h ", "h").replace(" B", "B")


def _clock(text: str) -> str:
    """Local time; with the date unless it is today's. The text itself when there is no such time here, as close to the year 9999."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return text
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now(UTC).astimezone().date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"
