"""Asks an ASGI application without a network."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Any
    headers: dict[str, str]


async def ask(app: ASGIApp, method: str, target: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
    """One request, its body as JSON."""
    path, _, query = target.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    sent: list[MutableMapping[str, Any]] = []
    given = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    text = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    named = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(
        status=start["status"], body=json.loads(text) if "json" in named["content-type"] else text.decode(), headers=named
    )
