"""Requests as ASGI has them, without a server, and a clock that tests move."""

from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

WALL = 1_790_000_000 * 10**9
"""Nanoseconds since 1970 at which the tests take place."""


@dataclass
class Clock:
    """Nanoseconds that pass when they are told to."""

    now: int = 5 * 10**9

    def steady(self) -> int:
        """Never goes back."""
        return self.now

    def wall(self) -> int:
        """The same, since 1970."""
        return WALL + self.now

    def passes(self, milliseconds: float) -> None:
        """Let time pass."""
        self.now += int(milliseconds * 10**6)


@dataclass
class Answer:
    """What a client gets."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def scope_of(path: str, method: str = "GET", headers: "dict[str, str] | None" = None) -> Scope:
    """The scope of one request."""
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw,
        "http_version": "1.1", "scheme": "http", "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip


async def ask(app: ASGIApp, path: str, method: str = "GET", headers: "dict[str, str] | None" = None, body: bytes = b"") -> Answer:
    """Ask once. Raises what the application raises."""
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope_of(path, method, headers), receive, send)
    return answer
