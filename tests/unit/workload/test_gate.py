"""The door as HTTP sees it: what is never refused, what is refused how, and that every place is given back."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from workload.calls.deadline import Deadlines
from workload.gate import LARGEST_BODY, Gate, fixed
from workload.limits.limits import Limits
from workload.limits.meter import Meter
from workload.limits.settings import LimitTable
from workload.metrics import ServiceMetrics

pytestmark = pytest.mark.asyncio

ONE = {"first": 1, "lowest": 1, "highest": 1, "queue": 0}
UNKNOWN = {"status": 503, "body": {"outcome": "unknown"}}
NOTHING = {"status": 503, "body": {"outcome": "nothing-happened"}}


class Service:
    """An application that answers as the test says, behind a gate."""

    def __init__(self, deadline: float = 5, arriving: int = 1024, **table: Any) -> None:
        self.metrics = ServiceMetrics("payments")
        self.refusals = 0
        self.seen: list[str] = []
        self.answer: dict[str, Any] = {"status": 201, "body": {}}
        self.go = asyncio.Event()
        self.go.set()
        settings = LimitTable.model_validate(table)
        self.now = 1.0
        limits = Limits(settings, monotonic=lambda: self.now, chance=lambda: 0.0, counts=Meter(self.metrics))
        self.gate = Gate(
            self,
            limits=limits,
            deadline=timedelta(seconds=deadline),
            on_refusal=self._note_refusal,
            arriving=arriving,
            inconclusive=("keys-out-of-reach",),
            monotonic=lambda: self.now,
        )

    def _note_refusal(self) -> None:
        self.refusals += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        message = await receive()
        assert message["type"] == "http.request"
        await self.go.wait()
        if self.answer["status"] == 0:
            raise RuntimeError("a defect")
        await send({"type": "http.response.start", "status": self.answer["status"], "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(self.answer["body"]).encode()})

    async def ask(self, path: str = "/v1/payments", method: str = "POST", **headers: str) -> "Heard":
        return await self.send_in([{"type": "http.request", "body": b"{}", "more_body": False}], path, method, **headers)

    async def send_in(
        self, messages: Sequence[Message], path: str = "/v1/payments", method: str = "POST", pause: float = 0, **headers: str
    ) -> "Heard":
        heard, coming = Heard(), list(messages)
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

        async def receive() -> Message:
            if not coming:
                await asyncio.Event().wait()
            if pause:
                await asyncio.sleep(pause)
            return coming.pop(0)

        door = Deadlines(self.gate, monotonic=lambda: self.now)
        await door({"type": "http", "method": method, "path": path, "headers": named}, receive, heard.send)
        return heard

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


class Heard:
    """What the client got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]

    @property
    def problem(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


async def busy(service: Service, **headers: str) -> "asyncio.Task[Heard]":
    """A request that stays inside until the service may go on."""
    service.go.clear()
    task = asyncio.create_task(service.ask(**headers))
    while service.gate.inside == 0:
        await asyncio.sleep(0)
    return task


async def test_health_and_metrics_are_never_refused() -> None:
    """Every place is taken and every bucket empty; whoever looks after the service is answered all the same."""
    service = Service(**ONE, overall={"per_second": 0.001, "burst": 1})
    inside = await busy(service)
    service.go.set()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await service.ask(path, "GET")).status == 201
    await inside


async def test_an_overload_is_told_as_one() -> None:
    """503 as a problem document: nothing happened, and when to come back."""
    service = Service(**ONE)
    inside = await busy(service)
    told = await service.ask()
    assert (told.status, told.headers["retry-after"], told.headers["content-type"]) == (503, "1", "application/problem+json")
    assert (told.problem["type"], told.problem["outcome"]) == ("urn:trimaran:problem:overloaded", "nothing-happened")
    service.go.set()
    assert (await inside).status == 201
    assert (service.gate.inside, service.refusals) == (0, 1)
    assert service.counted("payments_refusals_total", kind="full", rank="new") == 1


async def test_a_clients_own_limit_is_told_as_its_own() -> None:
    """429, and it is not counted as an overload of the service."""
    service = Service(client_header="who", client={"per_second": 0.1, "burst": 1})
    assert (await service.ask(who="a")).status == 201
    told = await service.ask(who="a")
    assert (told.status, told.problem["outcome"], service.refusals) == (429, "nothing-happened", 0)
    assert int(told.headers["retry-after"]) >= 10
    assert (await service.ask(who="b")).status == 201


@pytest.mark.parametrize(
    ("answer", "rank"), [(UNKNOWN, "known"), ({"status": 201, "body": {}}, "known"), ({"status": 0}, "known"), (NOTHING, "new")]
)
async def test_only_retries_of_what_may_have_happened_go_first(answer: dict[str, Any], rank: str) -> None:
    """What an answer says of its outcome decides what a retry of its key is worth; a defect says nothing, so it may have happened."""
    service = Service()
    service.answer = answer
    with suppress(RuntimeError):
        await service.ask(idempotency_key="k")
    service.answer = {"status": 201, "body": {}}
    before = service.counted("payments_served_seconds_count", rank=rank)
    await service.ask(idempotency_key="k")
    assert service.counted("payments_served_seconds_count", rank=rank) == before + 1


