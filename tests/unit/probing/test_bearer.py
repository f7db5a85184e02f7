"""A client's token outlasts its issuer's outages, and is shown to nobody once it is over."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from controller.errors import Denied, ProviderError, Transient, Unsupported
from controller.probing import bearer
from controller.probing.bearer import LONGEST_PAUSE, SPARE, Bearer, Granted
from controller.providers.memory.clock import SteppedClock

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


@dataclass
class Issuer:
    """Gives numbered tokens, or is away."""

    lasts: timedelta = HOUR
    error: ProviderError | None = None
    asked: int = 0

    async def ask(self) -> Granted:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return Granted(token=f"token-{self.asked}", lasts=self.lasts)


@asynccontextmanager
async def keeping(issuer: Issuer, chance: float = 0.0) -> AsyncIterator[tuple[Bearer, SteppedClock]]:
    """A bearer that keeps its token for the length of the block."""
    clock = SteppedClock()
    kept = Bearer(issuer.ask, clock, lambda: chance)
    task = asyncio.create_task(kept.keep())
    await clock.advance(timedelta(0))
    try:
        yield kept, clock
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_token_is_there_before_anybody_needs_it_and_renewed_while_half_of_it_is_left() -> None:
    """Renewed at its end, every outage of the issuer would be one of its clients."""
    issuer = Issuer()
    async with keeping(issuer) as (kept, clock):
        assert (kept.token, kept.trouble) == ("token-1", "")
        await clock.advance(HOUR / 2 - MOMENT)
        assert issuer.asked == 1
        await clock.advance(2 * MOMENT)
        assert (issuer.asked, kept.token) == (2, "token-2")


async def test_an_issuer_that_is_away_is_not_noticed_as_long_as_the_token_lasts() -> None:
    """Then there is none: an ended one would be refused, and say less about why."""
    issuer = Issuer()
    async with keeping(issuer) as (kept, clock):
        issuer.error = Transient("the issuer was silent for 2 s")
        await clock.advance(HOUR - SPARE - MOMENT)
        assert kept.token == "token-1" and kept.trouble == "the issuer was silent for 2 s"
        await clock.advance(MOMENT)
        assert kept.token is None
        issuer.error = None
        await clock.advance(LONGEST_PAUSE)
        assert kept.token is not None and kept.trouble == ""


async def test_an_issuer_that_is_away_is_asked_less_and_less_often() -> None:
    """An hour of it: every half second would be 7,200 questions of every client."""
    issuer = Issuer(error=Transient("away"))
    async with keeping(issuer) as (kept, clock):
        await clock.advance(HOUR)
        assert kept.token is None
        assert HOUR / LONGEST_PAUSE < issuer.asked < HOUR / LONGEST_PAUSE + 10


async def test_a_refusal_is_told_and_ends_nothing() -> None:
    """Somebody mends the registration; nobody has to restart the client."""
    issuer = Issuer(error=Denied("the issuer answers HTTP 401"))
    async with keeping(issuer) as (kept, clock):
        assert (kept.token, kept.trouble) == (None, "the issuer answers HTTP 401")
        issuer.error = None
        await clock.advance(timedelta(seconds=1))
        assert kept.token == "token-2"


async def test_a_token_of_no_length_is_not_asked_for_without_a_pause() -> None:
    """An issuer with a mistake in its settings is not to be asked as fast as it answers."""
    issuer = Issuer(lasts=timedelta(0))
    async with keeping(issuer) as (kept, clock):
        await clock.advance(timedelta(seconds=10))
        assert issuer.asked <= 21 and kept.token is None


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (503, b"", Transient),
        (429, b"", Transient),
        (401, b'{"error": "invalid_client"}', Denied),
        (302, b"", Denied),
        (200, b"<html>", Unsupported),
        (200, b"[]", Unsupported),
        (200, json.dumps({"token_type": "mac", "access_token": "secret", "expires_in": 1}).encode(), Unsupported),
        (200, json.dumps({"token_type": "Bearer", "access_token": "", "expires_in": 1}).encode(), Unsupported),
        (200, json.dumps({"token_type": "Bearer", "access_token": "secret", "expires_in": 1e300}).encode(), Unsupported),
    ],
)
def test_whatever_else_is_answered_is_no_token_and_is_not_repeated(status: int, body: bytes, wanted: type[ProviderError]) -> None:
    """A proxy's page, a refusal, another kind of token."""
    with pytest.raises(wanted) as refused:
        bearer._granted(status, body)
    assert "secret" not in str(refused.value)


def test_what_is_granted_is_not_shown_by_accident() -> None:
    """Neither by the value nor by whoever holds it."""
    granted = bearer._granted(200, json.dumps({"token_type": "bearer", "access_token": "secret", "expires_in": 60}).encode())
    assert (granted.token, granted.lasts) == ("secret", timedelta(minutes=1))
    assert "secret" not in repr(granted)
