"""How cardholders' requests travel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from lab.load import KEEP_ALIVE
from lab.load_payer import NoReplyError, Reply, Route
from lab.vault_load_answers import Request
from lab.vault_load_holder import Send


@asynccontextmanager
async def http_send() -> AsyncIterator[Send]:
    """Requests through one pool of connections, as many as there are requests in flight. The cardholder's deadline ends them."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )

    async def send(route: Route, request: Request, attempt: int, left: float) -> Reply:
        headers = {"Content-Type": "application/json", "Deadline-Ms": str(int(1000 * left)), "Retry-Attempt": str(attempt - 1)}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        url = f"http://{route.host}:{route.port}{request.path}"
        try:
            async with session.request(request.method, url, data=request.body, headers=headers) as answer:
                return Reply(status=answer.status, body=await answer.read(), retry_after=answer.headers.get("Retry-After"))
        except (aiohttp.ClientError, ConnectionError) as error:
            raise NoReplyError(type(error).__name__) from error

    async with session:
        yield send
