"""Steers the network between the sites: who reaches whom, how slowly, and not at all."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from lab.addresses import LOCAL
from lab.errors import LabError
from lab.processes import Supervised, launch_module
from lab.workspace import Workspace

ONE_WAY = timedelta(milliseconds=12.5)
"""25 ms round trip, the lab's default."""

ANSWER = timedelta(seconds=5)
"""How long the link process may take to obey."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One way in: connections to `listen` reach `target`, as if they came from `source` to `destination`."""

    source: str | None
    """None: the socket table says which site's process connected (etcd members all dial one address); see `Links.own`."""
    destination: str
    kind: str
    """What is reached: `postgres`, `etcd`, `http`; with source and destination it names the relay."""
    listen: int
    target: int


class Links:
    """All links of one lab, carried by one process. Sites are names; `clients` is one too."""

    def __init__(self, *, workspace: Workspace, control: int, process: Supervised, relays: Sequence[Relay]) -> None:
        self.process = process
        self._workspace, self._control = workspace, control
        self._relays = list(relays)
        self._severed: set[tuple[str, str]] = set()
        self._isolated: set[str] = set()
        self._deaf: set[str] = set()
        self._mute: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._applying, self._talking = asyncio.Lock(), asyncio.Lock()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    async def start(
        cls, workspace: Workspace, relays: Iterable[Relay] = (), *, delay: timedelta = ONE_WAY, label: str = "links"
    ) -> "Links":
        """Start the process and wait until it relays. Raises LabError with its log when it does not within 10 s."""
        laid, control = tuple(relays), workspace.port()
        settings = workspace.directory("settings") / f"{label}.json"
        wanted = {"control": control, "delay": delay.total_seconds(), "relays": [asdict(relay) for relay in laid]}
        settings.write_text(json.dumps(wanted))
        process = launch_module(workspace, label, "lab.link", "--settings", settings)
        links = cls(workspace=workspace, control=control, process=process, relays=laid)
        for _ in range(500):
            with suppress(OSError):
                links._stream = await links._connect()
                return links
            if not process.alive:
                break
            await asyncio.sleep(0.02)
        raise LabError(f"the links did not start: {process.tail()}")

    async def lay(self, destination: str, kind: str, target: int, *, source: str | None) -> int:
        """Open one more way in and answer the port to connect to."""
        relay = Relay(source=source, destination=destination, kind=kind, listen=self._workspace.port(), target=target)
        await self._tell({"lay": [asdict(relay)]})
        self._relays.append(relay)
        await self._apply()
        return relay.listen

    def port(self, source: str | None, destination: str, kind: str) -> int:
        """Where a process of `source` connects to reach `kind` at `destination`. Raises LabError when none is laid."""
        for relay in self._relays:
            if (relay.source, relay.destination, relay.kind) == (source, destination, kind):
                return relay.listen
        raise LabError(f"no link from {source} to {kind} at {destination} was laid")

    async def own(self, pids: Mapping[str, Iterable[int]]) -> None:
        """Say which processes belong to which site, for relays without a fixed source. Call again after a restart."""
        await self._tell({"own": {site: list(members) for site, members in pids.items()}})

    async def cut(self, source: str, destination: str) -> None:
        """Hold everything from `source` to `destination`; the way back stays open. New connections hang, either way round."""
        self._severed.add((source, destination))
        await self._apply()

    async def heal(self, source: str, destination: str) -> None:
        """Undo `cut`. A pair whose site is isolated stays cut."""
        self._severed.discard((source, destination))
        await self._apply()

    async def isolate(self, site: str) -> None:
        """Make a site a black hole: every pair that touches it, both ways, from other sites and from clients, in one command."""
        self._isolated.add(site)
        await self._apply()

    async def rejoin(self, site: str) -> None:
        """Undo `isolate`; pairs that were cut one by one, or for what happened to the other site, stay cut."""
        self._isolated.discard(site)
        await self._apply()

    async def deafen(self, site: str) -> None:
        """Hold everything on its way to this site; what it sends goes out, and new connections hang either way round."""
        self._deaf.add(site)
        await self._apply()

    async def mute(self, site: str) -> None:
        """Hold everything that this site sends; what others send comes in, and new connections hang either way round."""
        self._mute.add(site)
        await self._apply()

    async def unstop(self, site: str) -> None:
        """Undo `deafen` and `mute`; pairs that are cut for another reason stay cut."""
        self._deaf.discard(site)
        self._mute.discard(site)
        await self._apply()

    async def slow(self, site: str, *, delay: timedelta | None = None, jitter: timedelta, loss: float) -> None:
        """Have every pair that touches a site, both ways, take up to `jitter` longer and deliver this share of chunks late, in order.

        `slow(site, jitter=timedelta(0), loss=0)` undoes it; `delay` stays as it is unless given.
        """
        shaped = {"jitter": jitter.total_seconds(), "loss": loss, **({} if delay is None else {"delay": delay.total_seconds()})}
        pairs = [pair for pair in self._pairs() if site in pair]
        await self._tell({"set": [{"source": source, "destination": destination, **shaped} for source, destination in pairs]})

    async def stats(self) -> dict[str, Any]:
        """Chunks, bytes, connections, bytes held, processor seconds, and every pair as it is."""
        return await self._tell({"stats": True})

    async def stop(self) -> None:
        """End the process; every connection through it breaks."""
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None
        await self.process.stop()

    def _pairs(self) -> set[tuple[str, str]]:
        """Every directed pair that a relay can carry; a relay without a source carries from every place a relay leads to."""
        places = {relay.destination for relay in self._relays}
        joined = {
            (source, relay.destination)
            for relay in self._relays
            for source in ([relay.source] if relay.source is not None else places)
            if source != relay.destination
        }
        return joined | {(destination, source) for source, destination in joined}

    def _stopped(self, source: str, destination: str) -> bool:
        """Does something that happened to a whole site keep this direction from carrying?"""
        return bool(self._isolated & {source, destination}) or source in self._mute or destination in self._deaf

    async def _apply(self) -> None:
        """Tell the process which pairs are cut; only those whose state changed."""
        async with self._applying:
            stopped = {pair for pair in self._pairs() if self._stopped(*pair)}
            cut = self._severed | stopped
            changes = [(pair, True) for pair in cut - self._told] + [(pair, False) for pair in self._told - cut]
            if changes:
                await self._tell({"set": [{"source": pair[0], "destination": pair[1], "cut": held} for pair, held in changes]})
            self._told = cut

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(LOCAL, self._control, limit=1 << 20)

    async def _tell(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """One command, one answer. Raises LabError when the process refuses, is gone or does not answer in time."""
        async with self._talking:
            try:
                async with asyncio.timeout(ANSWER.total_seconds()):
                    reader, writer = self._stream or await self._connect()
                    self._stream = None  # A caller cancelled half-way must not leave its answer for the next one to read.
                    writer.write(json.dumps(command).encode() + b"\n")
                    await writer.drain()
                    answer: dict[str, Any] = json.loads(await reader.readline())
                    self._stream = (reader, writer)
            except (OSError, TimeoutError, ValueError) as error:
                raise LabError(f"the links do not answer ({type(error).__name__}): {self.process.tail()}") from error
        if "error" in answer:
            raise LabError(f"the links refused {sorted(command)}: {answer['error']}")
        return answer
