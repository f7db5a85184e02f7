"""One site's edge in the lab: HAProxy, and the agent beside it, each started again by itself."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import haproxy
from edge.settings import read_settings
from lab.binaries import HaproxyBinary
from lab.cabling import SITES, Cabling
from lab.edge_identity import AUTHORITY, CERTIFICATE, CONFIGURATION, Identity, issue
from lab.fleet import FLEET
from lab.postgres import CLEAN
from lab.processes import Supervised, launch
from lab.site_settings import edge_settings
from lab.workspace import Workspace, python_environment


@dataclass(slots=True, kw_only=True)
class Edge:
    """Everything in front of one site's services."""

    site: str
    workspace: Workspace
    binary: HaproxyBinary
    settings: Path
    """The agent's settings file, from which HAProxy's configuration is written too."""
    proxy: Supervised | None = None
    agent: Supervised | None = None

    def processes(self) -> tuple[Supervised, ...]:
        """Both, as far as they were ever started."""
        return tuple(process for process in (self.proxy, self.agent) if process is not None)

    def prepare(self, identity: Identity, papers: Mapping[str, bytes] | None = None) -> None:
        """Write what HAProxy is started with, for its account only: `papers`, by file name, beside its identity. The settings file stands
        already. Raises SettingsError."""
        place, account = edge_place(self.workspace, self.site), self.binary.account
        configuration = haproxy.render(read_settings(self.settings)).encode()
        own = {CERTIFICATE: identity.certificate, AUTHORITY: identity.authority, CONFIGURATION: configuration}
        files = {place / name: content for name, content in (own | dict(papers or {})).items()}
        for path, content in files.items():
            _write(path, content)
        if account is not None:
            for path in (place, *files):
                os.chown(path, account.uid, account.gid)

    def write(self, settings: str, identity: Identity, papers: Mapping[str, bytes] | None = None) -> None:
        """Keep the settings, and make everything ready that HAProxy is started with; `papers` as for `prepare`."""
        self.settings.write_text(settings)
        self.prepare(identity, papers)

    def start(self) -> None:
        """Start whatever of both does not run."""
        self.start_proxy()
        self.start_agent()

    def start_proxy(self) -> None:
        """Start HAProxy unless it runs; `-db`: in the foreground, one process."""
        if self.proxy is None or not self.proxy.alive:
            place = edge_place(self.workspace, self.site)
            command: list[str | Path] = [self.binary.path, "-db", "-f", place / CONFIGURATION]
            label = f"haproxy-{self.site}"
            self.proxy = launch(self.workspace, label, command, environment=CLEAN, account=self.binary.account)

    def start_agent(self) -> None:
        """Start the agent unless it runs."""
        if self.agent is None or not self.agent.alive:
            command: list[str | Path] = [sys.executable, "-m", "edge", "--settings", self.settings]
            self.agent = launch(self.workspace, f"edge-agent-{self.site}", command, environment=python_environment())


def prepare_edges(
    workspace: Workspace,
    cabling: Cabling,
    binary: HaproxyBinary,
    papers: Mapping[str, Mapping[str, bytes]] | None = None,
    services: Sequence[str] = FLEET,
) -> Mapping[str, Edge]:
    """Every site's edge, ready to start, with identities of one new authority; `papers`: further files by site; `services`: those that
    there are."""
    edges = {
        site: Edge(site=site, workspace=workspace, binary=binary, settings=workspace.directory("settings", site) / "edge.toml")
        for site in SITES
    }
    for site, identity in issue(SITES).items():
        edges[site].write(edge_settings(cabling, site, edge_place(workspace, site), services), identity, (papers or {}).get(site))
    return edges


def edge_place(workspace: Workspace, site: str) -> Path:
    """The directory of one edge's own files."""
    return workspace.directory("edge", site)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as opened:
        opened.write(content)
