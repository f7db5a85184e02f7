"""One site of the lab: its database server, etcd member, payments service, edge and controller, started, frozen and killed together."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import processes
from lab.authorities import CREDENTIALS
from lab.etcd import EtcdCluster
from lab.founding import Passwords
from lab.haproxy import Edge
from lab.postgres import PostgresServer
from lab.processes import Supervised, launch
from lab.site_settings import SERVICE
from lab.workspace import Workspace, python_environment


@dataclass(slots=True, kw_only=True)
class Site:
    """Everything that dies when this cloud dies."""

    name: str
    workspace: Workspace
    server: PostgresServer
    etcd: EtcdCluster
    edge: Edge
    passwords: Passwords = field(repr=False)
    service: Supervised | None = None
    controller: Supervised | None = None

    @property
    def settings(self) -> Path:
        """Directory of this site's settings files."""
        return self.workspace.directory("settings", self.name)

    def processes(self) -> tuple[Supervised, ...]:
        """Every process of the site that was ever started and is the present one of its kind."""
        servers = (self.server.process, *self.etcd.processes(self.name), *self.edge.processes())
        present = (*servers, self.service, self.controller)
        return tuple(process for process in present if process is not None)

    def write(self, service: str, controller: str) -> None:
        """Keep the settings of the site's programs."""
        (self.settings / "service.toml").write_text(service)
        (self.settings / "controller.toml").write_text(controller)

    def start_service(self) -> None:
        """Start the payments service unless it runs."""
        if self.service is None or not self.service.alive:
            secret = {"PAYMENTS_APP_PASSWORD": self.passwords.app}
            self.service = self._launch(SERVICE, "workload.payments", "--settings", self.settings / "service.toml", secret=secret)

    def start_controller(self) -> None:
        """Start the controller unless it runs."""
        if self.controller is None or not self.controller.alive:
            name = SERVICE.upper()
            secret = {
                f"TRIMARAN_{name}_CONTROL_PASSWORD": self.passwords.control,
                f"TRIMARAN_{name}_STREAM_PASSWORD": self.passwords.stream,
                **CREDENTIALS,
            }
            settings = self.settings / "controller.toml"
            self.controller = self._launch("controller", "controller", "run", "--settings", settings, secret=secret)

    async def start(self) -> None:
        """Start whatever of a killed site does not run, all at once, as after a power cut. The links must carry again."""
        self.edge.start()
        self.start_service()
        self.start_controller()
        await asyncio.gather(self.server.start(), self.etcd.rejoin(self.name))

    def freeze(self) -> None:
        """Stop every process of the site where it stands."""
        processes.freeze(*self.processes())

    def thaw(self) -> None:
        """Let them go on."""
        processes.thaw(*self.processes())

    def kill(self) -> None:
        """Kill every process of the site, all stopped before the first dies. Cut the site's links before."""
        processes.kill(*self.processes())

    def _launch(self, label: str, module: str, *arguments: str | Path, secret: Mapping[str, str]) -> Supervised:
        """A program of the site finds its secrets in the environment, and none of the clouds' settings of the person who runs the
        lab: a profile there would send the controller to a real account."""
        clean = {name: value for name, value in python_environment().items() if not name.startswith(("AWS_", "PG"))}
        command = [sys.executable, "-m", module, *arguments]
        return launch(self.workspace, f"{label}-{self.name}", command, environment={**clean, **secret})
