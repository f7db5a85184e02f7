"""How long a plugin serves: until the engine ends it, or is gone itself.

An engine that is killed because it does not come to an end takes nobody with it: its plugins are in process groups of their own, and would
be there for ever.
"""

import os
import sys
from collections.abc import Callable
from concurrent import futures
from contextlib import suppress
from typing import Any

import grpc

THREADS = 16
MESSAGE = 64 * 1024 * 1024
"""Bytes of one message at most: a stack's whole state never comes near it."""
LOOKS = 5.0
"""Seconds between two looks at who has started it."""


def serve(add: Callable[[Any], None]) -> None:
    """What `add` puts on a server, at a port of this machine that is printed; until whoever started it ends it or is gone."""
    limits = (("grpc.max_receive_message_length", MESSAGE), ("grpc.max_send_message_length", MESSAGE))
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=limits)
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    _until_alone(server)


def _until_alone(server: Any) -> None:
    """Serve until then."""
    engine = os.getppid()
    with suppress(KeyboardInterrupt):
        while server.wait_for_termination(LOOKS) and os.getppid() == engine:
            continue
