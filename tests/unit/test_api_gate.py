"""Who may order a controller about, and how much at once; whatever is turned away leaves nothing in etcd."""

import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from controller import api
from controller.api.application import WAITING
from controller.errors import Transient
from controller.ports import Request
from tests.unit.core.worlds import AWS
from tests.unit.room import TOKEN, Room, room

pytestmark = pytest.mark.asyncio

WISH = {"id": "w1", "verb": "mode", "by": "test", "reason": "", "arguments": {"mode": "manual"}}
GOOD = {"Authorization": f"Bearer {TOKEN}"}


async def waiting(given: Room) -> tuple[Request, ...]:
    """Requests in etcd."""
    control = await given.stores[AWS].read("payments")
    assert control is not None
    return control.requests


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer another-token-of-a-room"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer t\xf6ken"}, 401),
        (GOOD | {"Origin": "https://evil.example"}, 403),
        (GOOD | {"Origin": "null"}, 403),
        (GOOD | {"Host": "evil.example"}, 403),
        (GOOD | {"Host": "["}, 403),
        (GOOD | {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_an_order_of_somebody_else_is_turned_away(headers: dict[str, str], status: int) -> None:
    """A page in the operator's browser, another user of the machine, a name that was pointed at it: each gets its own answer."""
    async with room() as given:
        body = json.dumps(WISH).encode()
        code, problem = await given.post({}, data=body, headers={"Content-Type": "application/json"} | headers)
        assert code == problem["status"] == status and problem["detail"]
        assert await waiting(given) == ()


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:7001", "10.1.2.3"])
async def test_the_machines_own_names_are_not_foreign(host: str) -> None:
    """Also with an origin, when it is the controller's own address."""
    async with room() as given:
        code, _ = await given.post({}, json=WISH, headers=GOOD | {"Host": host, "Origin": f"http://{host}"})
        assert code == 202 and len(await waiting(given)) == 1


async def served(given: Room, gate: api.Gate) -> TestServer:
    """aws's controller once more, behind another gate."""
    loop = given.loops[AWS]
    more: dict[str, Any] = {"coordination": given.stores[AWS], "metrics": loop.metrics, "clock": given.clock}
    server = given.servers[AWS] = TestServer(api.build(site=AWS, loops={"payments": loop}, gate=gate, **more))
    await server.start_server()
    return server


async def test_a_controller_without_a_token_takes_no_orders() -> None:
    """It says how to give it one; reading goes on."""
    async with room() as given:
        server = await served(given, api.Gate(token=None, local=True))
        code, problem = await given.post(WISH, headers={"Authorization": "Bearer None"})
        assert code == 403 and "listen.token_file" in problem["detail"]
        assert (await given.get("/v1/services/payments/status"))[0] == 200
        await server.close()


async def test_from_other_machines_reading_takes_the_token_too() -> None:
    """Except for what health checks and collectors read, who carry none; there, any name may stand in Host."""
    async with room() as given:
        server = await served(given, api.Gate(token=TOKEN, local=False))
        for path in ("status", "journal", "explain"):
            url = server.make_url(f"/v1/services/payments/{path}")
            for headers, status in (({}, 401), (GOOD | {"Host": "controller.example"}, 200)):
                async with given.http.get(url, headers=headers) as answer:
                    assert answer.status == status
        for path in ("/healthz", "/metrics", "/beacon/payments/aws"):
            async with given.http.get(server.make_url(path)) as answer:
                assert answer.status == 200
        await server.close()


async def test_more_than_so_many_waiting_requests_are_turned_away() -> None:
    """429 for one more; the same request again is no further one."""
    async with room() as given:
        for number in range(WAITING):
            assert (await given.post({**WISH, "id": f"w{number}"}))[0] == 202
        code, problem = await given.post({**WISH, "id": "late"})
        assert code == 429 and "needs fewer than 20. Ask again" in problem["detail"]
        assert (await given.post({**WISH, "id": "w0"}))[0] == 202
        assert len(await waiting(given)) == WAITING


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{}", b"[", b'{"id": "w1", "verb": "\xff"}'])
async def test_what_is_no_text_is_unreadable_and_no_defect(body: bytes) -> None:
    """400, whatever the bytes are and whatever charset they claim."""
    async with room() as given:
        for charset in ("", "; charset=nope", "; charset=utf-16"):
            code, _ = await given.post({}, data=body, headers=GOOD | {"Content-Type": f"application/json{charset}"})
            assert code == 400


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 13, "-1", "x"])
async def test_numbers_no_entry_can_have_are_unreadable(number: str) -> None:
    """400, and no defect."""
    async with room() as given:
        assert (await given.get(f"/v1/services/payments/journal?after={number}"))[0] == 400


async def test_an_order_is_dated_by_its_asking() -> None:
    """The way held it for an hour: it is an hour old. One from the future is dated by its arrival."""
    async with room() as given:
        now = given.clock.now()
        for name, at in (("old", now - timedelta(hours=1)), ("new", now + timedelta(hours=1))):
            assert (await given.post({**WISH, "id": name, "at": at.isoformat()}))[0] == 202
        assert {wish.id: wish.at for wish in await waiting(given)} == {"old": now - timedelta(hours=1), "new": now}


async def test_a_lost_write_is_told_apart_from_nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """etcd took it and did not say so: the answer must not claim that nothing was asked. Without the majority nothing was."""
    async with room() as given:
        store = given.stores[AWS]
        request = store.request

        async def lost(service: str, wish: Request) -> None:
            await request(service, wish)
            raise Transient("silent for 0.2 s")

        monkeypatch.setattr(store, "request", lost)
        code, problem = await given.post(WISH)
        assert (code, problem["type"]) == (503, "/problems/outcome-unknown") and len(await waiting(given)) == 1
        given.etcd.majority = False
        code, problem = await given.post({**WISH, "id": "w2"})
        assert (code, problem["type"]) == (503, "/problems/etcd-out-of-reach")


async def test_a_token_is_not_shown() -> None:
    """Neither by the gate nor in an answer."""
    assert TOKEN not in repr(api.Gate(token=TOKEN, local=True))
    async with room() as given, aiohttp.ClientSession() as http:
        url = given.servers[AWS].make_url("/v1/services/payments/requests")
        async with http.post(url, json=WISH) as answer:
            assert TOKEN not in await answer.text()
