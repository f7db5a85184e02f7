"""One errand is carried to its end: with one key, on the record before it counts, and understood as it was answered."""

import asyncio
import json
from dataclasses import replace

import pytest

from lab.load_payer import ATTEMPTS_AT_ONCE, Device, NoReplyError, Reply, Route
from lab.record import Attempted, Declined, Failed, Unresolved
from lab.vault_load_answers import Attempt, Request, erase, judge, reveal, tokenize
from lab.vault_load_record import (
    Erased,
    Line,
    Revealed,
    Tokenized,
    TokenWanted,
    Wanted,
)
from tests.unit.lab.vault_world import ASKED, BUSY, CARD, GONE, KEPT, PROVEN, SHOWN, WANTED, World
from workload.vault.app import EraseBody, RevealBody, TokenBody


async def test_a_number_is_kept_under_one_key_until_it_is_settled() -> None:
    """Resets and 503s are tried again with the same request; the acknowledgement is the last line."""
    world = World(answers=[NoReplyError("reset"), BUSY, KEPT])
    outcome = await world.holder.carry(WANTED, tokenize(CARD), world.device)
    assert isinstance(outcome, Tokenized)
    assert [type(line) for line in world.lines] == [TokenWanted, Attempted, Failed, Attempted, Failed, Attempted, Tokenized]
    assert len({request for _, request, _, _ in world.sent}) == 1
    assert [attempt for _, _, attempt, _ in world.sent] == [1, 2, 3]
    assert all(0 < left <= 1 for *_, left in world.sent)
    assert (outcome.token, outcome.epoch, outcome.attempt) == ("t", 3, 3)
    assert world.now >= 101, "a Retry-After is honoured"


async def test_every_attempt_of_a_reveal_gives_a_reason_of_its_own() -> None:
    """The acknowledged one is on the record with the reason that it gave: an earlier row in the audit trail is not its own."""
    world = World(answers=[NoReplyError("reset"), SHOWN])
    outcome = await world.holder.carry(ASKED, reveal("t", 7), world.device)
    assert isinstance(outcome, Revealed)
    first, second = (json.loads(request.body)["reason"] for _, request, _, _ in world.sent)
    assert first != second == outcome.reason
    assert outcome.digest == "digest of 16"
    assert CARD.digits not in "".join(map(repr, world.lines))


async def test_a_bad_address_is_used_until_its_ttl_ends() -> None:
    """The cardholder goes back to the dead site as long as the resolver says so, then to the other one."""
    world = World(addresses=["192.0.2.1", "192.0.2.2"])
    world.holder.ends = 104.0
    await world.holder.carry(WANTED, tokenize(CARD), world.device)
    sites = [site for site, *_ in world.sent]
    assert sites == sorted(sites)
    assert set(sites) == {"aws", "gcp"}


async def test_a_run_that_is_over_leaves_a_last_word() -> None:
    """What nothing settled is unresolved on the record, no attempt begins after the end, and no pause outlasts it."""
    world = World(answers=[BUSY] * 50)
    world.holder.settle(3.1)
    assert isinstance(await world.holder.carry(WANTED, tokenize(CARD), world.device), Unresolved)
    assert isinstance(world.lines[-1], Unresolved)
    assert all(line.t < 103.1 for line in world.lines if isinstance(line, Attempted))
    assert world.lines[-1].t == pytest.approx(103.1)


async def test_who_waited_for_a_turn_to_the_end_is_not_asked_for() -> None:
    """The end may come while all turns of the device are taken."""
    world = World(answers=[KEPT])
    for _ in range(ATTEMPTS_AT_ONCE):
        await world.device.turns.acquire()
    waiting = asyncio.create_task(world.holder.carry(WANTED, tokenize(CARD), world.device))
    await asyncio.sleep(0)
    world.holder.settle(1)
    world.now += 2
    world.device.turns.release()
    assert isinstance(await waiting, Unresolved)
    assert world.sent == []


async def test_a_cancelled_errand_leaves_a_last_word_too() -> None:
    """A second SIGTERM ends everything, and still nothing is missing on the record."""
    world = World()
    task = asyncio.create_task(world.holder.carry(WANTED, tokenize(CARD), world.device))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(world.lines[-1], Unresolved)


