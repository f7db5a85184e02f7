"""Whoever is told in the lab believes nobody: what is not signed or no event is rejected, and silence raises the alarm once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from controller.channels.pagerduty import event
from controller.channels.signing import read_signer, signed
from controller.channels.slack import text
from controller.channels.webhook import document
from lab.lines import Appended
from lab.oncall import Oncall, Settings
from lab.oncall_record import Alarm, Heard, Line, OncallRecord, Rejected, Told, read_oncall_record
from lab.receiver_settings import new_secret
from tests.contract.channel_worlds import KEY, message

GRACE = 6.0


class House:
    """One of them, with a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.now, self.secret, self.lines = 100.0, new_secret(), list[Line]()
        settings = Settings(
            port=0, record=folder / "told.jsonl", secret=self.secret, routing_key=KEY, word="swordfish", grace=GRACE
        )
        self.oncall = Oncall(settings, self.lines.append, lambda: self.now)

    async def post(self, client: "TestClient[Any, Any]", path: str, body: object, **headers: str) -> int:
        """One request's status."""
        async with client.post(path, data=json.dumps(body), headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def listening(house: House) -> AsyncIterator["TestClient[Any, Any]"]:
    async with TestClient(TestServer(house.oncall.application())) as client:
        yield client


async def test_what_controllers_send_is_taken_on_every_channel(tmp_path: Path) -> None:
    """With the incident and the id by which messages are known."""
    house = House(tmp_path)
    async with listening(house) as client:
        body = json.dumps(document(message())).encode()
        headers = dict(signed((read_signer(house.secret),), "payments-1-abc", datetime.now(UTC), body))
        async with client.post("/webhook", data=body, headers=headers) as answer:
            assert answer.status == 204
        assert await house.post(client, "/v2/enqueue", event(message(), KEY)) == 202
        assert await house.post(client, "/services/swordfish", {"text": text(message())}) == 200
    told = [one for one in house.lines if isinstance(one, Told)]
    assert [one.channel for one in told] == ["webhook", "pagerduty", "slack"]
    assert {(one.id, one.incident) for one in told} == {("payments-1-abc", "payments-1-abc")}


async def test_what_is_not_signed_or_no_event_is_rejected(tmp_path: Path) -> None:
    """By another secret, long ago, by another key, without a summary; an address that nobody knows is not there."""
    house = House(tmp_path)
    async with listening(house) as client:
        body = json.dumps(document(message())).encode()
        for secret, age in ((new_secret(), 0), (house.secret, 400)):
            moment = datetime.now(UTC) - timedelta(seconds=age)
            headers = dict(signed((read_signer(secret),), "m", moment, body))
            async with client.post("/webhook", data=body, headers=headers) as answer:
                assert answer.status == 401
        assert await house.post(client, "/v2/enqueue", event(message(), "f" * 32)) == 400
        assert await house.post(client, "/v2/enqueue", event(message(service=""), KEY)) == 400
        assert await house.post(client, "/v2/enqueue", {}) == 400
        assert await house.post(client, "/services/swordfish", []) == 400
        assert await house.post(client, "/services/other", {"text": "x"}) == 404
    assert len(house.lines) == 6 and all(isinstance(one, Rejected) for one in house.lines)


async def test_silence_raises_the_alarm_once_and_a_ping_ends_it(tmp_path: Path) -> None:
    """Not before anybody was ever heard, not within the grace."""
    house = House(tmp_path)
    async with listening(house) as client:
        house.now += 1000
        house.oncall.look()
        assert house.lines == []
        for _ in range(2):
            async with client.head("/ping/swordfish") as answer:
                assert answer.status == 200
            house.now += GRACE
            house.oncall.look()
            house.now += 1
            house.oncall.look()
            house.oncall.look()
    assert [type(one) for one in house.lines] == [Heard, Alarm, Heard, Alarm]


def test_the_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every kind of line."""
    lines: list[Line] = [Heard(method="HEAD", t=1.0), Alarm(silent_s=7.0, t=8.0), Rejected(channel="x", why="y", t=9.0)]
    with OncallRecord(tmp_path / "told.jsonl") as record:
        assert isinstance(record, Appended)
        for line in lines:
            record.append(line)
    assert list(read_oncall_record(tmp_path / "told.jsonl")) == lines
