"""What every channel promises: the shipped fake and each adapter against a receiver that verifies pass the same suite."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from controller.channels.outside import Monitor
from controller.channels.pagerduty import event
from controller.channels.post import Resolver, http_client, judged
from controller.channels.signing import read_signer, signed
from controller.channels.slack import LONGEST, Slack, text
from controller.core.messages import Action, Severity
from controller.errors import Denied, Transient, Unsupported
from controller.telling_ports import Busy
from tests.contract.channel_worlds import KEY, PATH, SECRET, Served, World, http_world, listening, memory_world, message

pytestmark = pytest.mark.timeout(30)

LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=300)
KINDS = ["webhook", "pagerduty", "slack"]


@pytest_asyncio.fixture(params=["memory", *KINDS])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each implementation in turn."""
    if request.param == "memory":
        yield memory_world()
        return
    async with http_world(request.param, tmp_path) as made:
        yield made


async def test_a_message_is_accepted_once_and_by_its_id(world: World) -> None:
    """The receiver verified it, and has it as it was."""
    assert await world.channel.deliver(message(), LONG) in {"200", "202"}
    assert world.ids() == ["payments-1-abc"]


async def test_whoever_lost_the_answer_asks_again_under_the_same_id(world: World) -> None:
    """The receiver has both, and knows that they are one."""
    world.lose()
    with pytest.raises(Transient):
        await world.channel.deliver(message(), LONG)
    await world.channel.deliver(message(), LONG)
    assert world.ids() == ["payments-1-abc", "payments-1-abc"]


async def test_a_receiver_that_wants_to_be_left_alone_says_for_how_long(world: World) -> None:
    """429 with Retry-After in seconds."""
    world.fail(429, "7")
    with pytest.raises(Busy) as busy:
        await world.channel.deliver(message(), LONG)
    assert busy.value.rest == timedelta(seconds=7) and world.ids() == []


@pytest.mark.parametrize("status", [429, 500, 503, 408])
async def test_what_may_be_well_later_is_transient(world: World, status: int) -> None:
    """Also a 429 that does not say when."""
    world.fail(status, None)
    with pytest.raises(Transient):
        await world.channel.deliver(message(), LONG)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_address_or_key_that_is_no_good_is_denied(world: World, status: int) -> None:
    """Somebody has to mend the settings; the message waits."""
    world.fail(status, None)
    with pytest.raises(Denied):
        await world.channel.deliver(message(), LONG)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_never_taken_is_unsupported(world: World, status: int) -> None:
    """Showing it for ever would hold up all that comes behind."""
    world.fail(status, None)
    with pytest.raises(Unsupported):
        await world.channel.deliver(message(), LONG)


async def test_a_receiver_that_hangs_is_left_at_the_deadline(world: World) -> None:
    """The connection is closed, whatever it would have said."""
    world.hang()
    began = asyncio.get_running_loop().time()
    with pytest.raises(Transient, match=r"no answer within 0\.3 s"):
        await world.channel.deliver(message(), SHORT)
    assert asyncio.get_running_loop().time() - began < 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redirect_is_no_acceptance_and_is_not_followed(kind: str, tmp_path: Path) -> None:
    """It would take a signed message, or a key, to whoever answers there."""
    async with http_world(kind, tmp_path) as made:
        assert made.served is not None
        for status in (301, 302, 307, 308):
            made.fail(status, None)
            with pytest.raises(Transient, match=f"answered {status}"):
                await made.channel.deliver(message(), LONG)
        assert made.served.elsewhere == 0 and made.served.came == []


@pytest.mark.parametrize("kind", KINDS)
async def test_who_cannot_prove_who_it_is_gets_nothing(kind: str, tmp_path: Path) -> None:
    """TLS is verified by default: a receiver that another authority vouches for sees no byte of a message."""
    async with http_world(kind, tmp_path) as made, http_client() as mistrusting:
        assert made.served is not None
        object.__setattr__(made.channel, "http", mistrusting)
        with pytest.raises(Transient, match="could not be asked"):
            await made.channel.deliver(message(), LONG)
        assert made.served.attempts == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_no_error_names_an_address_or_a_key(kind: str, tmp_path: Path) -> None:
    """They go into logs, receipts and the journal."""
    async with http_world(kind, tmp_path) as made:
        said = []
        for status in (302, 400, 404, 429, 500):
            made.fail(status, "3" if status == 429 else None)
        made.lose()
        made.hang()
        for _ in range(7):
            with pytest.raises((Transient, Denied, Unsupported)) as raised:
                await made.channel.deliver(message(), SHORT)
            chain = [raised.value, raised.value.__cause__]
            said += [repr(one) for one in chain]
    async with http_client() as http:
        gone = Slack(name="chat", url=f"https://127.0.0.1:1{PATH}", http=http)
        with pytest.raises(Transient) as raised:
            await gone.deliver(message(), LONG)
        said += [str(raised.value), repr(raised.value.__cause__), repr(gone)]
    told = " ".join((*said, repr(made.channel)))
    for secret in ("swordfish", KEY, SECRET, "127.0.0.1"):
        assert secret not in told, told