async def test_nothing_is_counted_that_could_not_be_written() -> None:
    """With a full disk the token is not acknowledged, whatever the vault said."""
    world = World(answers=[KEPT])

    def refuse(line: Line) -> None:
        world.lines.append(line)
        if isinstance(line, Tokenized):
            raise OSError("no space")

    world.holder._write = refuse
    with pytest.raises(OSError, match="no space"):
        await world.holder.carry(WANTED, tokenize(CARD), world.device)


@pytest.mark.parametrize(("settling", "asked"), [(False, 20), (True, ATTEMPTS_AT_ONCE)])
async def test_what_is_settled_is_not_asked_for_as_fast_as_it_is_refused(settling: bool, asked: int) -> None:
    """While more is wanted each errand pauses by itself; afterwards those that pause keep their turns."""
    world = World(answers=[BUSY] * 100)

    async def stand_still(seconds: float) -> None:
        await asyncio.Event().wait()

    world.holder._sleep = stand_still
    if settling:
        world.holder.settle(60)
    tasks = [
        asyncio.create_task(world.holder.carry(replace(WANTED, key=str(number)), tokenize(CARD), world.device))
        for number in range(20)
    ]
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(world.sent) == asked
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("wanted", "reply", "kind"),
    [
        (WANTED, KEPT, Tokenized),
        (WANTED, replace(KEPT, status=200), Tokenized),
        (WANTED, replace(KEPT, status=202), Failed),
        (WANTED, replace(KEPT, status=500), Failed),
        (WANTED, Reply(status=201, body=b"<html>"), Failed),
        (WANTED, Reply(status=201, body=b'{"token": "t"}'), Failed),
        (WANTED, Reply(status=201, body=b'{"token": "t", "epoch": "3"}'), Failed),
        (WANTED, Reply(status=201, body=b'["token", "epoch"]'), Failed),
        (WANTED, BUSY, Failed),
        (WANTED, Reply(status=429, body=b""), Failed),
        (WANTED, Reply(status=422, body=b'{"type": "urn:x:problem:key-reused"}'), Declined),
        (ASKED, SHOWN, Revealed),
        (ASKED, Reply(status=200, body=b'{"token": "t"}'), Failed),
        (ASKED, Reply(status=410, body=b'{"type": "urn:x:problem:erased"}'), Declined),
        (GONE, PROVEN, Erased),
        (GONE, Reply(status=200, body=b'{"epoch": 3}'), Failed),
        (GONE, Reply(status=404, body=b'{"type": "urn:x:problem:unknown-subject"}'), Declined),
    ],
)
def test_only_a_readable_success_is_an_acknowledgement(wanted: Wanted, reply: Reply, kind: type[Line]) -> None:
    """Anything unclear settles nothing, and is asked again."""
    attempt = Attempt(number=1, request=reveal("t", 0)(1), site="aws", began=1.0)
    outcome = judge(reply, wanted, attempt, 1.5, str)
    assert isinstance(outcome, kind)
    assert (outcome.key, outcome.attempt, outcome.site, outcome.t) == (wanted.key, 1, "aws", 1.5)


def test_requests_are_what_the_vault_reads() -> None:
    """Its own models take every body, and no representation shows a number."""
    kept, shown, gone = tokenize(CARD)(1), reveal("t", 3)(2), erase(GONE)(1)
    assert TokenBody.model_validate_json(kept.body).number.get_secret_value() == CARD.digits
    assert RevealBody.model_validate_json(shown.body).reason
    assert EraseBody.model_validate_json(gone.body).by == "a cardholder"
    assert (kept.method, kept.path, kept.key) == ("POST", "/v1/tokens", CARD.key)
    assert (shown.method, shown.path, shown.key) == ("POST", "/v1/tokens/t/reveal", None)
    assert (gone.method, gone.path, gone.key) == ("DELETE", "/v1/subjects/s", None)
    assert CARD.digits not in repr(kept)


@pytest.mark.parametrize(("window", "unasked"), [(0, 1), (3, 0)])
async def test_who_was_not_asked_for_again_after_the_last_errand_is_counted(window: float, unasked: int) -> None:
    """Refused to the end of the window it is unresolved; refused before the window alone, it is no evidence of the vault."""
    world = World()

    async def refuse(route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        world.now += 0.01
        if attempt == 1:
            world.holder.settle(window)
        return BUSY

    world.holder._send = refuse
    assert isinstance(await world.holder.carry(WANTED, tokenize(CARD), world.device), Unresolved)
    assert world.holder.unasked == unasked
