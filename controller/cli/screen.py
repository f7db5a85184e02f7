"""A status as one screen: who writes since when, what is under way, every fact with its age, what could be done now."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

COLOURS = {"healthy": "green", "failing": "bold red", "unknown": "yellow"}


def screen(status: Document) -> Group:
    """Everything at once."""
    return Group(*_head(status), _plan(status), _sites(status), *_evidence(status), *_moves(status), _last(status))


def show(status: Document, console: Console) -> None:
    """Print it."""
    console.print(screen(status), soft_wrap=False)


def _head(status: Document) -> Iterator[Text]:
    posture = status["posture"]
    since = f" since {_clock(posture['since'])}" if posture["since"] else ""
    first = Text(f"{status['service']}: {posture['writer']} writes{since}, epoch {posture['reign']}, mode {posture['mode']}")
    first.stylize("bold")
    yield first.append(f"   as {status['controller']} knew it {_age(status['tick_age_s'])} ago", style="not bold dim")
    if status["stale"]:
        yield Text(
            f"STALE: etcd's majority has not answered for {_age(status['tick_age_s'])}; payments go on as they are", "bold red"
        )
    if pause := posture["pause"]:
        until = f"until {_clock(pause['until'])}" if pause["until"] else "until resumed"
        yield Text(f"PAUSED by {pause['by']} since {_clock(pause['since'])} {until}: {pause['reason']}", "bold yellow")
    if not posture["settled"]:
        yield Text("not settled: no follower has confirmed this epoch's first transaction yet", "yellow")


def _plan(status: Document) -> Text:
    plan = status["plan"]
    if plan is None:
        waiting = f"; {len(status['requests'])} request waiting" if status["requests"] else ""
        return Text(f"no plan under way{waiting}", "dim")
    owner = plan["owner"] if plan["owner_alive"] else f"{plan['owner'] or 'nobody'}, which is gone"
    subject = f" {plan['subject']}" if plan["subject"] else ""
    said = f"{plan['kind']}{subject} to epoch {plan['epoch']}, for {_age(plan['running_s'])}: {plan['doing']} ({plan['phase']}, by {owner})"
    return Text(said, "bold cyan")


def _sites(status: Document) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("site", "wanted", "traffic", "edge", "database", "node says", "behind", "confirms"):
        table.add_column(column, no_wrap=True)
    for name, site in status["sites"].items():
        node = site["node"]
        table.add_row(
            name,
            Text(site["wanted"], "bold" if site["wanted"] == "writer" else ""),
            "drained" if site["drained"] else f"{site['weight']:g}",
            _health(site["health"]["edge"]),
            _health(site["health"]["database"]),
            _node(node),
            "" if node is None or node["lag_bytes"] is None else _bytes(node["lag_bytes"]),
            "yes" if site["confirms"] else "",
        )
    return table


def _health(health: Document) -> Text:
    return Text(f"{health['health']} {_age(health['age_s'])}".rstrip(), COLOURS[health["health"]])


def _node(node: Document | None) -> Text:
    if node is None:
        return Text("never answered", "yellow")
    pinned = "" if node["pinned"] else ", NOT PINNED"
    return Text(
        f"{node['role']} of {node['epoch']}{pinned}, {_age(node['age_s'])}",
        "" if node["age_s"] < 1 and node["pinned"] else "yellow",
    )


def _evidence(status: Document) -> Iterator[Text]:
    """What was heard from whom, and every voice about what is not healthy."""
    heard = [
        f"{site} {_age(said['age_s'])}" + (" (suspects itself)" if said["suspects_itself"] else "")
        for site, said in status["vantages"].items()
    ]
    yield Text(
        f"heard from: {', '.join(heard) or 'nobody'}; controllers alive: {', '.join(status['controllers']) or 'none'}", "dim"
    )
    for name, site in status["sites"].items():
        for part, health in site["health"].items():
            if health["health"] != "healthy":
                voices = "; ".join(
                    f"{voice['vantage']} {voice['health']} {_age(voice['age_s'])} ({voice['detail']})"
                    for voice in health["voices"]
                )
                yield Text(f"{name}/{part} {health['health']}: {voices or 'nobody said anything'}", COLOURS[health["health"]])


def _moves(status: Document) -> Iterator[Text]:
    moves = status["moves"]
    asked = {f"switchover to {site}": refusals for site, refusals in moves["switchover"].items()}
    asked[f"failover from {status['posture']['writer']}"] = moves["failover"]
    asked[f"automation, should {status['posture']['writer']} fail"] = moves["automatic_failover"]
    possible = [name for name, refusals in asked.items() if not refusals]
    yield Text(f"possible now: {', '.join(possible) or 'nothing'}", "green" if possible else "yellow")
    told: dict[str, list[str]] = {}
    for name, refusals in asked.items():
        for refusal in refusals:
            told.setdefault(refusal["said"], []).append(name)
    for said, names in told.items():
        yield Text(f"blocked: {', '.join(names)}: {said}", "yellow")


def _last(status: Document) -> Text:
    return Text(f"last decision: {status['decision']}", "dim")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _clock(text: str) -> str:
    """Local time; with the date unless it is today's."""
    moment = datetime.fromisoformat(text).astimezone()
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now(UTC).astimezone().date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.0f} KiB" if count < 1 << 20 else f"{count / (1 << 20):.1f} MiB"
