"""However a run of load ends, what its clients wrote down can be counted."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from lab.errors import LabError
from lab.offering import Offering
from lab.processes import Supervised
from lab.record import Defect, Offered, Record


@dataclass
class Generator:
    """A load generator that ends as it is told to."""

    exit_status: int | None
    stuck: bool = False

    async def stop(self, deadline: timedelta) -> None:
        if self.stuck:
            raise LabError("processes [7] are still there")

    def tail(self, lines: int) -> str:
        return "its last words"


def offering(tmp_path: Path, generator: Generator) -> Offering:
    """One run whose record says that offers were dropped."""
    with Record(tmp_path / "record") as record:
        record.append(Defect(what="5000 payments in flight: offers are dropped", t=1.0))
    return Offering(process=cast(Supervised, generator), record=tmp_path / "record", stats=tmp_path / "stats")


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        (Generator(exit_status=0), ""),
        (Generator(exit_status=1), "ended with 1: its last words"),
        (Generator(exit_status=-9), "ended with -9"),
        (Generator(exit_status=None, stuck=True), "cannot be ended"),
    ],
)
async def test_a_bad_end_is_told_and_hides_no_record(tmp_path: Path, generator: Generator, said: str) -> None:
    """The worst run overwhelms its own generator, and is the one whose payments must be reconciled."""
    load = offering(tmp_path, generator)
    told = await load.finish(timedelta(seconds=1))
    assert said in told
    assert bool(told) == bool(said)
    assert [type(line) for line in load.lines()] == [Defect]


def test_a_damaged_record_is_a_failure_of_the_lab(tmp_path: Path) -> None:
    """Nothing can be proven by a record that cannot be read, and it says where."""
    load = offering(tmp_path, Generator(exit_status=0))
    (tmp_path / "record").write_text("not a line\n")
    with pytest.raises(LabError, match="line 1"):
        load.lines()


def test_what_other_runs_offered_is_known(tmp_path: Path) -> None:
    """Their records lie beside this one; cardholders offer no payments, and this run's own are not another's."""
    load = offering(tmp_path, Generator(exit_status=0))
    wanted = {"device": 0, "name": "n", "debtor": "a", "creditor": "b", "amount": 1, "currency": "EUR", "t": 1.0}
    for name, key in (("run-1.jsonl", "run-1-7"), ("run-2.jsonl", "run-2-7")):
        with Record(tmp_path / name) as record:
            record.append(Offered(key=key, **wanted))  # type: ignore[arg-type]
            record.append(Defect(what=f'"kind":"offered","key":"{key}-said"', t=1.0))
    (tmp_path / "run-1.vault.jsonl").write_text('{"kind":"token-wanted","key":"t"}\n')
    assert load.others() == {"run-1-7", "run-2-7"}
    assert replace(load, record=tmp_path / "run-2.jsonl").others() == {"run-1-7"}
