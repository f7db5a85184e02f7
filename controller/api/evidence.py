"""What this controller has for an audit: public keys, signed heads, receipts, and its own site's copy of the journal."""

from collections.abc import Mapping

from aiohttp import web

from controller.api.problems import Problem
from controller.audit.archive import Archive

MOST = 1000
"""Texts in one page."""


def add(app: web.Application, archives: Mapping[str, Archive]) -> None:
    """The routes of it; everything of them only reads."""

    def of(request: web.Request) -> Archive:
        name = request.match_info["service"]
        if name not in archives:
            raise Problem(404, "unknown-service", f"no service {name}; there is {', '.join(sorted(archives))}")
        return archives[name]

    async def overview(request: web.Request) -> web.Response:
        """Whom it believes, and the branches of its copy."""
        archive = of(request)
        branches = {str(branch): last for branch, last in (await archive.branches()).items()}
        return web.json_response({**archive.said(), "branches": branches})

    async def page(request: web.Request) -> web.Response:
        """Texts of one kind behind a place."""
        kind, after, limit = request.match_info["kind"], request.query.get("after", ""), request.query.get("limit", "")
        try:
            following, texts = await of(request).page(kind, after, min(int(limit or MOST), MOST))
        except ValueError as error:
            raise Problem(400, "unreadable-request", f"{kind} after {after!r}: {error}") from error
        return web.json_response({"next": following, "texts": texts})

    service = "/v1/services/{service}/audit"
    app.add_routes([web.get(service, overview), web.get(f"{service}/{{kind}}", page)])
