"""The fault matrix on real parts: one cell of every row of the document, and every fault that nothing else plays."""

import pytest

from lab.faults import Fault
from lab.matrix.cells import Cell, Victim, cells, select
from lab.matrix.judgement import amiss
from lab.matrix.play import play

SAMPLE: tuple[tuple[Fault, Victim], ...] = (
    (Fault.DEAF, Victim.WRITER),
    (Fault.MUTE, Victim.FOLLOWER),
    (Fault.DISK_FULL, Victim.WRITER),
    (Fault.POSTGRES_FREEZE, Victim.FOLLOWER),
    (Fault.LOSS, Victim.WRITER),
    (Fault.PAYMENTS, Victim.WRITER),
    (Fault.EDGE, Victim.FOLLOWER),
    (Fault.CONTROLLER, Victim.FOLLOWER),
    (Fault.ETCD_MAJORITY, Victim.WRITER),
    (Fault.CLOCK_AHEAD, Victim.FOLLOWER),
    (Fault.CLOCK_BEHIND, Victim.WRITER),
    (Fault.API_NO_EFFECT, Victim.WRITER),
    (Fault.DNS_STALE, Victim.FOLLOWER),
    (Fault.POSTGRES, Victim.OWNER),
    (Fault.ETCD_MAJORITY, Victim.OWNER),
    (Fault.API_HANG, Victim.OWNER),
)
"""`make faults` plays all of them."""

PLAYED: tuple[Cell, ...] = tuple(cell for fault, victim in SAMPLE for cell in select({fault}, {victim}))


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("cell", PLAYED, ids=lambda cell: cell.name)
async def test_a_cell_of_every_row_is_as_promised(cell: Cell) -> None:
    """What came of the fault is what docs/failure_modes.md says, and nothing that was acknowledged is lost."""
    seen = await play(cell, f"test-faults-{cell.fault}-{cell.victim}", print)
    assert amiss(cell, seen) == (), seen


def test_the_sample_leaves_no_row_out() -> None:
    """A row whose cell is not among them would name a test that does not play it."""
    assert {cell.promise.row for cell in PLAYED} == {cell.promise.row for cell in cells()}
