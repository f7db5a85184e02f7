"""What has not been sent when its deadline is over is not sent any more: the office that gives credentials was slow, say."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from azure.core.credentials import AccessToken

from controller.core.model import Site
from controller.errors import Transient
from controller.ports import Capacity
from controller.providers.aws.capacity import Ecs
from controller.providers.aws.session import client as aws_client
from controller.providers.azure.capacity import ContainerApps
from controller.providers.azure.session import Arm, apps_client
from controller.providers.gcp.capacity import CloudRun
from controller.providers.gcp.identity import StaticCredentials
from controller.providers.gcp.session import Client
from lab.clouds.certificates import mint

PATIENCE = timedelta(seconds=0.2)


@dataclass
class Counting:
    """Counts who connects, and answers nobody."""

    listener: socket.socket
    connected: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    """Of the office that gives credentials: until then whoever needs some waits."""

    def url(self, scheme: str) -> str:
        """Where it is."""
        return f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connected += 1
                connection.close()


def ecs(server: Counting, authority: Path) -> Capacity:
    """boto3 signs with credentials that it has to wait for."""

    def session() -> boto3.session.Session:
        made = boto3.session.Session(aws_access_key_id="lab", aws_secret_access_key="lab")
        made.events.register("before-sign", lambda **_: server.open.wait(10))
        return made

    url = server.url("http")
    api = aws_client("ecs", region="us-east-1", endpoint_url=url, session=session)
    return Ecs(
        client=lambda: api,
        site=Site("aws"),
        cluster="c",
        read_deadline=PATIENCE,
    )


def container_apps(server: Counting, authority: Path) -> Capacity:
    """azure-core asks for a token."""

    class Office:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            server.open.wait(10)
            return AccessToken("lab", int(time.time()) + 3600)

    arm = Arm(subscription_id="s", endpoint_url=server.url("https"), authority_file=str(authority))
    api = apps_client(arm, Office())
    return ContainerApps(site=Site("azure"), client=lambda: api, resource_group="g", read_deadline=PATIENCE, apps={})


def cloud_run(server: Counting, authority: Path) -> Capacity:
    """google-auth has to wait for a token."""

    class Office(StaticCredentials):
        def before_request(self, _request: object, _method: str, url: str, headers: MutableMapping[str, str]) -> None:
            server.open.wait(10)
            super().before_request(_request, _method, url, headers)

    url = server.url("http")
    api = Client("run", "v2", endpoint=url, credentials=Office("lab"))
    return CloudRun(
        client=lambda: api,
        site=Site("gcp"),
        project="p",
        location="l",
        read_deadline=PATIENCE,
    )


@pytest.fixture
def server() -> Iterator[Counting]:
    """One that runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Counting(listener)
        threading.Thread(target=made.serve, daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("make", [ecs, container_apps, cloud_run])
async def test_nothing_is_sent_after_its_deadline(
    make: Callable[[Counting, Path], Capacity], server: Counting, tmp_path: Path
) -> None:
    """Everybody believes that it was given up. A change that went out all the same would arrive after what was asked for next, and stand:
    payers would be sent to the dead site again."""
    capacity, before = make(server, mint(tmp_path).authority), set(threading.enumerate())
    with pytest.raises(Transient):
        await capacity.floor("payments")
    (late,) = set(threading.enumerate()) - before
    server.open.set()
    await asyncio.to_thread(late.join, 10)
    assert not late.is_alive()
    assert server.connected == 0
