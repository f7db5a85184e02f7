"""A person at a terminal is asked before anything moves, and the first Ctrl-C is an answer."""

import asyncio
import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from controller.cli.exits import Exit
from tests.unit.core.worlds import AWS, AZURE
from tests.unit.room import room

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "arguments", [["switchover", "--to", "aws"], ["failover", "--from", "azure", "--reason", "x"]], ids=lambda given: given[0]
)
async def test_the_first_ctrl_c_ends_it_and_nothing_was_asked(tmp_path: Path, arguments: list[str]) -> None:
    """At once, with the line and the status of a no; etcd holds no request, and the writer stays."""
    async with room() as given:
        terminal, line = pty.openpty()
        environ = {**os.environ, "TRIMARAN_CONTEXT": given.write_context(tmp_path)}
        command = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "controller",
            *arguments,
            cwd=ROOT,
            env=environ,
            stdin=line,
            stdout=line,
            stderr=line,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(line)
        said = await _read_until(terminal, "This will")
        os.write(terminal, b"\x03")
        assert await asyncio.wait_for(command.wait(), 5) == Exit.USAGE
        said += await _read_until(terminal, "nothing was asked")
        os.close(terminal)
        assert "not confirmed; nothing was asked" in said
        control = await given.stores[AWS].read("payments")
        assert control is not None and control.requests == () and control.posture.writer == AZURE


def _own_terminal() -> None:
    """Ctrl-C on a terminal reaches those whose own it is."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


async def _read_until(terminal: int, word: str) -> str:
    """What the terminal shows up to this word; fails after ten seconds."""
    shown = ""
    os.set_blocking(terminal, False)
    async with asyncio.timeout(10):
        while word not in shown:
            with suppress(BlockingIOError):
                shown += os.read(terminal, 4096).decode()
            await asyncio.sleep(0.02)
    return shown
