"""`trimaran schema`: what cannot be used is told."""

from pathlib import Path

import pytest

from controller.cli.exits import Exit
from tests.unit.cli.conftest import Trimaran

pytestmark = pytest.mark.asyncio


async def test_settings_that_cannot_be_used_are_told(trimaran: Trimaran, tmp_path: Path) -> None:
    """Before anybody is asked anything."""
    for command in ("plan", "apply", "status", "labels", "retain"):
        said = await trimaran("schema", command, "--service", "payments", "--settings", str(tmp_path / "nothing.toml"))
        assert said.status == Exit.USAGE, command
        assert "nothing.toml" in said.err
