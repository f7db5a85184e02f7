"""What the emulated clouds that are WSGI applications share: JSON answers, connections that end as faults have it, the program itself."""

import json
import logging
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from lab.addresses import LOCAL
from lab.program import ENDS, read_settings, say_ready

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


class Served(BaseModel):
    """What every one of them needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65535)
    """On 127.0.0.1; 0: any free one, see the line printed."""


S = TypeVar("S", bound=Served)


def answer(value: object) -> Response:
    """A value as JSON, with status 200."""
    return Response(json.dumps(value), content_type="application/json; charset=UTF-8")


def reset(environ: "WSGIEnvironment") -> NoReturn:
    """End the connection without an answer, and this request with it. Needs werkzeug's own server."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("by a fault rule")


def serve(program: str, kind: type[S], build: Callable[[S], "WSGIApplication"]) -> None:
    """Serve on 127.0.0.1, each request in a thread of its own, until SIGTERM or SIGINT."""
    settings = read_settings(program, kind)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(LOCAL, settings.port, build(settings), threaded=True)
    for number in ENDS:
        signal.signal(number, lambda *_: sys.exit(0))
    say_ready(port=server.server_port)
    server.serve_forever()
