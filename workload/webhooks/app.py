"""HTTP of the dispatcher: for probes and people only; merchants never call it."""

import json
from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def build(*, metrics: Callable[[], bytes], situation: Callable[[], Mapping[str, object]]) -> Starlette:
    """The application. `situation` is what this process sees and whom it cannot reach."""

    async def process_lives(_: Request) -> Response:
        return _document({"status": "alive"})

    async def status(_: Request) -> Response:
        return _document(situation())

    async def numbers(_: Request) -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(routes=[Route("/healthz", process_lives), Route("/status", status), Route("/metrics", numbers)])


def _document(content: Mapping[str, object]) -> Response:
    return Response(json.dumps(content), media_type="application/json")