async def test_names_are_resolved_by_threads_that_nobody_else_needs() -> None:
    """Every thread of the resolver hangs; a name that the event loop is asked for is answered all the same."""
    resolver = Resolver(threads=1)
    held = asyncio.Event()
    loop = asyncio.get_running_loop()
    resolver._pool.submit(lambda: asyncio.run_coroutine_threadsafe(held.wait(), loop).result())
    waiting = asyncio.ensure_future(resolver.resolve("localhost"))
    found = await asyncio.wait_for(loop.getaddrinfo("localhost", 80), 5)
    assert found and not waiting.done()
    held.set()
    assert (await waiting)[0]["hostname"] == "localhost"
    await resolver.close()


async def test_a_ping_is_a_request_of_the_method_that_was_chosen() -> None:
    """HEAD, GET and POST; an error is an error."""
    served = Served()
    async with listening(served, None) as base, http_client() as http:
        for method in ("HEAD", "GET", "POST"):
            await Monitor(url=base + PATH, http=http, method=method).ping(LONG)
        assert len(served.came) == 3
        with pytest.raises(Denied):
            await Monitor(url=f"{base}/nowhere", http=http).ping(LONG)


def test_signatures_are_those_of_the_specification() -> None:
    """Its own library verifies them, of either secret while one is being changed, and of nothing that was altered."""
    body, now = b'{"type":"x"}', datetime.now(UTC)
    old, new = SECRET, "whsec_" + "bmV3IHNlY3JldCwgMjQgYnl0ZXMgb3IgbW9yZQ=="
    headers = dict(signed((read_signer(new), read_signer(old)), "m-1", now, body))
    for secret in (old, new):
        assert Verifier(secret).verify(body, headers) == {"type": "x"}
    for altered in (b'{"type":"y"}', body + b" "):
        with pytest.raises(WebhookVerificationError):
            Verifier(old).verify(altered, headers)
    late = dict(signed((read_signer(old),), "m-1", now - timedelta(minutes=6), body))
    with pytest.raises(WebhookVerificationError, match="old"):
        Verifier(old).verify(body, late)
    for wrong in ("whsec_", "whsec_%%%", "secret", "whsec_c2hvcnQ="):
        with pytest.raises(ValueError, match="24 to 64 bytes"):
            read_signer(wrong)


def test_an_event_opens_goes_on_and_ends_one_alert() -> None:
    """One key for the incident, the vendor's own words, and what a person needs beside it."""
    opened, ended = (event(message(action=action), KEY) for action in (Action.OPEN, Action.RESOLVE))
    assert (opened["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert event(message(action=Action.UPDATE), KEY)["event_action"] == "trigger"
    assert opened["dedup_key"] == ended["dedup_key"] == "payments-1-abc"
    payload = json.loads(json.dumps(opened))["payload"]
    assert payload["severity"] == "critical" and payload["source"] == "payments"
    assert payload["custom_details"]["what you can do"].startswith("trimaran failover")
    assert {str(one) for one in Severity} == {"critical", "error", "warning", "info"}
    long = event(message(title="x" * 3000), KEY)["payload"]
    assert isinstance(long, dict) and len(long["summary"]) == 1024


def test_a_text_has_no_commands_in_it_and_ends_with_its_ids() -> None:
    """A reason that says <!channel> wakes nobody; one that is too long is cut in the middle."""
    said = text(message(why="w" * 5000, drill=True))
    assert "<!channel>" not in said and "&lt;!channel&gt;" in said and "[DRILL] payments: " in said
    assert len(said) <= LONGEST and said.endswith("_incident payments-1-abc, message payments-1-abc_")
    assert 'trimaran failover --from azure --reason "..." --service payments' in said
    assert text(message(action=Action.RESOLVE)).startswith(":white_check_mark:")


@pytest.mark.parametrize(("given", "rest"), [("7", 7), ("99999", 300), ("0", 0)])
def test_a_rest_is_whole_seconds_and_not_for_ever(given: str, rest: int) -> None:
    """A receiver that says a day would silence us for a day."""
    with pytest.raises(Busy) as busy:
        judged(503, given)
    assert busy.value.rest == timedelta(seconds=rest)


@pytest.mark.parametrize("given", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "\u0667", "9" * 30, ""])
def test_what_is_no_number_of_seconds_is_no_rest(given: str) -> None:
    """Clocks differ, so a date is not honoured."""
    with pytest.raises(Transient) as raised:
        judged(503, given)
    assert not isinstance(raised.value, Busy)
