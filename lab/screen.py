"""What a person sees while a lab works: steps with their times, and a summary. Plain lines when nobody watches a terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from controller.cli.exits import Exit
from lab.errors import AlreadyRunningError, LabError, NothingInstalledError
from lab.fleet import VAULT
from lab.record import Habit
from lab.report import KEPT
from lab.report_page import headline
from lab.report_services import told_beside, told_half_moved, told_unproven, told_vault
from lab.report_webhooks import webhooks_line


def open_console(*, stderr: bool = False) -> Console:
    """Where a command prints; lines that go to a file are not broken at the width of a terminal that is not there."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, soft_wrap=True, width=200)


def exit_of(error: LabError) -> Exit:
    """The status of a command that this error ended."""
    match error:
        case NothingInstalledError():
            return Exit.USAGE
        case AlreadyRunningError():
            return Exit.REFUSED
        case _:
            return Exit.BROKEN


class Screen:
    """Standard error for progress, so that `--json` leaves standard output to one document."""

    def __init__(self) -> None:
        self.console = open_console(stderr=True)
        self.last = "starting"
        """What was said last."""
        self._began = time.monotonic()
        self._status: Any = None

    @contextmanager
    def working(self) -> Iterator[None]:
        """A moving sign of life on a terminal for the length of the block."""
        if not self.console.is_terminal:
            yield
            return
        with self.console.status("starting") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None

    def say(self, what: str) -> None:
        """One step begins."""
        self.last = what
        passed = time.monotonic() - self._began
        self.console.print(Text.assemble((f"{passed:6.1f} s  ", "dim"), what))
        if self._status is not None:
            self._status.update(what)

    def complain(self, what: str) -> None:
        """One line for what went wrong."""
        self.console.print(Text(what, style="bold red"))


def summarize(console: Console, said: Mapping[str, Any]) -> None:
    """A rehearsal's outcome on one screen."""
    console.print()
    console.print(Text(headline(said), style="bold"))
    console.print(_facts(said))
    console.print()
    moments = Table.grid(padding=(0, 2))
    for moment in said["timeline"]:
        moments.add_row(Text(f"{moment['t']:8.3f} s", justify="right"), moment["who"], moment["what"])
    console.print(moments)
    console.print()
    if said["machine_too_busy"]:
        late = f"An offer was made {said['load_late_s']:.1f} s late: this machine was too busy for the times above to mean much."
        console.print(Text(late, style="yellow"))
    for unordered in said["unordered_exits"]:
        console.print(Text(f"Ended though nobody ordered it: {unordered}", style="yellow"))
    if said["verdict"] == KEPT:
        console.print(Text("Every promise was kept.", style="bold green"))
    if unproven := told_unproven(said):
        console.print(Text(unproven, style="yellow"))
    for broken in said["broken"]:
        console.print(Text(f"Broken: {broken}.", style="bold red"))


def _facts(said: Mapping[str, Any]) -> Table:
    payments, recovery = said["payments"], said["recovery_seconds"]
    facts = Table.grid(padding=(0, 2))
    facts.add_row(
        "writer",
        f"{said['writer_before']} (epoch {said['epoch_before']}) -> {said['writer_after']} (epoch {said['epoch_after']})",
    )
    facts.add_row(
        "payments",
        f"{payments['attempted']} attempted, {payments['acknowledged']} acknowledged, {payments['unresolved']} unresolved",
    )
    if beside := told_beside(said):
        facts.add_row("beside them", beside)
    facts.add_row("lost, duplicated", f"{payments['lost']}, {payments['duplicated']}")
    if (vault := said["services"].get(VAULT)) is not None:
        facts.add_row("vault", _vault(vault))
        facts.add_row("tokens lost, duplicated", f"{vault['lost']}, {vault['duplicated']}; {told_vault(said)}")
    if half := told_half_moved(said):
        facts.add_row("services", half)
    if said["webhooks"] is not None:
        facts.add_row("webhooks", webhooks_line(said["webhooks"]))
    facts.add_row(
        "clients paying again",
        f"median {_s(recovery['clients_p50'])}, 95 % {_s(recovery['clients_p95'])}, last {_s(recovery['clients_max'])}",
    )
    if (held := said["clients_by_habit"].get(Habit.IGNORES_TTL)) is not None:
        facts.add_row("the same, ignoring TTLs", _held(held, said["site"]))
    if said["answers"]:
        facts.add_row("stale answers", ", ".join(f"{name} {_stale(one)}" for name, one in said["answers"].items()))
    if said["met_old_writer"]:
        facts.add_row("met the old writer", f"{said['met_old_writer']} requests, after healing and before it was fenced")
    facts.add_row("phases, ms", ", ".join(f"{name} {_ms(ms)}" for name, ms in said["phases_ms"].items()))
    if said["floors"]:
        facts.add_row("instances", ", ".join(map(_floor, said["floors"])))
    facts.add_row("ledgers", "all three equal" if said["ledgers_equal"] else "they differ")
    facts.add_row("etcd", "members agree" if said["etcd"]["equal"] else f"{', '.join(said['etcd']['disagreeing'])} disagree")
    facts.add_row(
        f"{said['site']} again",
        f"healing from {_s(said['healing_s'])} to {_s(said['healed_s'])}, follower that counts at {_s(said['follower_again_s'])}",
    )
    return facts


def _vault(one: Mapping[str, Any]) -> str:
    moved = f"{one['writer_before']} (epoch {one['epoch_before']}) -> {one['writer_after']} (epoch {one['epoch_after']})"
    return f"{moved}, first acknowledged {_s(one['first_ack_s'])}, all three {'equal' if one['ledgers_equal'] else 'DIFFER'}"


def _held(group: Mapping[str, Any], site: str) -> str:
    told = f"{group['affected']} affected"
    if group["healed_first"]:
        return f"{told}, {group['healed_first']} of them only once {site} was healed"
    return f"{told}, median {_s(group['p50'])}, last {_s(group['max'])}" if group["affected"] else told


def _stale(one: Mapping[str, Any]) -> str:
    if one["stale_share"] is None:
        return "silent"
    until = f" until {one['last_stale_s']:.1f} s" if one["stale"] else ""
    return f"{one['stale_share']:.0%}{until}" + (" and on, ended by the healing" if one["unended"] else "")


def _floor(one: Mapping[str, Any]) -> str:
    if one["because"]:
        return f"{one['site']} not raised ({one['because']})"
    return f"{one['site']} {one['before']} -> {one['after']} in {one['took_ms']:.0f} ms"


def _s(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
