"""The operator API of one controller."""

from collections.abc import Mapping

from aiohttp import web

from controller.core.model import Site
from controller.loop import Loop
from controller.ports import Clock, Coordination


def build(*, site: Site, loops: Mapping[str, Loop], coordination: Coordination, clock: Clock) -> web.Application:
    """The application."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive", "site": site})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz)])
    return app
