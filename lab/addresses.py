"""Free local ports that stay ours for as long as the lab lives."""

import socket
import sys
from contextlib import closing

LOCAL = "127.0.0.1"


class Addresses:
    """Hands out ports and keeps them from everybody else.

    A port that is merely "free right now" is a trap: a server is killed, an outgoing connection of some other process is
    given its port by the kernel, and the restart fails with "address in use" once in a thousand runs. On Linux a socket that
    is bound but does not listen keeps the port out of that lottery and still lets a server with SO_REUSEADDR (PostgreSQL,
    etcd, asyncio, uvicorn all set it) listen there. Elsewhere the port is let go at once.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """A TCP port on the loopback interface that nobody uses and nobody else will be given."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOCAL, 0))
        port = int(holder.getsockname()[1])
        if sys.platform == "linux":
            self._held.append(holder)
        else:
            holder.close()
        return port

    def release(self) -> None:
        """Give every port back."""
        while self._held:
            with closing(self._held.pop()):
                pass
