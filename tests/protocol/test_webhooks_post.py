"""One attempt over real sockets: where it may go, what counts as a success, and that a deadline closes the connection."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from workload.webhooks.addresses import Network
from workload.webhooks.model import Event
from workload.webhooks.post import Post, http_client
from workload.webhooks.signing import Secrets

pytestmark = pytest.mark.asyncio

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in range(3))
LAB = (IPv4Network("127.0.0.0/8"),)


@dataclass
class Shop:
    """A merchant's server."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """By the last part of the path: a status, a redirect, nothing, or an answer that does not end."""
        what = request.match_info["what"]
        self.asked.append(what)
        self.headers, self.body = dict(request.headers), await request.read()
        if what == "hang":
            try:
                await asyncio.sleep(30)
            finally:
                self.gone.set()
        if what == "redirect":
            raise web.HTTPTemporaryRedirect(location="/200")
        if what == "endless":
            response = web.StreamResponse(status=200)
            await response.prepare(request)
            await asyncio.sleep(30)
        return web.Response(status=int(what), headers={"Retry-After": "7"} if what == "503" else None)


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    """A merchant on loopback."""
    made = Shop()
    application = web.Application()
    application.router.add_post("/{what}", made.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def poster(tmp_path: Path, *, allow: Sequence[Network] = LAB, plain_http: bool = True) -> AsyncIterator[Post]:
    """Sends with two secrets and a deadline of 0.3 s."""
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f'all = ["{NEW}", "{OLD}"]\n')
    async with http_client(allow) as http:
        yield Post(
            http,
            Secrets(secrets),
            deadline=timedelta(seconds=0.3),
            plain_http=plain_http,
            clock=lambda: datetime.now(UTC),
        )


def event(url: str) -> Event:
    """One event for this URL."""
    return Event(
        id=UUID(int=7),
        account=UUID(int=1),
        epoch=1,
        sequence=1,
        body='{"type": "payment.received"}',
        delivered=0,
        url=url,
        secret="all",
        registration=UUID(int=9),
    )


async def test_both_secrets_verify_and_no_other_does(shop: Shop, tmp_path: Path) -> None:
    """A merchant who changes secrets is served with the old and the new one; the body arrives as it was signed."""
    async with poster(tmp_path) as post:
        assert (await post(event(shop.url + "/200"))).is_accepted
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(shop.body, shop.headers) == {"type": "payment.received"}
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(shop.body, shop.headers)
    assert shop.headers["webhook-id"] == str(UUID(int=7))


async def test_only_a_success_is_an_acceptance(shop: Shop, tmp_path: Path) -> None:
    """Redirects are not followed, 410 and Retry-After are understood."""
    async with poster(tmp_path) as post:
        replies = {what: await post(event(f"{shop.url}/{what}")) for what in ("204", "redirect", "404", "410", "503")}
    assert [what for what, reply in replies.items() if reply.is_accepted] == ["204"]
    assert shop.asked == ["204", "redirect", "404", "410", "503"], "a redirect was followed"
    assert replies["410"].is_gone
    assert replies["503"].retry_after == timedelta(seconds=7)


async def test_an_answer_without_an_end_is_a_success(shop: Shop, tmp_path: Path) -> None:
    """The status settles it; nobody waits for the body."""
    async with poster(tmp_path) as post:
        began = time.monotonic()
        assert (await post(event(shop.url + "/endless"))).is_accepted
        assert time.monotonic() - began < 0.3


async def test_a_deadline_closes_the_socket(shop: Shop, tmp_path: Path) -> None:
    """The merchant sees the connection end; the attempt counts as failed."""
    async with poster(tmp_path) as post:
        began = time.monotonic()
        reply = await post(event(shop.url + "/hang"))
        assert (reply.is_accepted, reply.why) == (False, "no answer within 0.3 s")
        assert time.monotonic() - began < 1
        async with asyncio.timeout(2):
            await shop.gone.wait()


async def test_a_dead_address_is_a_failure(tmp_path: Path) -> None:
    """Nobody listens there."""
    async with poster(tmp_path) as post:
        assert not (await post(event("http://127.0.0.1:1/"))).is_accepted


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"])
async def test_inside_addresses_are_refused_before_anything_is_sent(shop: Shop, tmp_path: Path, host: str) -> None:
    """As literals and behind names: outside the lab no webhook goes to loopback."""
    port = shop.url.rpartition(":")[2]
    async with poster(tmp_path, allow=()) as post:
        reply = await post(event(f"http://{host}:{port}/200"))
    assert not reply.is_accepted
    assert shop.asked == []
    if host not in ("localhost",):  # a name may have several addresses, and the library tells of them together
        assert reply.why.startswith("refused")


async def test_without_the_check_the_same_request_would_arrive(shop: Shop, tmp_path: Path) -> None:
    """Negative proof: it is the check that keeps it away."""
    async with poster(tmp_path, allow=LAB) as post:
        assert (await post(event(shop.url + "/200"))).is_accepted


async def test_what_may_be_our_own_fault_is_told_from_what_is_the_merchants(shop: Shop, tmp_path: Path) -> None:
    """No answer, a closed port, a secret that is missing here: the way. An error, or a URL that must not be called: not."""
    async with poster(tmp_path) as post:
        silent = [event(shop.url + "/hang"), event("http://127.0.0.1:1/")]
        silent.append(replace(event(shop.url + "/200"), secret="missing"))
        said = [await post(one) for one in silent]
        assert [(reply.is_silence, reply.is_answer) for reply in said] == [(True, False)] * 3, said
        said = [await post(event(f"{shop.url}/{status}")) for status in (204, 404, 410, 500)]
        assert [(reply.is_silence, reply.is_answer) for reply in said] == [(False, True)] * 4, said
    async with poster(tmp_path, allow=()) as post:
        said = [await post(event(url)) for url in (shop.url + "/200", "https://user:x@example.test/", "nonsense", "http://[::1")]
        assert [(reply.is_silence, reply.is_answer) for reply in said] == [(False, False)] * 4, said


async def test_what_a_url_must_not_be_is_told(shop: Shop, tmp_path: Path) -> None:
    """Plain HTTP outside the lab, credentials, nonsense and unknown secrets: a reason each, and nothing is sent."""
    async with poster(tmp_path, plain_http=False) as post:
        for url in (shop.url + "/200", "https://user:hunter2@example.test/", "ftp://example.test/", "https://", "nonsense"):
            reply = await post(event(url))
            assert not reply.is_accepted
            assert "hunter2" not in reply.why
        unknown = await post(replace(event("https://example.test/"), secret="missing"))
        assert unknown.why == "there is no secret missing"
    assert shop.asked == []
