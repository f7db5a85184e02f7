"""What merchants are told to write does what they are told it does."""

import json
import re
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from lab.receiver_settings import new_secret
from workload.webhooks.dispatcher import ABSENCE
from workload.webhooks.settings import Manners
from workload.webhooks.signing import sign

PAGE = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()


@pytest.fixture(scope="module")
def example() -> Mapping[str, Any]:
    """The page's own code."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


class Shop:
    """A merchant that did as the page says."""

    def __init__(self, example: Mapping[str, Any], secret: str) -> None:
        self.secret, self.acted = secret, list[Any]()
        self.database = sqlite3.connect(":memory:")
        self.database.execute(example["SCHEMA"])
        self._receive: Callable[..., int] = example["receive"]
        self._note: Callable[[Mapping[str, Any]], Any] = lambda told: told["sequence"]

    def hear(self, sequence: int, *, epoch: int = 1, secrets: Any = (), **changes: Any) -> int:
        """One attempt, signed as the dispatcher does it."""
        data = {"account": "shop", "epoch": epoch, "sequence": sequence, "payment": "p", "debtor": "d", "amount": 1}
        body = json.dumps({"type": changes.pop("type", "payment.received"), "data": data})
        signers = tuple(map(Webhook, secrets or (self.secret,)))
        headers = {**sign(signers, uuid.uuid4(), datetime.now(UTC), body), **changes}
        return self._receive(self.secret, body.encode(), headers, self.database, lambda told: self.acted.append(self._note(told)))


@pytest.fixture
def shop(example: Mapping[str, Any]) -> "Shop":
    """One that has heard nothing yet."""
    return Shop(example, new_secret())


def test_every_event_is_acted_on_once_and_in_order(shop: Shop) -> None:
    """Duplicates are answered with a success, also those that come after later events."""
    assert [shop.hear(sequence) for sequence in (1, 1, 2, 3, 2, 1, 4)] == [204] * 7
    assert shop.acted == [1, 2, 3, 4]
    shop.database.close()


def test_events_behind_a_waived_member_are_acted_on_though_their_sequences_were_had(shop: Shop) -> None:
    """8 and 9 of epoch 1 were given up after they were told; 8 and 9 of epoch 2 are other payments. What comes late of epoch 1 is old."""
    shop._note = lambda told: (told["epoch"], told["sequence"])
    heard = ((1, 7), (1, 8), (1, 9), (2, 8), (1, 9), (2, 8), (2, 9), (1, 10))
    assert [shop.hear(sequence, epoch=epoch) for epoch, sequence in heard] == [204] * 8
    assert shop.acted == [(1, 7), (1, 8), (1, 9), (2, 8), (2, 9)]
    shop.database.close()


def test_what_is_not_rightly_signed_is_refused(shop: Shop) -> None:
    """Another secret, another body, a signature that is none."""
    assert shop.hear(1, secrets=(new_secret(),)) == 401
    assert shop.hear(1, **{"webhook-id": "another"}) == 401
    assert shop.hear(1, **{"webhook-signature": "v1"}) == 401
    assert shop.hear(1, **{"webhook-timestamp": "1"}) == 401
    assert shop.acted == []
    shop.database.close()


def test_a_change_of_secrets_and_news_of_another_kind_disturb_nobody(shop: Shop) -> None:
    """Either secret verifies; a type that is not known yet is taken and ignored."""
    assert shop.hear(1, secrets=(new_secret(), shop.secret)) == 204
    assert shop.hear(2, type="payment.refunded") == 204
    assert shop.acted == [1]
    shop.database.close()


def test_an_effect_that_fails_is_not_remembered(example: Mapping[str, Any], shop: Shop) -> None:
    """The merchant's own error: the sequence is not kept, so that the event that comes again is acted on."""

    def fail(told: object) -> None:
        raise RuntimeError("no stock")

    body = json.dumps({"type": "payment.received", "data": {"account": "shop", "epoch": 1, "sequence": 1}})
    headers = sign((Webhook(shop.secret),), uuid.uuid4(), datetime.now(UTC), body)
    with pytest.raises(RuntimeError):
        example["receive"](shop.secret, body.encode(), headers, shop.database, fail)
    assert shop.hear(1) == 204 and shop.acted == [1]
    shop.database.close()


def test_the_page_tells_the_manners_that_are_the_default() -> None:
    """Times that merchants plan with."""
    manners = Manners()
    told = " ".join(PAGE.split())
    assert f"Answer within {manners.request_deadline.total_seconds():g} s" in told
    assert f"longer than {manners.slow_after.total_seconds():g} s" in told
    assert f"begin after {manners.first_pause.total_seconds():g} s" in told
    assert f"double up to {manners.longest_pause.total_seconds() / 60:g} min" in told
    assert f"After {manners.parked_after.total_seconds() / 3600:g} h of failures" in told
    assert manners.parked_pause.total_seconds() == 3600 and "once an hour" in told
    assert f"for {manners.silence.total_seconds():g} s no merchant answered" in told
    assert manners.silent_accounts == 3 and "three or more were tried" in told
    assert manners.fresh.total_seconds() == 1 and "in the second before (`fresh`)" in told
    assert f"asks again after {ABSENCE.total_seconds():g} s" in told


def test_the_page_shows_every_field_of_an_event() -> None:
    """As the outbox makes it."""
    (body,) = re.findall(r'"data":(\{.*?\})', PAGE)
    assert list(json.loads(body)) == ["account", "epoch", "sequence", "payment", "debtor", "amount", "currency"]
