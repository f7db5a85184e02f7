"""The issuer of tokens as a process of the lab, outside of every site: services and clients have to do without it for hours."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab.addresses import LOCAL
from lab.errors import LabError
from lab.papers import Archive
from lab.processes import Supervised, launch_module
from lab.workspace import Workspace

STARTED = timedelta(seconds=30)
LOOK = 0.02


@dataclass(slots=True, kw_only=True)
class IssuerProcess:
    """It and its later selves: the same port, the same keys."""

    workspace: Workspace
    settings: Path
    port: int
    control_port: int
    """Of the lab's own routes, over http."""
    process: Supervised | None = None

    def processes(self) -> tuple[Supervised, ...]:
        """The present one, if it was ever started."""
        return () if self.process is None else (self.process,)

    async def start(self) -> None:
        """Start it unless it runs; returns when it can be asked. Raises LabError at the deadline."""
        if self.process is None or not self.process.alive:
            self.process = launch_module(self.workspace, "issuer", "lab.issuer", "--settings", self.settings)
        until = time.monotonic() + STARTED.total_seconds()
        while self.process.alive and time.monotonic() < until:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(LOCAL, self.control_port)
                writer.close()
                return
            await asyncio.sleep(LOOK)
        raise LabError(f"the issuer did not start: {self.process.tail(5)}")

    def kill(self) -> None:
        """From now on nobody gets a token or a key."""
        if self.process is not None:
            self.process.kill()


def prepare_issuer(workspace: Workspace, papers: Archive, port: int) -> IssuerProcess:
    """Ready to start at this port; knows every client."""
    control_port = workspace.port()
    settings = workspace.directory("settings") / "issuer.json"
    wanted = {
        "port": port,
        "control_port": control_port,
        "certificate": str(papers.issuer.certificate),
        "key": str(papers.issuer.key),
        "clients_authority": str(papers.clients),
        "signing_file": str(papers.issuer.key.with_name("signing.json")),
        "clients": {client: known.model_dump(exclude_none=True) for client, known in papers.registrations().items()},
    }
    settings.write_text(json.dumps(wanted))
    return IssuerProcess(workspace=workspace, settings=settings, port=port, control_port=control_port)
