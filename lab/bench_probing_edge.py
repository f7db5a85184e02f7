"""Answers as every site's edge, and counts: what the edges are asked is known from the side that is asked.

`python -m lab.bench_probing_edge PORT...` listens on each port; `GET /count` answers how many other questions came since it began, and
how many other connections are open. It stands for HAProxy with the service behind it, whose own costs do not belong to watching.
"""

import asyncio
import sys
from typing import cast

import uvloop

from lab.addresses import LOCAL

END, COUNT = b"\r\n\r\n", b"GET /count "
WELL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Edge(asyncio.Protocol):
    """One connection."""

    asked = 0
    """Of all connections together."""
    connections = 0
    """Open now."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport, self._read = cast("asyncio.Transport", transport), b""
        Edge.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Count it no more."""
        Edge.connections -= 1

    def data_received(self, data: bytes) -> None:
        """Answer every whole question."""
        self._read += data
        while END in self._read:
            question, self._read = self._read.split(END, 1)
            if question.startswith(COUNT):
                self._transport.write(counted(Edge.asked, Edge.connections - 1))
                self._transport.close()
                return
            Edge.asked += 1
            self._transport.write(WELL)


def counted(asked: int, connections: int) -> bytes:
    """The answer to `/count`, whose own connection is not counted."""
    body = b'{"asked": %d, "connections": %d}' % (asked, connections)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(ports: list[int]) -> None:
    """Until ended."""
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(Edge, LOCAL, port, reuse_address=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
