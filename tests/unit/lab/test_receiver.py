"""The lab's merchants: they believe no signature that does not verify, and their record says what they took, in order."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from lab.lines import DamagedError
from lab.receiver import Fault, Merchants, Mood
from lab.receiver_record import Accepted, Line, ReceiverRecord, Rejected, TurnedAway, read_receiver_record

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in range(3))


class Market:
    """One merchant behind HTTP, and what it wrote."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.chances: list[float] = []
        self.merchants = Merchants(
            {"shop": (OLD, NEW)}, self.lines.append, chance=lambda: self.chances.pop(0), monotonic=lambda: 1.0
        )

    async def send(self, client: "TestClient", secret: str = NEW, account: str = "shop", **changes: str) -> int:
        """One attempt; the status of the answer."""
        body = json.dumps({"data": {"account": account, "sequence": 1, "payment": "p"}})
        now = datetime.now(UTC)
        headers = {
            "webhook-id": "event",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign("event", now, body),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        async with client.post("/merchants/shop", data=body, headers=headers) as answer:
            return answer.status


@pytest.fixture
def market() -> Market:
    """A fresh one."""
    return Market()


@pytest.fixture
async def client(market: Market) -> AsyncIterator["TestClient"]:
    """Whoever sends to it."""
    async with TestClient(TestServer(market.merchants.application(), host="127.0.0.1")) as made:
        yield made


@pytest.mark.parametrize("secret", [OLD, NEW])
async def test_what_verifies_is_taken_and_written(market: Market, client: "TestClient", secret: str) -> None:
    """With any secret in force."""
    assert await market.send(client, secret) == 204
    (line,) = market.lines
    assert isinstance(line, Accepted)
    assert (line.id, line.sequence, line.payment) == ("event", 1, "p")


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": OTHER},
        {"webhook_signature": "v1,AAAA"},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1,%"},
        {"webhook_id": "another"},
        {"webhook_timestamp": "1"},
        {"account": "another shop"},
    ],
)
async def test_what_does_not_verify_is_rejected(market: Market, client: "TestClient", changes: dict[str, str]) -> None:
    """Wrong secret, broken signature, another id, an old attempt, somebody else's event: 401, and the record says that it came."""
    assert await market.send(client, **changes) == 401
    assert [type(line) for line in market.lines] == [Rejected]


async def test_moods_do_what_they_say(market: Market, client: "TestClient") -> None:
    """Changed while it runs; what is turned away is not taken."""
    for mood, status in ((Mood.DOWN, 503), (Mood.GONE, 410), (Mood.WELL, 204)):
        async with client.put("/faults/shop", data=Fault(mood=mood).model_dump_json()) as answer:
            assert answer.status == 204
        assert await market.send(client) == status
    assert [type(line) for line in market.lines] == [TurnedAway, TurnedAway, Accepted]


async def test_a_flaky_merchant_fails_before_or_after_it_took_the_event(market: Market, client: "TestClient") -> None:
    """Half of the errors hide an acceptance."""
    market.merchants.faults["shop"] = Fault(mood=Mood.FLAKY, share=0.4)
    market.chances = [0.1, 0.3, 0.5]
    assert [await market.send(client) for _ in range(3)] == [500, 500, 204]
    assert [type(line) for line in market.lines] == [TurnedAway, Accepted, Accepted]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Every kind; a line that was not finished is left out, one that is damaged is not passed over."""
    path = tmp_path / "record"
    lines: list[Line] = [
        Accepted(account="a", id="i", sequence=1, payment="p", body="b", t=1.0),
        Rejected(account="a", why="w", t=2.0),
        TurnedAway(account="a", why="down", t=3.0),
    ]
    assert list(read_receiver_record(path)) == []
    for line in lines:  # opened anew each time: continued, never shortened
        with ReceiverRecord(path) as record:
            record.append(line)
    with path.open("a") as file:
        file.write('{"kind": "acc')
    assert list(read_receiver_record(path)) == lines
    path.write_text('{"kind": "unheard of"}\n')
    with pytest.raises(DamagedError, match="line 1"):
        list(read_receiver_record(path))
