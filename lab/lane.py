"""One direction of one relayed connection: bytes come in, wait as long as the link is long, go out in order."""

import asyncio
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import cast

from lab.alarm import Alarm
from lab.pairs import Pair

WINDOW = 1 << 20
"""Bytes under way in one direction before the sender is held back: 80 MB/s at 12.5 ms, and a bound on memory."""


@dataclass(slots=True)
class Tally:
    """What a relay process has carried, for statistics."""

    chunks: int = 0
    bytes: int = 0


class Fin:
    """End of stream, travelling in order behind the bytes before it."""


class Reset:
    """The connection broke; travels like everything else, so a dead process's reset never leaks through a cut link."""


FIN, RESET = Fin(), Reset()


class End(asyncio.Protocol):
    """One socket of a relayed connection. What it reads goes into `outbound`; `inbound` writes to it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.outbound: Lane | None = None
        self.inbound: Lane | None = None
        self.finished = False
        """The peer has sent its end of stream."""
        self.closed_out = False
        """We have sent ours."""
        self.gone = False
        self.full = False
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but inheritance

    def data_received(self, data: bytes) -> None:
        if self.outbound is not None:
            self.outbound.put(data)

    def eof_received(self) -> bool:
        self.finished = True
        if self.outbound is not None:
            self.outbound.put(FIN)
        self._leave_when_done()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.gone = True
        self.ended.set()
        orderly = self.finished and self.closed_out
        if self.outbound is not None and not orderly:
            self.outbound.put(RESET)
        if self.inbound is not None:
            self.inbound.abandon()

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self.inbound is not None:
            self.inbound.resume()

    @property
    def leaving(self) -> bool:
        """Is this socket closed, or about to be?"""
        return self.gone or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send these bytes, unless there is nobody left to send to."""
        if not self.gone and not self.closed_out:
            self.transport.write(data)

    def finish(self) -> None:
        """Send the end of the stream."""
        if not self.gone and not self.closed_out:
            self.closed_out = True
            self.transport.write_eof()
            self._leave_when_done()

    def reset(self) -> None:
        """Break the connection, with a real RST."""
        if not self.gone:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.closed_out = self.finished = True
            self.transport.abort()

    def _leave_when_done(self) -> None:
        if self.finished and self.closed_out and not self.gone:
            self.transport.close()


class Lane:
    """Carries what `origin` reads to `sink`, one pair's travel time later. A queue in time, not a stop-and-wait."""

    def __init__(self, pair: Pair, origin: End, tally: Tally, alarm: Alarm) -> None:
        self.pair = pair
        self.origin = origin
        self.sink: End | None = None
        """None until the far side is connected."""
        self._tally, self._alarm = tally, alarm
        self._queue: deque[tuple[float, bytes | Fin | Reset]] = deque()
        self._pending = 0
        self._last = 0.0
        self._awaited = False
        """An alarm is set that will come back here."""
        self._throttled = False
        self._abandoned = False
        origin.outbound = self

    @property
    def held(self) -> int:
        """Bytes that have not been handed on yet."""
        return self._pending

    def put(self, item: bytes | Fin | Reset) -> None:
        """Take something that goes to the other side, after everything that was taken before it."""
        if self._abandoned:
            return
        self.pair.waiting.add(self)
        if isinstance(item, bytes):
            self._tally.chunks += 1
            self._tally.bytes += len(item)
            self._pending += len(item)
        self._last = max(self._last, time.monotonic() + self.pair.travel(random.random))
        self._queue.append((self._last, item))
        if self._pending > WINDOW and not self._throttled and not self.origin.leaving:
            self._throttled = True
            self.origin.transport.pause_reading()
        if not self._awaited:
            self._flush()

    def join(self, sink: End) -> None:
        """The far side is connected: what has arrived may be handed on."""
        self.sink = sink
        sink.inbound = self
        if sink.gone:
            self.abandon()
        else:
            self._flush()

    def resume(self) -> None:
        """The sink takes more."""
        if self._queue and not self._awaited:
            self._flush()

    def mended(self) -> None:
        """The link carries again: what was held sets out now and arrives one travel time later, in its order."""
        arrival = time.monotonic() + self.pair.travel(random.random)
        self._queue = deque((max(due, arrival), item) for due, item in self._queue)
        self._last = max(self._last, arrival)
        if not self._awaited:
            self._flush()

    def abandon(self) -> None:
        """Nobody is left to receive: forget what is under way and what comes."""
        self._abandoned = True
        self._queue.clear()
        self._pending = 0
        self.pair.waiting.discard(self)
        self._let_in()

    def _due(self) -> None:
        self._awaited = False
        self._flush()

    def _await_next(self) -> None:
        if self._queue:
            self._awaited = True
            self._alarm.at(self._queue[0][0], self._due)

    def _flush(self) -> None:
        """Hand on whatever has arrived by now; come back when the next chunk is due, the link is healed or the sink has room."""
        sink = self.sink
        if self.pair.cut or sink is None or sink.full:
            return
        now = time.monotonic()
        arrived: list[bytes] = []
        end: Fin | Reset | None = None
        while self._queue and end is None and self._queue[0][0] <= now:
            item = self._queue.popleft()[1]
            if isinstance(item, bytes):
                arrived.append(item)
                self._pending -= len(item)
            else:
                end = item
        if arrived:
            sink.write(arrived[0] if len(arrived) == 1 else b"".join(arrived))
        if self._throttled and self._pending < WINDOW // 2:
            self._let_in()
        if end is not None:
            self._conclude(sink, end)
        elif not sink.full:
            self._await_next()

    def _conclude(self, sink: End, end: Fin | Reset) -> None:
        if isinstance(end, Reset):
            sink.reset()
            self.abandon()
            return
        sink.finish()
        self._await_next()
        if not self._queue:
            self.pair.waiting.discard(self)

    def _let_in(self) -> None:
        if self._throttled:
            self._throttled = False
            if not self.origin.leaving:
                self.origin.transport.resume_reading()
