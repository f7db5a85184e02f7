"""One request is one request: what is not answered is not sent again behind its caller's back."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from controller.errors import Transient
from controller.providers.gcp.identity import static
from controller.providers.gcp.session import Api, Client, end_of

LAST = b"LAST"
"""What the test itself sends at the end: whoever came before has been taken by then."""


@dataclass
class Silent:
    """A server that takes requests, and closes the connection or keeps it open without a word."""

    listener: socket.socket
    closes: bool
    asked: list[bytes] = field(default_factory=list)
    takers: list[threading.Thread] = field(default_factory=list)

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                taker = threading.Thread(target=self._take, args=(connection,), daemon=True)
                self.takers.append(taker)
                taker.start()

    def _take(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while found := connection.recv(65536):
                self.asked.append(found)
                if found == LAST:
                    connection.sendall(LAST)
                if self.closes:
                    return

    def methods(self) -> list[bytes]:
        """Of all requests that came, once whoever sent them is gone."""
        with socket.create_connection(self.listener.getsockname(), timeout=5) as connection:
            connection.sendall(LAST)
            assert connection.recv(len(LAST)) == LAST
        for taker in self.takers:
            taker.join(5)
            assert not taker.is_alive()
        return [one.split(b" ", 1)[0] for one in self.asked if one != LAST]


@pytest.fixture(params=[True, False], ids=["closes", "hangs"])
def silent(request: pytest.FixtureRequest) -> Iterator[Silent]:
    """One that runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Silent(listener, request.param)
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


async def test_a_change_without_an_answer_is_sent_once(silent: Silent) -> None:
    """httplib2 sends again what a closed connection did not answer, a promotion as well as a question: after the deadline, when somebody
    may have asked for something else, it would arrive last and stand."""
    url = f"http://127.0.0.1:{silent.listener.getsockname()[1]}"
    # Made beforehand: reading the vendor's description inside the deadline would leave a busy machine no time to send anything.
    made = Client("sqladmin", "v1", endpoint=url, credentials=static(token="lab", endpoint_url=url))
    api = Api(lambda: made)

    def promote(sql: Any) -> Any:
        return sql.instances().promoteReplica(project="p", instance="i")

    with pytest.raises(Transient):
        await api.ask("instances.promoteReplica", promote, end_of(timedelta(seconds=1)), lambda answer: answer)
    for sending in [thread for thread in threading.enumerate() if thread.name == "instances.promoteReplica"]:
        await asyncio.to_thread(sending.join, 5)
        assert not sending.is_alive()
    assert await asyncio.to_thread(silent.methods) == [b"POST"]
