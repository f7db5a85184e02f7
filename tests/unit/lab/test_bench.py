"""A bench that meets trouble: what it knows is written down, what it does not know is counted, and nothing counts as kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from controller.errors import Transient
from lab.bench import ENDS, FAULTS, PARTS, WishError, circumstances, measure, read_wishes
from lab.bench_barrier import Bench, Kind
from lab.bench_barrier_world import World
from lab.bench_failover import Series
from lab.bench_ground import PAYMENTS, Ground, course_of
from lab.bench_reckoning import Reckoning
from lab.errors import LabError
from lab.faults import Fault as LabFault
from lab.reconcile import Reconciliation
from lab.reconcile_rows import Fault, Finding
from lab.reconcile_vault import VaultReconciliation
from lab.reconcile_vault_rows import Harm, VaultFinding
from lab.report import Rehearsal
from tests.unit.lab.runs import reconciliation, run
from tests.unit.lab.test_report_webhooks import told
from tests.unit.lab.vault_runs import kept
from workload.durable.errors import OutcomeUnknown
from workload.payments.model import Order
from workload.payments.wiring import Assembly

Answer = Rehearsal | Exception
MEASURED = {"commit": "abc", "cores": 2}


@dataclass
class Script:
    """Labs whose runs end as it is written; a lab's records together, when they were read, come out as written too."""

    runs: dict[int, Answer] = field(default_factory=dict)
    together: dict[int, Reconciliation | None] = field(default_factory=dict)
    vaults: dict[int, VaultReconciliation | None] = field(default_factory=dict)
    labs: int = 99
    """How many of them start."""
    opened: int = 0
    kept: dict[int, Sequence[str]] = field(default_factory=dict)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Ground]:
        self.opened += 1
        if self.opened > self.labs:
            raise LabError("the payments service of gcp is not ready after 30 s")
        yield ScriptedLab(self)

    def series(self, runs: int) -> Series:
        return Series(fault=LabFault.CRASH, runs=runs, open=self.open, say=lambda _: None)


@dataclass
class ScriptedLab:
    script: Script
    numbers: list[int] = field(default_factory=list)

    async def fail_over(self, number: int) -> Rehearsal:
        self.numbers.append(number)
        answer = self.script.runs.get(number, run())
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def compare(self) -> Reconciliation | None:
        usual = reconciliation(attempted=10 * len(self.numbers), acknowledged=10 * len(self.numbers))
        return self.script.together.get(self.numbers[-1], usual)

    async def compare_vault(self) -> VaultReconciliation | None:
        return self.script.vaults.get(self.numbers[-1], kept())

    async def keep(self, number: int, broken: Sequence[str]) -> None:
        self.script.kept[number] = broken


async def test_a_lab_that_cannot_be_replaced_costs_no_figures(tmp_path: Path) -> None:
    """Fifteen runs, two payments lost in one of them, the sixteenth aborted, no second lab: all of that is in the file."""
    script = Script(runs={3: run(2.0, "k1", "k2"), 16: LabError("azure did not catch up")}, labs=1)
    was_kept = await measure([script.series(20)], tmp_path / "failover.json", MEASURED)
    crash = json.loads((tmp_path / "failover.json").read_text())["crash"]
    assert not was_kept
    assert not crash["kept"]
    assert "gcp is not ready" in crash["error"]
    assert (crash["runs"], crash["lost"], crash["aborted"], crash["first_ack_s"]["n"]) == (16, 2, 1, 15)
    assert script.kept.keys() == {3, 16}


async def test_an_aborted_runs_payments_are_counted_when_they_can_be() -> None:
    """Its record is held against the ledgers all the same; when that cannot be done, the run is counted as unreconciled."""
    aborted = LabError("the load did not end")
    read = Script(runs={2: aborted}).series(2)
    await read.carry_out()
    assert read.figures()["acknowledged"] == 20
    assert (read.figures()["aborted"], read.figures()["unreconciled"]) == (1, 0)
    unread = Script(runs={2: aborted}, together={2: None}).series(2)
    await unread.carry_out()
    assert unread.figures()["acknowledged"] == 10
    assert (unread.figures()["aborted"], unread.figures()["unreconciled"]) == (1, 1)


async def test_a_later_run_that_loses_an_earlier_runs_token_is_found() -> None:
    """Three equal vaults, none of which has it, and a record that nobody reads any more: it is read again after every run."""
    lost = VaultFinding(harm=Harm.LOST, site="aws", subject="token-of-run-1", detail="token t is not there")
    back = VaultFinding(harm=Harm.REVIVED, site="aws", subject="reveal-of-run-2", detail="was revealed after its erasure")
    script = Script(vaults={3: kept(findings=(lost,)), 4: kept(findings=(back,)), 5: None})
    series = script.series(5)
    await series.carry_out()
    found = series.figures()
    assert (found["vault_lost"], found["vault_revived"], found["vault_unreconciled"], found["broken"]) == (1, 1, 1, 3)
    assert found["vault_acknowledged"] == 9
    assert script.kept.keys() == {3, 4, 5} and "token-of-run-1" in script.kept[3][0]


