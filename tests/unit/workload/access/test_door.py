"""Who stands behind a request: an edge's client, another service, or nobody."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.unit.workload.access.rooms import MINE, OTHERS, Room, ready, token
from workload.access.door import Door, caller_of
from workload.access.operations import Operation, Operations
from workload.access.peer import Peer

pytestmark = pytest.mark.asyncio

EDGE = Peer(names=frozenset({"trimaran://edge/aws"}), thumbprint=OTHERS)
VAULT = Peer(names=frozenset({"trimaran://service/vault"}), thumbprint=OTHERS)
SCREENING = Peer(names=frozenset({"trimaran://service/screening"}), thumbprint=MINE)
WRITE, READ = "payments:write", "payments:read"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """The application: says who asks."""
    path = scope["path"]
    if path == "/healthz":
        await JSONResponse({"open": "caller" in scope.get("state", {})})(scope, receive, send)
        return
    caller = caller_of(Request(scope))
    await JSONResponse({"subject": caller.subject, "scopes": sorted(caller.scopes)})(scope, receive, send)


class House:
    """A door with the application behind it."""

    def __init__(self, room: Room) -> None:
        self.kinds: list[str] = []
        self.door = Door(
            inside,
            room.verifier,
            operations=Operations(
                [
                    Operation(method="POST", path="/v1/payments", scope=WRITE),
                    Operation(method="GET", path="/v1/held", scope="review"),
                ]
            ),
            edges={"trimaran://edge/aws"},
            services={"trimaran://service/vault": [WRITE]},
            realm="payments",
            on_refusal=self.kinds.append,
        )

    async def ask(
        self, *headers: tuple[str, str], peer: Peer | None = EDGE, method: str = "POST", path: str = "/v1/payments"
    ) -> tuple[int, dict[str, Any]]:
        """One request; status and document of the answer."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "state": {"peer": peer},
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.door(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


def bearer(text: str) -> tuple[str, str]:
    """The header."""
    return "Authorization", f"Bearer {text}"


TOLD = ("Client-Cert-Thumbprint", MINE)


async def house() -> House:
    """A service with the issuer's keys."""
    return House(await ready(Room()))


async def test_an_edges_client_is_let_in_with_the_certificate_that_the_edge_tells_of() -> None:
    """And the application knows who asks."""
    status, said = await (await house()).ask(bearer(token()), TOLD)
    assert (status, said) == (200, {"subject": "merchant-1", "scopes": [READ, WRITE]})


@pytest.mark.parametrize("peer", [None, VAULT, Peer(names=frozenset({"trimaran://edge/gcp"}), thumbprint=OTHERS)])
async def test_nobody_else_is_believed_about_certificates(peer: Peer | None) -> None:
    """No TLS, another service, an edge of another site: the header says nothing, and a stolen token opens nothing."""
    given = await house()
    assert (await given.ask(bearer(token()), TOLD, peer=peer))[0] == 401
    assert given.kinds == ["wrong-certificate"]


async def test_who_speaks_directly_is_known_by_its_own_certificate() -> None:
    """A token bound to the certificate of this very connection."""
    assert (await (await house()).ask(bearer(token()), peer=SCREENING))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [(TOLD, TOLD), (("Client-Cert-Thumbprint", ""),), (("Client-Cert-Thumbprint", f"{MINE}, {MINE}"),), ()],
    ids=["twice", "empty", "two in one", "none"],
)
async def test_an_edge_tells_of_one_certificate_or_of_none(headers: tuple[tuple[str, str], ...]) -> None:
    """Whatever else arrives is no word of an edge."""
    given = await house()
    assert (await given.ask(bearer(token()), *headers))[0] == 401
    assert given.kinds == ["wrong-certificate"]


async def test_a_service_needs_no_token_for_what_it_was_granted() -> None:
    """Its certificate names it; for anything else it is refused by name."""
    given = await house()
    assert await given.ask(peer=VAULT) == (200, {"subject": "trimaran://service/vault", "scopes": [WRITE]})
    assert (await given.ask(peer=VAULT, method="GET", path="/v1/held"))[0] == 403


@pytest.mark.parametrize("peer", [None, EDGE, SCREENING], ids=["nobody", "an edge", "a service that was granted nothing"])
async def test_nobody_else_is_let_in_without_a_token(peer: Peer | None) -> None:
    """Least of all an edge, which speaks for everybody."""
    given = await house()
    assert (await given.ask(TOLD, peer=peer))[0] == 401
    assert given.kinds == ["no-token"]


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ((bearer("a"), bearer("b")), 400, "malformed-credentials"),
        ((("Authorization", "Bearer"),), 400, "malformed-credentials"),
        ((("Authorization", "Bearer a b"),), 400, "malformed-credentials"),
        ((("Authorization", "Basic YTpi"),), 401, "no-token"),
        ((bearer("a.b.c"),), 401, "unknown-token"),
    ],
)
async def test_what_is_no_bearer_token_is_refused(headers: tuple[tuple[str, str], ...], status: int, kind: str) -> None:
    """By the standard's own status."""
    given = await house()
    assert (await given.ask(*headers, TOLD))[0] == status
    assert given.kinds == [kind]


async def test_a_scope_that_was_not_granted_is_refused_by_name() -> None:
    """403, and which one is needed."""
    status, said = await (await house()).ask(bearer(token(scope=READ)), TOLD)
    assert status == 403 and WRITE in said["detail"] and said["type"].endswith("missing-scope")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/v1/payments"), ("GET", "/v1/forgotten"), ("GET", "/openapi.json")])
async def test_what_nobody_listed_nobody_may(method: str, path: str) -> None:
    """A route that was forgotten in the list is closed, also to a token with every scope."""
    everything = token(scope=f"{WRITE} {READ} review")
    status, said = await (await house()).ask(bearer(everything), TOLD, method=method, path=path)
    assert (status, said["detail"]) == (403, "no scope allows this method and path")


async def test_anybody_may_ask_whether_the_process_lives() -> None:
    """Without a token, and nobody is put into the scope."""
    assert await (await house()).ask(peer=None, method="GET", path="/healthz") == (200, {"open": False})


async def test_no_refusal_repeats_what_was_shown() -> None:
    """Tokens in answers end up in logs."""
    given, text = await house(), token(aud="vault")
    _, said = await given.ask(bearer(text), TOLD)
    assert said["type"].endswith("wrong-audience")
    assert not any(part in json.dumps(said) for part in (text, *text.split("."), MINE, "merchant-1", "till-7"))
