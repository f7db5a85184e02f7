"""docs/failure_modes.md names tests that exist: a row that points nowhere promises what nobody checks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [line for line in (ROOT / "docs/failure_modes.md").read_text().splitlines() if line.startswith("| ")][1:]


def test_every_failure_mode_names_a_test_that_exists() -> None:
    """File and function, in every row."""
    for row in ROWS:
        pointers = re.findall(r"`(tests/[^`:]+)(?:::([^`]+))?`", row.split("|")[-2])
        assert pointers, row
        for file, name in pointers:
            assert (ROOT / file).is_file(), row
            assert not name or re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), (file, name)
