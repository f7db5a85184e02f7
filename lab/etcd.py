"""The three etcd members, one per site, talking to one another through the links."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from controller.manifest.etcd import HISTORY, Member, arguments
from lab.addresses import LOCAL
from lab.binaries import EtcdBinary
from lab.errors import LabError
from lab.etcd_gateway import Gateway, NoAnswerError, Status
from lab.links import Links
from lab.processes import Supervised, kill, launch
from lab.workspace import Workspace

PEER_KIND = "etcd-peer"
ASK = timedelta(seconds=1)
LOOK = 0.05

STAGGER = 0.15
"""Seconds between the first starts of two members. One that starts asks the others who they are and waits a second for each that
listens but does not serve yet: started at once, three need 2.3 s until they have a leader; one after the other, 0.6 s."""


@dataclass(slots=True, kw_only=True)
class EtcdMember:
    """One member. `peer_url` is what the others dial: a relay that learns from the socket table who is calling."""

    site: str
    client_port: int
    peer_port: int
    peer_url: str
    data: Path
    process: Supervised | None = None

    @property
    def gateway(self) -> Gateway:
        """How the lab asks this member, from its own site."""
        return Gateway(self.client_port)

    @property
    def running(self) -> bool:
        """Has it been started and not ended (frozen counts as running)?"""
        return self.process is not None and self.process.alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What each member's own store holds at one revision."""

    revision: int
    digests: Mapping[str, str]

    @property
    def disagreeing(self) -> frozenset[str]:
        """Members that differ from the majority; all of them when there is none."""
        digest, count = Counter(self.digests.values()).most_common(1)[0]
        if count * 2 <= len(self.digests):
            return frozenset(self.digests)
        return frozenset(site for site, own in self.digests.items() if own != digest)


