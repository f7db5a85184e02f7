"""The fuzzing of services finds what it is there for: each way to leave the published document is noticed, by the check for it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.contract.openapi_services import screening_alone
from tests.contract.openapi_worlds import fuzz, published

Break = Callable[[ASGIApp], ASGIApp]


def answering(change: Callable[[Message, Message], None]) -> Break:
    """Every answer to a question about a score is changed on its way: its beginning and its body."""

    def around(app: ASGIApp) -> ASGIApp:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            begun: list[Message] = []

            async def hold_back(message: Message) -> None:
                begun.append(message)
                if message["type"] == "http.response.body":
                    change(begun[0], message)
                    length = (b"content-length", str(len(message["body"])).encode())
                    kept = [one for one in begun[0]["headers"] if one[0] != length[0]]
                    begun[0]["headers"] = [*kept, length]
                    for one in begun:
                        await send(one)

            await app(scope, receive, send if scope["path"] != "/v1/scores" else hold_back)

        return changed

    return around


def another_status(start: Message, body: Message) -> None:
    """A success that nobody was told of."""
    start["status"] = 203 if start["status"] == 200 else start["status"]


def another_field(start: Message, body: Message) -> None:
    """Beside the documented ones."""
    if start["status"] == 200:
        body["body"] = json.dumps({**json.loads(body["body"]), "weight": 1}).encode()


def no_header(start: Message, body: Message) -> None:
    """Without the site that answered."""
    start["headers"] = [one for one in start["headers"] if one[0].lower() != b"served-by"]


def another_kind(start: Message, body: Message) -> None:
    """A problem that the document does not know."""
    body["body"] = body["body"].replace(b":invalid-content", b":bad-luck")


def another_form(start: Message, body: Message) -> None:
    """No problem document."""
    start["headers"] = [(name, b"text/html" if name == b"content-type" else value) for name, value in start["headers"]]


def nothing_wrong(start: Message, body: Message) -> None:
    """What breaks the schema is judged all the same."""
    if start["status"] == 422:
        start["status"] = 200
        start["headers"] = [(b"content-type", b"application/json"), (b"served-by", b"aws")]
        body["body"] = b'{"score": 0, "reasons": [], "advice": "pass"}'


def broken_down(start: Message, body: Message) -> None:
    """A defect, told as the document says that defects are told."""
    if start["status"] == 200:
        start["status"] = 500
        start["headers"] = [(b"content-type", b"application/problem+json")]
        problem = {"type": "urn:trimaran:problem:defect", "title": "Defect", "status": 500, "detail": "-", "instance": "/"}
        body["body"] = json.dumps(problem).encode()


def not_understood(start: Message, body: Message) -> None:
    """What keeps to the schema is refused as if it did not."""
    if start["status"] == 200:
        start["status"] = 422
        start["headers"] = [(b"content-type", b"application/problem+json")]
        kind = "urn:trimaran:problem:invalid-content"
        body["body"] = json.dumps({"type": kind, "title": "-", "status": 422, "detail": "-", "instance": "/"}).encode()


def out_of_reach(start: Message, body: Message) -> None:
    """For no reason of the client's."""
    if start["status"] == 200:
        start["status"] = 503
        start["headers"] = [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]
        kind = "urn:trimaran:problem:overloaded"
        body["body"] = json.dumps({"type": kind, "title": "-", "status": 503, "detail": "-", "instance": "/"}).encode()


BREAKS: Mapping[Callable[[Message, Message], None], str] = {
    another_status: "Undocumented status code",
    another_field: "Response violates schema",
    no_header: "Missing required response headers",
    another_kind: "Response violates schema",
    another_form: "Undocumented Content-Type",
    nothing_wrong: "Schema-violating request accepted",
    broken_down: "Server error",
    out_of_reach: "only_short_deadlines_are_missed",
    not_understood: "what_the_document_allows_is_understood",
}


@pytest.mark.long
@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.__name__)
async def test_a_service_that_does_otherwise_is_found(change: Callable[[Message, Message], None], tmp_path: Path) -> None:
    """Each kind of deviation by the check that is there for it."""
    said = await fuzzed(answering(change), tmp_path)
    assert BREAKS[change] in said, said


async def test_an_open_door_is_found(tmp_path: Path) -> None:
    """Everybody is let in, with a token or without."""
    issuer_token: list[bytes] = []

    def opened(app: ASGIApp) -> ASGIApp:
        async def with_token(scope: Scope, receive: Receive, send: Send) -> None:
            shown = [one for one in scope["headers"] if one[0] == b"authorization"]
            issuer_token[:] = issuer_token or [value for _, value in shown]
            others = [one for one in scope["headers"] if one[0] != b"authorization"]
            await app({**scope, "headers": [*others, (b"authorization", issuer_token[0])]}, receive, send)

        return with_token

    assert "API accepts" in await fuzzed(opened, tmp_path)


async def fuzzed(broken: Break, folder: Path) -> str:
    """What is said of screening when it is broken so."""
    async with screening_alone(folder) as ready:
        app, document = broken(ready.app), published("screening")
        phases = ("examples", "fuzzing")
        found = await fuzz(app, document, ready.token, service="screening", port=ready.port, folder=folder, phases=phases)
    assert found.status == 1, found.said
    return found.said