@pytest.mark.parametrize(("kind", "shrinks"), [("writer-out-of-reach", True), ("keys-out-of-reach", False)])
async def test_waiting_for_another_service_in_vain_takes_nobody_a_place(kind: str, shrinks: bool) -> None:
    """Late failures by the dozen are a crowd; those of key services that hang are not, and would cost the cached ones their places."""
    service = Service()
    body = {"type": f"urn:trimaran:problem:{kind}", "outcome": "nothing-happened"}
    for _ in range(40):
        service.answer = {"status": 503, "body": body}
        inside = [await busy(service) for _ in range(8)]
        service.now += 0.3
        service.go.set()
        await asyncio.gather(*inside)
    assert (service.gate.limits.places < LimitTable().first) is shrinks


async def test_a_defect_gives_its_place_back() -> None:
    """Or the service would be full of requests that are long over."""
    service = Service(**ONE)
    service.answer = {"status": 0}
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await service.ask()
    assert service.gate.inside == 0


async def test_whoever_hung_up_before_its_body_was_there_is_not_served() -> None:
    """The application never hears of it."""
    service = Service()
    told = await service.send_in([{"type": "http.disconnect"}])
    assert (told.status, service.seen, service.gate.inside) == (0, [], 0)


async def test_whoever_hung_up_while_waiting_is_not_served() -> None:
    """A payment for nobody would be made at the cost of somebody who waits."""
    service = Service(**{**ONE, "queue": 2, "patience": 5})
    inside = await busy(service)
    body: Message = {"type": "http.request", "body": b"{}", "more_body": False}
    gone = asyncio.create_task(service.send_in([body, {"type": "http.disconnect"}], "/v1/gone"))
    waits = asyncio.create_task(service.ask("/v1/waits"))
    while service.gate.limits.waiting < 2:
        await asyncio.sleep(0)
    service.go.set()
    assert ((await inside).status, (await gone).status, (await waits).status) == (201, 0, 201)
    assert (service.seen, service.gate.inside) == (["/v1/payments", "/v1/waits"], 0)


async def test_a_deadline_that_is_over_is_not_served() -> None:
    """Refused as such, and one that cannot be read as malformed."""
    service = Service()
    assert (await service.ask(deadline_ms="0")).problem["type"].endswith("deadline-over")
    assert (await service.ask(deadline_ms="soon")).status == 400
    assert (await service.ask(deadline_ms="500")).status == 201
    assert service.seen == ["/v1/payments"]


async def test_nobody_waits_for_a_place_beyond_its_deadline() -> None:
    """The door knows when its client gives up."""
    service = Service(**{**ONE, "queue": 2, "patience": 5})
    inside = await busy(service)
    assert (await service.ask(deadline_ms="5")).problem["type"].endswith("deadline-over")
    service.go.set()
    await inside


async def test_a_body_that_does_not_arrive_takes_no_place() -> None:
    """Half a body and then nothing: others are served meanwhile, though there is one place, and it is told so in the end."""
    service = Service(deadline=0.1, **ONE)
    half = asyncio.create_task(service.send_in([{"type": "http.request", "body": b"{", "more_body": True}]))
    await asyncio.sleep(0)
    assert (await service.ask()).status == 201
    told = await half
    assert (told.status, told.problem["outcome"], service.gate.inside) == (408, "nothing-happened", 0)


async def test_a_body_that_drips_has_one_deadline() -> None:
    """A byte now and then does not begin it anew."""
    service = Service(deadline=0.05)
    drops = [{"type": "http.request", "body": b"x", "more_body": True} for _ in range(1000)]
    told = await service.send_in(drops, pause=0.01)
    assert (told.status, service.seen) == (408, [])


async def test_so_many_bodies_may_be_on_their_way() -> None:
    """One more is told that there is too much to do, before it has sent any."""
    service = Service(deadline=0.05, arriving=2)
    dripping = [asyncio.create_task(service.send_in([])) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await service.ask()).problem["type"].endswith("overloaded")
    assert [(await one).status for one in dripping] == [408, 408]
    assert (await service.ask()).status == 201


async def test_a_body_has_no_longer_to_arrive_than_its_client_waits() -> None:
    """Or somebody who is gone after a moment would be listened to for as long as anybody."""
    service = Service(deadline=60)
    told = await service.send_in([], deadline_ms="5")
    assert (told.status, told.problem["outcome"], service.gate.inside) == (408, "nothing-happened", 0)


async def test_a_body_in_parts_reaches_the_application_whole() -> None:
    """The part that the door has read is handed on."""
    parts: list[bytes] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    service = Service()
    service.gate._app = application
    await service.send_in(
        [
            {"type": "http.request", "body": b"one ", "more_body": True},
            {"type": "http.request", "body": b"two", "more_body": False},
        ]
    )
    assert b"".join(parts) == b"one two"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_length": str(LARGEST_BODY + 1)}, 413),
        ({"content_length": "many"}, 413),
        ({"transfer_encoding": "chunked"}, 411),
    ],
)
async def test_a_body_of_unknown_or_great_length_is_not_read(headers: dict[str, str], status: int) -> None:
    """Refused before a byte of it."""
    service = Service()
    assert (await service.ask(**headers)).status == status
    assert service.seen == []


async def test_a_number_of_places_is_a_limit() -> None:
    """So many at once, no queue, nobody first."""
    service = Service()
    service.now = time.monotonic()
    service.gate = Gate(service, limits=fixed(1), deadline=timedelta(seconds=5), on_refusal=service._note_refusal)
    inside = await busy(service)
    assert (await service.ask()).status == 503
    service.go.set()
    await inside
