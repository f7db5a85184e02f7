"""Ends a connection of an emulated cloud as faults do."""

import socket
import struct
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def reset(environ: "WSGIEnvironment") -> NoReturn:
    """End the connection without an answer, and this request with it. Needs werkzeug's own server."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("by a fault rule")