async def test_webhooks_that_were_lost_or_never_read_are_figures_too() -> None:
    """A run without them is none that lost nothing."""
    script = Script(runs={2: LabError("the load did not end"), 3: replace(run(), webhooks=told(lost=2), first_webhook=3.0)})
    series = script.series(3)
    await series.carry_out()
    assert (series.figures()["webhooks_lost"], series.figures()["webhooks_unread"]) == (2, 2)


async def test_a_later_run_that_loses_an_earlier_runs_payment_is_found() -> None:
    """Every run's own record is kept, all of them together are not: one payment of run 1 is gone after run 3, and stays lost
    though nobody finds it missing later on."""
    script = Script(together={3: reconciliation("crash-1-7", attempted=30, acknowledged=30)})
    series = script.series(4)
    await series.carry_out()
    found = series.figures()
    assert (found["lost"], found["broken"], found["acknowledged"]) == (1, 1, 40)
    assert script.kept.keys() == {3}
    assert "crash-1-7" in script.kept[3][0]


@pytest.mark.parametrize(
    ("fault", "count"), [(Fault.REMEMBERED, "revived"), (Fault.DENIED, "revived"), (Fault.UNBALANCED, "unbalanced")]
)
async def test_a_later_run_that_brings_something_back_is_found(fault: Fault, count: str) -> None:
    """A subject that run 1 had forgotten is known after run 3, a payment that was never to be is there, a ledger no longer adds up: each
    counts once, and by its own run's word too."""
    finding = Finding(fault=fault, site="aws", subject="of-run-1", detail="it is there")
    amiss = reconciliation(findings=(finding,), attempted=30, acknowledged=30)
    script = Script(together={3: amiss, 4: amiss})
    series = script.series(4)
    await series.carry_out()
    assert (series.figures()[count], series.figures()["broken"]) == (1, 1) and count in ENDS
    assert script.kept.keys() == {3} and "of-run-1" in script.kept[3][0]
    own = Script(runs={1: replace(run(), reconciliation=amiss)}).series(1)
    await own.carry_out()
    assert own.figures()[count] == 1


@pytest.mark.parametrize("fault", Fault)
def test_whatever_is_found_is_looked_for_again(fault: Fault) -> None:
    """One follower lags behind the other: what only it lacks or knows is no finding yet, whatever its kind; and each kind is told."""
    found = reconciliation(findings=(Finding(fault=fault, site="aws", subject="s", detail="d"),))
    assert PAYMENTS.is_wrong(found) and not PAYMENTS.is_wrong(reconciliation())
    assert len(Reckoning().settle(found)) == 1


async def test_a_lost_payment_is_counted_once() -> None:
    """By its own run, and by every later look at all of them."""
    lost = reconciliation("k")
    series = Script(runs={1: run(2.0, "k")}, together={1: lost, 2: lost, 3: lost}).series(3)
    await series.carry_out()
    assert (series.figures()["lost"], series.figures()["broken"]) == (1, 1)


@dataclass
class Scripted:
    """A part of a bench."""

    name: str
    trouble: BaseException | None = None
    known: dict[str, Any] = field(default_factory=lambda: {"runs": 1, "lost": 0})

    async def carry_out(self) -> None:
        if self.trouble:
            raise self.trouble

    def figures(self) -> dict[str, Any]:
        return self.known


def kept_file(tmp_path: Path, **parts: Any) -> Path:
    file = tmp_path / "failover.json"
    file.write_text(json.dumps({**parts, "kept": True}))
    return file


async def test_parts_of_other_calls_are_left_alone(tmp_path: Path) -> None:
    """Each part carries where, when and with what it was measured; only the one that is measured again is replaced."""
    old = {"runs": 7, "kept": True, "measured": {"commit": "old"}}
    file = kept_file(tmp_path, crash=old, barrier=old)
    assert await measure([Scripted("crash")], file, MEASURED)
    found = json.loads(file.read_text())
    assert found["barrier"] == old
    assert found["crash"] == {"runs": 1, "lost": 0, "kept": True, "measured": MEASURED}
    assert found["kept"] is True


