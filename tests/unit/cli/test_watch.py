"""`trimaran status --watch`: it goes on through everything, and ends with Ctrl-C and nothing else."""

import io
import json
import os
import re
import signal
import socket
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from controller.cli import app
from controller.cli.context import Context
from controller.cli.exits import Exit
from controller.cli.inquiry import Inquiry
from controller.cli.look import EVERY, keep_showing
from tests.unit.core.worlds import GCP
from tests.unit.room import Room, room


class Enough(Exception):
    """The test has seen what it wanted to see."""


class Audience:
    """Takes the place of the pause: keeps what was shown since the last one, and has the world move on."""

    def __init__(self, given: Room, controllers: dict[str, str]) -> None:
        self._given, self._controllers, self._out = given, controllers, io.StringIO()
        self.console = Console(file=self._out, force_terminal=True, width=160)
        self.screens: list[str] = []
        self.pauses: set[float] = set()

    async def pause(self, seconds: float) -> None:
        """Between two screens."""
        self.pauses.add(seconds)
        self.screens.append(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._out.getvalue()))
        self._out.seek(0)
        self._out.truncate()
        match len(self.screens):
            case 1:
                self._controllers |= self._given.urls()
            case 2:
                self._given.kill(GCP)
                await self._given.tick(30)
            case 3:
                for server in self._given.servers.values():
                    await server.close()
            case _:
                raise Enough


@pytest.mark.asyncio
async def test_every_screen_is_what_is_true_by_then() -> None:
    """Nobody answers at first; then all is well; then gcp fails; then nobody answers again. No screen ends it, the pause is the same."""
    async with room() as given:
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            controllers = {"mars": f"http://127.0.0.1:{closed.getsockname()[1]}"}
        audience = Audience(given, controllers)
        with pytest.raises(Enough):
            await keep_showing(
                Inquiry(Context(service="payments", controllers=controllers), given.http), audience.console, audience.pause
            )
    silent, well, failing, gone = audience.screens
    assert "no controller answers" in silent and "writes" not in silent
    assert "azure writes since" in well and "possible now: switchover to aws, switchover to gcp" in well
    assert "gcp/database failing" in failing and "no controller answers" not in failing
    assert "no controller answers" in gone and "writes" not in gone
    assert audience.pauses == {EVERY}


def test_ctrl_c_is_how_a_watch_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the middle of a question that nobody answers: at once, with exit 0 and no traceback."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def interrupt() -> None:
            asking, _ = listener.accept()
            with closing(asking):
                asking.recv(1)
                os.kill(os.getpid(), signal.SIGINT)
                while asking.recv(1 << 16):
                    pass

        path = tmp_path / "context.json"
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        path.write_text(json.dumps({"service": "payments", "controllers": {"aws": url}}))
        terminal = Thread(target=interrupt, daemon=True)
        terminal.start()
        status = app.run(["status", "--watch", "--context", str(path)], ())
        terminal.join(10)
    said = capsys.readouterr()
    assert (status, said.err, said.out.strip()) == (Exit.DONE, "", "asking ...")
