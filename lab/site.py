"""One site of the lab: its database server, etcd member, edge and programs, started, frozen and killed together."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from controller.manifest.programs import arguments
from lab import processes
from lab.etcd import EtcdCluster
from lab.haproxy import Edge
from lab.postgres import PostgresServer
from lab.processes import Supervised, launch
from lab.workspace import Workspace, python_environment

CONTROLLER = "controller"

SKEWED = frozenset({"controller", "workload.payments"})
"""Modules that `lab.skewed` starts with a wrong wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of our own programs, as every site runs it; its settings lie in `NAME.toml`."""

    name: str
    module: str
    verb: tuple[str, ...] = ()
    """What comes before `--settings`."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Handed over by environment only."""


@dataclass(slots=True, kw_only=True)
class Site:
    """Everything that dies when this cloud dies."""

    name: str
    workspace: Workspace
    server: PostgresServer
    etcd: EtcdCluster
    edge: Edge
    programs: Mapping[str, Program]
    """By name: the controller and whatever it looks after."""
    running: dict[str, Supervised] = field(default_factory=dict)
    """The present process of every program that was ever started."""
    skew: timedelta = timedelta(0)
    """By how much the wall clock of its controller and its payments service is ahead."""

    packages: Path | None = None
    """Where its controller is imported from; None: this checkout."""

    @property
    def settings(self) -> Path:
        """Directory of this site's settings files."""
        return self.workspace.directory("settings", self.name)

    @property
    def controller(self) -> Supervised | None:
        """None before it was started."""
        return self.running.get(CONTROLLER)

    def processes(self) -> tuple[Supervised, ...]:
        """Every process of the site that was ever started and is the present one of its kind."""
        servers = (self.server.process, *self.etcd.processes(self.name), *self.edge.processes())
        return (*(process for process in servers if process is not None), *self.running.values())

    def write(self, program: str, settings: str) -> None:
        """Keep the settings of one program."""
        (self.settings / f"{program}.toml").write_text(settings)

    def amend(self, program: str, lines: str) -> None:
        """Add a table to the settings of one program."""
        with (self.settings / f"{program}.toml").open("a") as file:
            file.write(lines)

    def start_program(self, name: str) -> None:
        """Start one program unless it runs."""
        present = self.running.get(name)
        if present is None or not present.alive:
            self.running[name] = self._launch(self.programs[name])

    def start_services(self) -> None:
        """Start every program but the controller."""
        for name in self.programs:
            if name != CONTROLLER:
                self.start_program(name)

    def start_controller(self) -> None:
        """Start the controller unless it runs."""
        self.start_program(CONTROLLER)

    async def start(self) -> None:
        """Start whatever of a killed site does not run, all at once, as after a power cut. The links must carry again."""
        self.edge.start()
        self.start_services()
        self.start_controller()
        await asyncio.gather(self.server.start(), self.etcd.rejoin(self.name))

    def set_clock(self, skew: timedelta) -> None:
        """Start controller and payments service anew, with a wall clock that is ahead by so much: a running process cannot be told."""
        self.skew = skew
        for name, program in self.programs.items():
            if program.module in SKEWED and (present := self.running.get(name)) is not None:
                present.kill()
                self.start_program(name)

    def freeze(self) -> None:
        """Stop every process of the site where it stands."""
        processes.freeze(*self.processes())

    def thaw(self) -> None:
        """Let them go on."""
        processes.thaw(*self.processes())

    def kill(self) -> None:
        """Kill every process of the site, all stopped before the first dies. Cut the site's links before."""
        processes.kill(*self.processes())

    def black_out(self) -> None:
        """Stop every process of the site and kill all but etcd's member. Cut the site's links before."""
        members = self.etcd.processes(self.name)
        processes.freeze(*members)
        processes.kill(*(process for process in self.processes() if process not in members))

    def _launch(self, program: Program) -> Supervised:
        """A program of the site finds its secrets in the environment, and none of the clouds' settings of the person who runs the
        lab: a profile there would send the controller to a real account."""
        clean = {name: value for name, value in python_environment().items() if not name.startswith(("AWS_", "PG"))}
        if self.packages is not None and program.name == CONTROLLER:
            clean["PYTHONPATH"] = f"{self.packages}{os.pathsep}{clean['PYTHONPATH']}"
        settings = str(self.settings / f"{program.name}.toml")
        command = [sys.executable, *self._arguments(program, settings)]
        return launch(self.workspace, f"{program.name}-{self.name}", command, environment={**clean, **program.secrets})

    def _arguments(self, program: Program, settings: str) -> tuple[str, ...]:
        given = arguments(program.module, settings, *program.verb)
        if not self.skew or program.module not in SKEWED:
            return given
        return ("-m", "lab.skewed", f"{self.skew.total_seconds():g}", *given[1:])
