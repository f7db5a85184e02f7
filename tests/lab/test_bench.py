"""One failover and one switchover of the bench on real parts: the figures are there and the promises were kept."""

import os
from pathlib import Path

import pytest

from lab.bench_failover import Series
from lab.bench_ground import Labs
from lab.bench_switchover import Switchovers
from lab.faults import Fault

pytestmark = pytest.mark.timeout(300)
"""For a whole lab that is started, healed and reconciled, as in `test_faults`; what is measured has bounds of its own."""


@pytest.mark.long
async def test_a_bench_measures_a_failover(tmp_path: Path) -> None:
    """A frozen writer is replaced, comes back, and nothing was lost; every phase of the database's part has a length."""
    told: list[str] = []
    labs = Labs(fault=Fault.FREEZE, seed=1, out=tmp_path)
    series = Series(fault=Fault.FREEZE, runs=1, open=labs.open, say=told.append)
    await series.carry_out()
    found = series.figures()
    assert found["broken"] == 0, "\n".join(told)
    assert (found["runs"], found["lost"], found["duplicated"], found["unreconciled"]) == (1, 0, 0, 0)
    assert found["acknowledged"] == series.seen[0].reconciliation.acknowledged > 0, "the record was read again for all runs"
    assert found["first_ack_s"]["n"] == found["clients_p95_s"]["2"]["n"] == 1
    assert found["first_ack_s_etcd_leader_on_victim"]["n"] == 1, "the first run has the leader on the victim"
    assert all(found["phases_ms"][name] for name in ("detect", "cut", "attach", "open", "cut_to_open"))
    assert not os.listdir(tmp_path), "nothing is kept of a run that kept its promises"


@pytest.mark.long
async def test_a_bench_measures_a_switchover(tmp_path: Path) -> None:
    """The pause is seen by the clients and between the epochs alike, and nothing was lost."""
    told: list[str] = []
    series = Switchovers(runs=1, out=tmp_path, say=told.append)
    await series.carry_out()
    found = series.figures()
    assert found["broken"] == 0, "\n".join(told)
    assert (found["runs"], found["lost"], found["unreconciled"]) == (1, 0, 0)
    assert 0 < found["epoch_pause_s"]["max"] <= found["pause_s"]["max"] + 0.001