@pytest.mark.parametrize("trouble", [LabError("x"), Transient("no majority"), TimeoutError(), OSError(28, "disk full")])
async def test_trouble_is_written_down_and_the_next_part_is_measured(tmp_path: Path, trouble: Exception) -> None:
    """Whatever ends a part: its figures so far stay, the good word of yesterday does not, and there is no traceback."""
    file = kept_file(tmp_path, crash={"runs": 7, "kept": True})
    assert not await measure([Scripted("crash", trouble, {"runs": 3, "lost": 0}), Scripted("switchover")], file, MEASURED)
    found = json.loads(file.read_text())
    assert (found["crash"]["runs"], found["crash"]["kept"], found["switchover"]["kept"], found["kept"]) == (3, False, True, False)
    assert type(trouble).__name__ in found["crash"]["error"]


@pytest.mark.parametrize("end", [asyncio.CancelledError(), ValueError("a bug")])
async def test_a_bench_that_is_interrupted_keeps_what_it_has(tmp_path: Path, end: BaseException) -> None:
    """Ctrl-C and a bug go their way, and leave the figures so far behind them as not kept."""
    file = kept_file(tmp_path, crash={"runs": 7, "kept": True})
    with pytest.raises(type(end)):
        await measure([Scripted("crash", end, {"runs": 3})], file, MEASURED)
    crash = json.loads(file.read_text())["crash"]
    assert (crash["runs"], crash["kept"]) == (3, False)


@pytest.mark.parametrize("what", ENDS)
async def test_any_bad_count_is_a_promise_not_kept(tmp_path: Path, what: str) -> None:
    """Each alone."""
    assert not await measure([Scripted("crash", known={"runs": 1, what: 1})], tmp_path / "failover.json", MEASURED)


def test_what_cardholders_and_merchants_lost_is_a_bad_count() -> None:
    """As much as a payment."""
    assert {"lost", "duplicated", "unreconciled", "vault_lost", "vault_duplicated", "vault_revived", "webhooks_lost"} <= set(ENDS)


async def test_a_file_of_something_else_is_not_written_over(tmp_path: Path) -> None:
    """Whose it is, is not for the bench to decide."""
    file = tmp_path / "failover.json"
    file.write_text("my notes")
    with pytest.raises(WishError, match="move it away"):
        await measure([Scripted("crash")], file, MEASURED)
    assert file.read_text() == "my notes"


def test_wishes_come_from_the_environment() -> None:
    """Twenty runs of everything unless said otherwise; everything wrong is told at once."""
    assert (read_wishes({}).runs, read_wishes({}).faults, read_wishes({}).parts) == (20, FAULTS, PARTS)
    wishes = read_wishes({"RUNS": "2", "FAULTS": "freeze, crash", "ONLY": "barrier", "SEED": "7"})
    assert (wishes.runs, wishes.faults, wishes.parts, wishes.seed) == (2, (LabFault.FREEZE, LabFault.CRASH), ("barrier",), 7)
    with pytest.raises(WishError) as wrong:
        read_wishes({"RUNS": "none", "FAULTS": "flood", "ONLY": "sleep", "SEED": "dice"})
    assert len(str(wrong.value).splitlines()) == 4


def test_a_run_can_be_repeated() -> None:
    """Its course hangs on seed, fault and number alone, not on what ran before it; and the seed is in the file."""
    assert course_of(LabFault.CRASH, 16, 1) == course_of(LabFault.CRASH, 16, 1)
    assert course_of(LabFault.CRASH, 16, 1).calm != course_of(LabFault.CRASH, 16, 2).calm
    assert circumstances(read_wishes({"SEED": "7"}))["seed"] == 7
    assert circumstances(read_wishes({})).keys() >= {"commit", "at", "cores", "policy"}


class Halting:
    """A service that never learns what became of every second payment."""

    def __init__(self) -> None:
        self.payments, self.asked = self, 0

    async def pay(self, order: Order) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.asked % 2:
            raise OutcomeUnknown("the barrier stayed closed")


class Ledgers:
    """Two accounts, and nothing to be set."""

    accounts = (uuid4(), uuid4())

    async def commit_natively(self, *, wait: bool) -> None: ...


async def test_payments_without_an_answer_stay_in_the_barriers_figures() -> None:
    """They are its slowest: each counts with the time it took, and their number is told."""
    service, ticks = Halting(), iter(range(1000))
    bench = Bench(
        world=cast("World", Ledgers()),
        bare=cast("Assembly", service),
        held=cast("Assembly", service),
        payers=1,
        monotonic=lambda: next(ticks) / 10,
    )
    found = await bench.round(Kind.BARRIER)
    assert (len(found.latencies), found.unanswered) == (service.asked, (service.asked + 1) // 2)
    assert service.asked > 2
