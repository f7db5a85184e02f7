"""What an edge says about its client's certificate, before anything counts by it: believed from an edge, refused from everybody else."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.unit.workload.access.rooms import MINE, OTHERS
from workload.access.peer import Peer
from workload.access.told import Told

pytestmark = pytest.mark.asyncio

EDGE = Peer(names=frozenset({"trimaran://edge/aws"}), thumbprint=OTHERS)
FAR = Peer(names=frozenset({"trimaran://edge/gcp"}), thumbprint=OTHERS)
SCREENING = Peer(names=frozenset({"trimaran://service/screening"}), thumbprint=OTHERS)
HEADER = b"client-cert-thumbprint"


class Inside:
    """What stands behind: limits that count by the header."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.kinds: list[str] = []
        self.told = Told(self, edges={"trimaran://edge/aws"}, realm="payments", on_refusal=self.kinds.append)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)

    async def ask(self, peer: Peer | None, *values: bytes, path: str = "/v1/payments") -> int:
        """One request with these headers; the status of a refusal, or 0."""
        headers = [(b"host", b"x"), *((HEADER, value) for value in values)]
        self.scope: dict[str, Any] = {"type": "http", "path": path, "headers": headers, "state": {"peer": peer}}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing is read of a request that is refused")

        await self.told(self.scope, receive, send)
        return int(sent[0]["status"]) if sent else 0


async def test_what_the_own_edge_tells_is_passed_on() -> None:
    """As it was said."""
    inside = Inside()
    assert await inside.ask(EDGE, MINE.encode()) == 0
    assert [value for name, value in inside.scopes[0]["headers"] if name == HEADER] == [MINE.encode()]


@pytest.mark.parametrize("peer", [SCREENING, FAR, None], ids=["a service", "another site's edge", "no TLS"])
@pytest.mark.parametrize("path", ["/v1/payments", "/healthz"])
async def test_from_anybody_else_it_is_a_forgery(peer: Peer | None, path: str) -> None:
    """Refused before anybody counts by it: whoever may choose its name has no limit, and spends another client's."""
    inside = Inside()
    assert await inside.ask(peer, MINE.encode(), path=path) == 401
    assert (inside.scopes, inside.kinds) == ([], ["wrong-certificate"])


async def test_clients_without_a_certificate_are_one_client() -> None:
    """By an empty header in the scope that the outer layers hold too."""
    inside = Inside()
    assert await inside.ask(EDGE) == 0
    assert inside.scopes[0] is inside.scope and (HEADER, b"") in inside.scope["headers"]


async def test_who_tells_nothing_goes_on_as_it_came() -> None:
    """A service of the fleet that asks for itself."""
    inside = Inside()
    assert await inside.ask(SCREENING) == 0
    assert all(name != HEADER for name, _ in inside.scopes[0]["headers"])
