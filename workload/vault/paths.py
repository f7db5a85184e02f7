"""The outermost door: lets no request pass whose path is not one of ours, and says nothing about what it was.

`GET /v1/tokens/4111...` is a mistake that people make once. Without this the number stands in a trace, in a log of the edge's
neighbour, and in the problem document's `instance`, each of them kept for weeks. (The edge itself cannot be helped from here.)
"""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from workload.problems import Problem, render

_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_KNOWN = re.compile(
    rf"/v1/tokens(?:/{_ID}(?:/reveal|/subject)?)?|/v1/subjects/{_ID}|/v1/erasures/{_ID}|/healthz|/readyz|/metrics|/openapi\.json"
)


class Paths:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _KNOWN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        problem = Problem(status=404, kind="not-found", detail="there is nothing here; identifiers are UUIDs")
        await render(problem, "/")(scope, receive, send)
