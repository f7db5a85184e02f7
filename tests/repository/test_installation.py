"""What `make` puts into .venv is what the lists name, by hash; nothing comes along unseen."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / "constraints").glob("*.txt"))


def pinned(path: Path) -> dict[str, int]:
    """Package -> how many hashes its pin has."""
    pins = re.split(r"\n(?=\S)", path.read_text())
    return {pin.split("==")[0]: pin.count("--hash=sha256:") for pin in pins}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_whatever_builds_this_project_is_pinned(path: Path) -> None:
    """The build runs without isolation, so its tools must be in every list; every pin has a hash."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pins = pinned(path)
    assert {re.split(r"[^\w-]", one)[0] for one in wanted} <= set(pins)
    assert all(pins.values())


def test_no_installation_reaches_past_the_lists() -> None:
    """Hashes and wheels only, or no index at all: pip never builds with tools that it fetched itself."""
    calls = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert len(calls) == 2
    for call in calls:
        pins = {"--require-hashes", "--only-binary"} <= set(call.split())
        assert pins or {"--no-index", "--no-deps", "--no-build-isolation"} <= set(call.split()), call
