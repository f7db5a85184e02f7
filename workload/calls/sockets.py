"""Sockets for aiohttp under uvloop, each of which is closed once.

1. A peer resets a TLS connection right after it was made. 2. uvloop (0.23) closes the descriptor, and only then takes note of the socket
object that it came from, which is never told. 3. A session to the database is opened, and has the same descriptor. 4. The object is
collected, and closes what is now the session's. Others may read and write there by then; or libuv finds one descriptor in two hands and
ends the process. Seen in the lab: 1,572 times in 4,500 resets. Sources: MagicStack/uvloop issues 653 and 738.
"""

import os
import socket

from aiohttp import AddrInfoType

_held: dict[int, "Held"] = {}
"""By descriptor. Whoever stands here is not collected; when its descriptor comes again, it was closed by somebody who did not say so."""


class Held(socket.socket):
    """A socket that nothing but `close` closes, and that only while its descriptor is still its own."""

    _inode = 0

    def close(self) -> None:
        """As any socket's; of one that somebody else has closed, nothing: its number is another's by then."""
        descriptor = self.fileno()
        if descriptor != -1 and not _is(descriptor, self._inode):
            self.detach()
            return
        super().close()
        if self.fileno() == -1:
            self._let_go(descriptor)

    def detach(self) -> int:
        """As any socket's."""
        descriptor = super().detach()
        self._let_go(descriptor)
        return descriptor

    def _let_go(self, descriptor: int) -> None:
        if _held.get(descriptor) is self:
            del _held[descriptor]


def make_socket(info: AddrInfoType) -> socket.socket:
    """The `socket_factory` of every aiohttp.TCPConnector under uvloop."""
    family, kind, protocol, _, _ = info
    made = Held(family, kind, protocol)
    made._inode = os.fstat(made.fileno()).st_ino
    stale = _held.pop(made.fileno(), None)
    if stale is not None:
        stale.detach()
    _held[made.fileno()] = made
    return made


def _is(descriptor: int, inode: int) -> bool:
    try:
        return os.fstat(descriptor).st_ino == inode
    except OSError:
        return False