class EtcdCluster:
    """All members of one lab."""

    def __init__(self, workspace: Workspace, links: Links, binary: EtcdBinary, members: Iterable[EtcdMember]) -> None:
        self.members = {member.site: member for member in members}
        self.binary = binary
        self.history = HISTORY
        self._workspace, self._links = workspace, links

    @classmethod
    async def create(cls, workspace: Workspace, links: Links, binary: EtcdBinary, sites: Iterable[str]) -> "EtcdCluster":
        """Choose ports and lay the peers' links; nothing is started yet."""
        members = []
        for site in sites:
            peer_port = workspace.port()
            dialled = await links.lay(site, PEER_KIND, peer_port, source=None)
            data = workspace.directory("etcd") / site
            url = f"http://{LOCAL}:{dialled}"
            members.append(EtcdMember(site=site, client_port=workspace.port(), peer_port=peer_port, peer_url=url, data=data))
        return cls(workspace, links, binary, members)

    async def start(self, deadline: timedelta = timedelta(seconds=20)) -> None:
        """Start every member and return once they have a leader and all follow it. Raises LabError with the logs' tails."""
        for member in self.members.values():
            await self._launch(member, new=True)
            await asyncio.sleep(STAGGER)
        until = time.monotonic() + deadline.total_seconds()
        while not await self._agree():
            self._require_alive(until, "no leader was elected")
            await asyncio.sleep(LOOK)

    async def rejoin(self, site: str, deadline: timedelta = timedelta(seconds=30)) -> None:
        """Bring a killed member back and return once it has caught up with what the others had at the call.

        A sound etcd restarts on its own data. One that can lose data under SIGKILL is removed from the member list, added
        anew and starts empty: on its old data it could answer with less than it had confirmed. Heal its links first.
        Raises LabError when the others have no majority or it does not catch up by the deadline.
        """
        member = self.members[site]
        if member.running:
            return
        until = time.monotonic() + deadline.total_seconds()
        if not self.binary.keeps_data_when_killed:
            await self._replace(member, until)
            shutil.rmtree(member.data, ignore_errors=True)
        await self._launch(member, new=False)
        goal: int | None = None
        while True:
            try:
                goal = goal or await self._ask_others(site)
                if (await member.gateway.status(ASK)).revision >= goal:
                    return
            except NoAnswerError:
                pass
            self._require_alive(until, f"the member of {site} did not catch up")
            await asyncio.sleep(LOOK)

    async def lose(self) -> None:
        """Kill every member, throw every disk away, and start empty ones in their places, as a group that knows nothing."""
        lost = [member.process for member in self.members.values() if member.process is not None]
        for member in self.members.values():
            member.process = None  # before it ends: nobody ordered this of a site, and its supervisor would bring a member back
        kill(*lost)
        for member in self.members.values():
            shutil.rmtree(member.data, ignore_errors=True)
        await self.start()

    async def leader(self) -> str | None:
        """Site of the leader as the newest term knows it; None while there is none or nobody answers."""
        statuses = await self._statuses()
        if not statuses:
            return None
        newest = max(statuses.values(), key=lambda status: (status.term, status.leader != "0"))
        return next((site for site, status in statuses.items() if status.member == newest.leader), None)

    async def move_leader(self, to: str, deadline: timedelta = timedelta(seconds=10)) -> None:
        """Make this site's member the leader. Raises LabError when it is not by the deadline."""
        until = time.monotonic() + deadline.total_seconds()
        while (now := await self.leader()) != to:
            self._require_alive(until, f"leadership did not move to {to}")
            try:
                target = (await self.members[to].gateway.status(ASK)).member
                if now is not None:
                    await self.members[now].gateway.post("/v3/maintenance/transfer-leadership", {"targetID": target}, ASK)
            except NoAnswerError:
                pass
            await asyncio.sleep(LOOK)

    async def compare(self, deadline: timedelta = timedelta(seconds=15)) -> Comparison:
        """Read every member's own store at one revision. Raises LabError when a member cannot be read by the deadline."""
        until = time.monotonic() + deadline.total_seconds()
        revision: int | None = None
        digests: dict[str, str] = {}
        while True:
            try:
                if revision is None:
                    revision = await self._ask_others(None)
                for site in self.members.keys() - digests.keys():
                    left = timedelta(seconds=max(until - time.monotonic(), 0.05))
                    digests[site] = await self.members[site].gateway.digest(revision, left)
                return Comparison(revision=revision, digests=digests)
            except NoAnswerError as error:
                if time.monotonic() > until:
                    raise LabError(f"etcd's members could not be compared: {error}") from error
            await asyncio.sleep(LOOK)

    def processes(self, site: str) -> tuple[Supervised, ...]:
        """The site's member as something to freeze and kill together with the rest of the site."""
        process = self.members[site].process
        return () if process is None else (process,)

    async def _launch(self, member: EtcdMember, *, new: bool) -> None:
        started = Member(
            name=member.site,
            data=member.data,
            cluster=self._workspace.name,
            peers={other.site: other.peer_url for other in self.members.values()},
            clients=(f"http://{LOCAL}:{member.client_port}",),
            peer=f"http://{LOCAL}:{member.peer_port}",
            joins=not new,
            history=self.history,
        )
        command: list[str | Path] = [self.binary.path, *arguments(started)]
        member.process = launch(self._workspace, f"etcd-{member.site}", command)
        await self._links.own({member.site: [member.process.pid]})

    async def _replace(self, member: EtcdMember, until: float) -> None:
        """Let the living members forget the killed one and expect an empty one in its place."""
        others = [other for other in self.members.values() if other is not member and other.running]
        problem = "no other member runs"
        while time.monotonic() < until:
            for other in others:
                try:
                    await other.gateway.replace_member(member.peer_url, ASK)
                    return
                except NoAnswerError as error:
                    problem = str(error)
            await asyncio.sleep(LOOK * 4)
        raise LabError(f"the etcd member of {member.site} cannot rejoin: {problem}")

    async def _agree(self) -> bool:
        statuses = await self._statuses()
        leaders = {status.leader for status in statuses.values()}
        return len(statuses) == len(self.members) and len(leaders) == 1 and "0" not in leaders

    async def _statuses(self) -> dict[str, Status]:
        """Every member that answers within a second."""
        members = [member for member in self.members.values() if member.running]
        answers = await asyncio.gather(*(member.gateway.status(ASK) for member in members), return_exceptions=True)
        found: dict[str, Status] = {}
        for member, answer in zip(members, answers, strict=True):
            if isinstance(answer, Status):
                found[member.site] = answer
            elif not isinstance(answer, NoAnswerError):
                raise answer
        return found

    async def _ask_others(self, site: str | None) -> int:
        """The cluster's revision by any member but this one. Raises NoAnswerError when none of them has a majority behind it."""
        problem = NoAnswerError("no other member runs")
        for other in self.members.values():
            if other.site != site and other.running:
                try:
                    return await other.gateway.revision(ASK)
                except NoAnswerError as error:
                    problem = error
        raise problem

    def _require_alive(self, until: float, what: str) -> None:
        """Raises LabError past the deadline, with the last words of every member."""
        if time.monotonic() > until:
            tails = {site: member.process.tail(3) if member.process else "" for site, member in self.members.items()}
            raise LabError(f"etcd: {what} in time: {tails}")
