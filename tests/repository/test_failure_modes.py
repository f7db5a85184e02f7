"""docs/failure_modes.md names tests that exist: a row that points nowhere promises what nobody checks."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs/failure_modes.md").read_text().splitlines() if line.startswith("| ")][1:]
POINTER = re.compile(r"`(tests/[^`:]+)::(\w+)`")


@cache
def collected_from(file: Path) -> frozenset[str]:
    """Functions of a module that are collected as tests."""
    functions = [one for one in ast.parse(file.read_text()).body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(one.name for one in functions if one.name.startswith("test_"))


def wrong_with(row: str) -> str:
    """What keeps somebody who reads this row from finding its tests; empty when nothing does."""
    cells = row.strip().strip("|").split(" | ")
    if len(cells) != 3 or not all(cell.strip() for cell in cells):
        return f"{len(cells)} cells, not fault, behaviour and test"
    pointers = POINTER.findall(cells[2])
    rest = POINTER.sub("", cells[2]).strip(" ;,")
    if not pointers or rest:
        return f"no test by file and function: {rest or 'nothing is named'}"
    missing = [
        f"{file}::{name}" for file, name in pointers if not (ROOT / file).is_file() or name not in collected_from(ROOT / file)
    ]
    return f"there is no {', '.join(missing)}" if missing else ""


def test_there_are_failure_modes() -> None:
    """A table that is not found has no row that is wrong."""
    assert len(ROWS) > 100


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:50])
def test_every_failure_mode_names_tests_that_exist(row: str) -> None:
    """By file and function, and nothing else stands in their cell."""
    assert not wrong_with(row)


@pytest.mark.parametrize(
    "row",
    [
        "| a fault | what happens | `tests/repository/test_failure_modes.py` |",
        "| a fault | what happens | `tests/repository/test_failure_modes.py::test_that_is_not_there` |",
        "| a fault | what happens | `tests/repository/test_gone.py::test_there_are_failure_modes` |",
        "| a fault | what happens | `tests/repository/test_failure_modes.py::wrong_with` |",
        "| a fault | what happens | seen in the lab |",
        "| a fault | `tests/repository/test_failure_modes.py::test_there_are_failure_modes` |",
    ],
)
def test_a_row_that_points_nowhere_is_found(row: str) -> None:
    """A file without a function, a function that is gone or no test, prose instead."""
    assert wrong_with(row)
