"""An API that sends a byte now and then: no read of an SDK times out and no answer ends. What becomes of the threads that wait."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from controller.core.model import Site
from controller.errors import ProviderError, Transient
from controller.ports import Capacity
from controller.providers.aws.capacity import Ecs
from controller.providers.aws.identity import static as aws_static
from controller.providers.aws.session import client as aws_client
from controller.providers.azure.capacity import ContainerApps
from controller.providers.azure.identity import StaticCredential
from controller.providers.azure.session import Arm, apps_client
from controller.providers.calls import Calls
from controller.providers.gcp.capacity import CloudRun
from controller.providers.gcp.identity import static as gcp_static
from controller.providers.gcp.session import Client
from lab.clouds.certificates import mint

PATIENCE = timedelta(milliseconds=300)
SOON = 2.0
"""Seconds in which a thread ends whose connection was closed."""
OPERATIONS = {"DescribeServices", "ContainerApps_Get", "services.get"}
"""Names of the threads that ask."""
DRIP = 0.1
"""Seconds between two bytes."""


@dataclass
class Dripping:
    """A server that begins an answer, or a handshake, and never ends it."""

    listener: socket.socket
    context: ssl.SSLContext | None
    ended: threading.Event
    asked: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            with self.context.wrap_socket(connection, server_side=True) if self.context else connection as stream:
                stream.recv(65536)
                self.asked += 1
                stream.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not self.ended.wait(DRIP):
                    stream.sendall(b"a")


def ecs(slow: Dripping, authority: Path) -> Capacity:
    """boto3 and urllib3."""
    session = aws_static(key="lab", secret="lab", endpoint_url=slow.url)
    client = partial(aws_client, "ecs", region="us-east-1", endpoint_url=slow.url, session=session)
    return Ecs(client=client, site=Site("aws"), cluster="c", read_deadline=PATIENCE)


def container_apps(slow: Dripping, authority: Path) -> Capacity:
    """azure-core, requests and TLS."""
    arm = Arm(subscription_id="s", endpoint_url=slow.url, authority_file=str(authority))
    api = apps_client(arm, StaticCredential("lab", endpoint_url=slow.url))  # importing it takes a good part of a second
    return ContainerApps(site=Site("azure"), client=lambda: api, resource_group="g", read_deadline=PATIENCE, apps={})


def cloud_run(slow: Dripping, authority: Path) -> Capacity:
    """google-api-python-client and httplib2."""
    credentials = gcp_static(token="lab", endpoint_url=slow.url)
    client = partial(Client, "run", "v2", endpoint=slow.url, credentials=credentials)
    return CloudRun(client=client, site=Site("gcp"), project="p", location="l", read_deadline=PATIENCE)


@pytest.fixture(params=[ecs, container_apps, cloud_run], ids=["aws", "azure", "gcp"])
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Capacity, Dripping]]:
    """Each cloud's adapter, and the server that it asks."""
    make: Callable[[Dripping, Path], Capacity] = request.param
    papers, context = mint(tmp_path), None
    if make is container_apps:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers.certificate, papers.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Dripping(listener, context, threading.Event())
        threading.Thread(target=server.serve, daemon=True).start()
        yield make(server, papers.authority), server
        server.ended.set()
        listener.shutdown(socket.SHUT_RDWR)


async def test_an_answer_that_never_ends_holds_no_thread(slow: tuple[Capacity, Dripping]) -> None:
    """More such answers than calls may be under way at once, and the next one is still sent: without closing their connections an API
    that has recovered would not be asked again before the last of them had ended, and its payers would be sent to a dead site."""
    capacity, server = slow
    await asyncio.gather(*(_late(capacity) for _ in range(Calls.LIMIT)))
    ends, asked = time.monotonic() + SOON, server.asked
    while waiting := [thread for thread in threading.enumerate() if thread.name in OPERATIONS]:
        assert time.monotonic() < ends, waiting
        await asyncio.sleep(0.05)
    assert "no answer within" in await _late(capacity)
    assert server.asked > asked


async def _late(capacity: Capacity) -> str:
    began = time.monotonic()
    try:
        await capacity.floor("payments")
    except Transient as error:
        assert time.monotonic() - began < PATIENCE.total_seconds() + 0.5
        return str(error)
    except ProviderError as error:
        raise AssertionError(error) from error
    raise AssertionError("there is no answer")
