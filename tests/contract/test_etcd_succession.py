"""Real members of etcd, whose authority is replaced: step by step they go on speaking with each other, in one step they do not."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.boot.asking import NotYet, asker
from controller.issuing.archive import Archive, Issuer
from controller.issuing.authority import Subject, joined
from controller.issuing.succession import Stage
from controller.manifest.etcd import MEMBER, Member, Papers, arguments
from tests.contract.conftest import HOST, etcd_program, free_ports

pytestmark = [pytest.mark.timeout(180)]

NAMES = ("aws", "azure", "gcp")
PATIENCE = timedelta(seconds=30)
"""For three members to find each other on a busy machine."""
APART = timedelta(seconds=5)
"""Many elections: who has not found the others by then does not."""


@dataclass(kw_only=True)
class Node:
    """One member, its papers, and its process while there is one."""

    member: Member
    folder: Path
    metrics: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def shows(self, archive: Archive) -> None:
        """A new certificate, of who issues now."""
        subject = Subject(called=MEMBER, addresses=(IPv4Address(HOST),))
        papers = archive.authority(Issuer.ETCD).issue(subject, now=datetime.now(UTC), life=timedelta(days=1))
        (self.folder / "identity.pem").write_bytes(papers.certificate)

    def believes(self, archive: Archive) -> None:
        """Those who are believed now."""
        (self.folder / "authority.pem").write_bytes(joined(one.pem for one in archive.believed(Issuer.ETCD)))

    def start(self) -> None:
        """Anew, when it runs."""
        self.end()
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen([etcd_program(), *arguments(self.member)], stdout=log, stderr=log))

    def end(self) -> None:
        """By its own process."""
        for process in self.processes:
            process.kill()
            process.wait(10)
        self.processes.clear()

    def is_well(self) -> bool:
        """Does it reach a majority?"""
        with suppress(NotYet):
            return b'"health":"true"' in asker(patience=2)(f"{self.metrics}/health", {})
        return False


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Whose authority it is."""
    return Archive(tmp_path / "archive", "example.com", lambda: datetime.now(UTC))


@pytest.fixture
def nodes(tmp_path: Path, archive: Archive) -> Iterator[tuple[Node, ...]]:
    """Three of them, as units start them, which have found each other."""
    ports = iter(free_ports(9))
    client, peer, told = ({name: f"https://{HOST}:{next(ports)}" for name in NAMES} for _ in range(3))
    made = []
    for name in NAMES:
        folder, metrics = tmp_path / name, told[name].replace("https", "http")
        folder.mkdir()
        member = Member(
            name=name,
            data=folder / "data",
            cluster="succession",
            peers=peer,
            clients=(client[name],),
            peer=peer[name],
            papers=Papers(identity=folder / "identity.pem", authority=folder / "authority.pem"),
            metrics=metrics,
        )
        made.append(Node(member=member, folder=folder, metrics=metrics))
    try:
        for node in made:
            node.shows(archive)
            node.believes(archive)
            node.start()
        all_well(tuple(made))
        yield tuple(made)
    finally:
        for node in made:
            node.end()


def all_well(nodes: tuple[Node, ...]) -> None:
    """Return when they are."""
    until = time.monotonic() + PATIENCE.total_seconds()
    while not all(node.is_well() for node in nodes):
        if time.monotonic() > until:
            pytest.fail(str({node.member.name: (node.folder / "log").read_text()[-600:] for node in nodes}))
        time.sleep(0.1)  # servers in other processes do not say when they have found each other


def test_members_never_part_while_their_authority_is_replaced(nodes: tuple[Node, ...], archive: Archive) -> None:
    """All have new papers first, then one after the other is started anew; after each of them all three are well."""
    before = archive.authority(Issuer.ETCD).fingerprint
    for stage in (Stage.TRUST, Stage.ISSUE, Stage.FORGET):
        archive.enter(Issuer.ETCD, stage)
        for node in nodes:
            if stage is Stage.ISSUE:
                node.shows(archive)
            else:
                node.believes(archive)
        all_well(nodes)
        for node in nodes:
            node.start()
            all_well(nodes)
    archive.settle(Issuer.ETCD)
    assert archive.authority(Issuer.ETCD).fingerprint != before


def test_in_one_step_the_first_that_is_started_is_alone(nodes: tuple[Node, ...], archive: Archive) -> None:
    """It shows what the others do not believe, and believes nobody else."""
    for stage in (Stage.TRUST, Stage.ISSUE, Stage.FORGET):
        archive.enter(Issuer.ETCD, stage)
    first = nodes[0]
    first.shows(archive)
    first.believes(archive)
    first.start()
    until = time.monotonic() + APART.total_seconds()
    while time.monotonic() < until:
        assert not first.is_well()
        time.sleep(0.2)  # it goes on trying
