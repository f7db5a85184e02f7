"""One listener of a link and the connections it relays; a cut makes it a black hole rather than a refusal."""

import asyncio
import errno
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from lab.addresses import LOCAL
from lab.alarm import Alarm
from lab.lane import End, Lane, Tally
from lab.pairs import Pair, Pairs

BACKLOG = 512
FILLERS = 2
"""Connections that fill an accept queue of length 0: the kernel takes one and drops every SYN after it."""

Resolve = Callable[[int], Awaitable[str | None]]
"""Which site owns the socket bound to this local port; None when nobody known does."""


class Way:
    """Both directions between the two ends of one connection."""

    def __init__(self, out: Pair, back: Pair) -> None:
        self.out, self.back = out, back
        self._mended = asyncio.Event()

    @property
    def open(self) -> bool:
        """Can a handshake pass? It needs both directions."""
        return not (self.out.cut or self.back.cut)

    def mended(self) -> None:
        self._mended.set()

    async def handshake(self) -> bool:
        """Return once a SYN and its answer have travelled; answers whether they had to wait for a cut to heal."""
        await asyncio.sleep(self.out.travel(random.random) + self.back.travel(random.random))
        waited = False
        while not self.open:
            waited = True
            self._mended.clear()
            for pair in (self.out, self.back):
                pair.waiting.add(self)
            await self._mended.wait()
        for pair in (self.out, self.back):
            pair.waiting.discard(self)
        return waited


class Listener:
    """Accepts for one destination and kind, from one source or from whoever the socket table says."""

    def __init__(
        self, *, source: str | None, destination: str, port: int, target: int, pairs: Pairs, alarm: Alarm, resolve: Resolve
    ) -> None:
        self.source, self.destination, self.port, self.target = source, destination, port, target
        self.sources: frozenset[str] = frozenset() if source is None else frozenset({source})
        """Who may come in here; a relay without a fixed source learns it from `own` in the control protocol."""
        self.tally = Tally()
        self.connections: set[asyncio.Task[None]] = set()
        self.lanes: set[Lane] = set()
        self._pairs, self._alarm, self._resolve = pairs, alarm, resolve
        self._fillers: list[socket.socket] = []
        self._hole = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOCAL, port))
        self._socket.listen(BACKLOG)
        self._socket.settimeout(0)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _way(self, source: str) -> Way:
        return Way(self._pairs.get(source, self.destination), self._pairs.get(self.destination, source))

    def refresh(self) -> None:
        """Be a black hole exactly while nobody who may come in could complete a handshake."""
        hole = bool(self.sources) and not any(self._way(source).open for source in self.sources if source != self.destination)
        if hole and not self._hole:
            self._dig()
        elif self._hole and not hole:
            self._fill()

    def _dig(self) -> None:
        """Stop accepting and fill the queue: the kernel now drops SYNs, connecting hangs and is never refused, without root."""
        self._hole = True
        self._accept()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.listen(0)
        for _ in range(FILLERS):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.settimeout(0)
            with suppress(BlockingIOError):
                filler.connect((LOCAL, self.port))
            self._fillers.append(filler)

    def _fill(self) -> None:
        """Accept again. Whoever still knocks gets in with the next SYN its kernel sends."""
        self._hole = False
        ours = {filler.getsockname()[1] for filler in self._fillers}
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._socket.listen(BACKLOG)
        self._accept(ours)
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self, ours: frozenset[int] | set[int] = frozenset()) -> None:
        while True:
            try:
                accepted, peer = self._socket.accept()
            except OSError as error:
                if error.errno in (errno.ECONNABORTED, errno.EPROTO):
                    continue  # That one gave up in the queue; the next may not have.
                return
            if peer[1] in ours:
                accepted.close()
                continue
            accepted.settimeout(0)
            task = self._loop.create_task(self._carry(accepted, peer[1]))
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)

    async def _carry(self, accepted: socket.socket, port: int) -> None:
        """Bring one connection to its target; from then on the lanes carry it by themselves."""
        source = self.source or await self._resolve(port)
        if source is None:
            accepted.close()
            return
        way = self._way(source)
        near, far = End(), End()
        out = Lane(way.out, near, self.tally, self._alarm)
        try:
            await self._loop.connect_accepted_socket(lambda: near, accepted)
        except OSError:
            accepted.close()
            return
        waited = await way.handshake()
        if near.gone or (waited and near.finished):
            near.reset()  # Whoever knocked has given up meanwhile; the target never hears of it.
            out.abandon()
            return
        back = Lane(way.back, far, self.tally, self._alarm)
        back.join(near)
        try:
            await self._loop.create_connection(lambda: far, LOCAL, self.target)
        except OSError:
            near.reset()  # The machine is up and nothing listens there: the answer is a reset, and it has travelled already.
            out.abandon()
            return
        out.join(far)
        self.lanes.update((out, back))
        await asyncio.gather(near.ended.wait(), far.ended.wait())
        self.lanes.difference_update((out, back))
