"""Errors as problem documents. Source: RFC 9457."""

import json

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from controller.errors import Denied, Transient, TrimaranError

OUTCOME_UNKNOWN = "outcome-unknown"
"""Kind of a problem after which the order may be carried out all the same; after every other one nothing was asked."""

log = structlog.get_logger()


class Problem(web.HTTPException):
    """An answer that is no success; raised anywhere in a handler."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        self.status_code = status
        document = {"type": f"/problems/{kind}", "title": kind.replace("-", " "), "status": status, "detail": detail}
        super().__init__(text=json.dumps(document), content_type="application/problem+json")


@web.middleware
async def described(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure leaves as a problem document; a defect of ours is logged with its traceback, and shown without it."""
    try:
        return await handler(request)
    except Problem:
        raise
    except web.HTTPException as error:
        raise Problem(error.status, "request", f"{request.method} {request.path}: {error.reason}") from error
    except (Transient, Denied) as error:
        raise Problem(503, "etcd-out-of-reach", f"etcd's majority did not answer: {error}") from error
    except TrimaranError as error:
        raise Problem(503, "not-possible-now", str(error)) from error
    except Exception as error:
        log.exception("request", path=request.path)
        raise Problem(500, "defect", f"this controller failed to answer: {type(error).__name__}") from error
