"""The fault matrix and docs/failure_modes.md say the same: every cell and every round has a row, and every anchored row one of them."""

import re
from pathlib import Path

import pytest

from lab.matrix.cells import Cell, Outcome, cells
from lab.matrix.sequences import Round, sequences

TEXT = (Path(__file__).parents[2] / "docs/failure_modes.md").read_text()
ANCHOR = re.compile(r'^\| <a id="([a-z-]+)"></a>')
ROWS = {found[1]: line for line in TEXT.splitlines() if (found := ANCHOR.match(line))}


ROUNDS = {f"{one.name}: {each.name}": each for one in sequences(0, 1) for each in one.rounds}


def behaviour(row: str) -> str:
    """The second cell of a row of the document."""
    return row.strip().strip("|").split(" | ")[1]


def promises(said: str) -> frozenset[Outcome]:
    """Which outcomes a text names."""
    return frozenset(outcome for outcome in Outcome if outcome in said)


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: cell.name)
def test_every_cell_promises_what_its_row_says(cell: Cell) -> None:
    """By the outcome's own words, and by no other outcome's."""
    assert promises(behaviour(ROWS[cell.promise.row])) == {cell.promise.outcome}


@pytest.mark.parametrize("one", ROUNDS.values(), ids=ROUNDS.keys())
def test_every_round_promises_what_its_row_says(one: Round) -> None:
    """The outcome, and the guard that holds meanwhile."""
    said = behaviour(ROWS[one.row])
    assert promises(said) == {one.outcome}
    assert not one.held_by or f"`{one.held_by}`" in said


def test_every_anchored_row_is_played() -> None:
    """A row that only looks as if the matrix played it would be believed."""
    assert ROWS.keys() == {cell.promise.row for cell in cells()} | {one.row for one in ROUNDS.values()}
    assert TEXT.count("<a id=") == len(ROWS), "an anchor that is there twice, or in no row"
