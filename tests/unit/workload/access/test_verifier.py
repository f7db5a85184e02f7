"""Who shows a token, over which certificate, and what is remembered of that."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.workload.access.rooms import FIRST, MINE, OTHERS, Room, document, new_key, ready, settle, token
from workload.access.refusal import AccessRefused, Kind

pytestmark = pytest.mark.asyncio


async def refused(room: Room, text: str, thumbprint: str | None = MINE) -> Kind:
    """The kind of the refusal, which must come."""
    with pytest.raises(AccessRefused) as caught:
        await room.verifier.admit(text, thumbprint)
    return caught.value.kind


async def test_who_holds_the_certificate_is_let_in() -> None:
    """The token, over the certificate that it is bound to."""
    room = await ready(Room())
    assert (await room.verifier.admit(token(), MINE)).subject == "merchant-1"


@pytest.mark.parametrize("thumbprint", [OTHERS, None], ids=["another certificate", "none"])
async def test_a_stolen_token_opens_nothing(thumbprint: str | None) -> None:
    """Replayed over another connection; also right after its owner has used it, when it is remembered."""
    room = await ready(Room())
    assert await refused(room, token(), thumbprint) is Kind.WRONG_CERTIFICATE
    text = token()
    await room.verifier.admit(text, MINE)
    assert await refused(room, text, thumbprint) is Kind.WRONG_CERTIFICATE


async def test_a_token_that_is_bound_to_nothing_is_refused_unless_that_is_configured() -> None:
    """Whoever has it could use it."""
    room = await ready(Room())
    assert await refused(room, token(cnf=None)) is Kind.WRONG_CERTIFICATE
    room.verifier = room.new_verifier(unbound=True)
    assert await room.verifier.admit(token(cnf=None), None)
    assert await refused(room, token(), None) is Kind.WRONG_CERTIFICATE


async def test_a_token_is_verified_once() -> None:
    """The second time nothing is looked at but time, key and certificate."""
    room = await ready(Room())
    text = token()
    one, other = [await room.verifier.admit(text, MINE) for _ in range(2)]
    assert one is other and room.verifier.remembered == 1


async def test_a_remembered_token_ends_all_the_same() -> None:
    """An hour later, with the leeway."""
    room = await ready(Room())
    text = token()
    await room.verifier.admit(text, MINE)
    room.elapsed = 3606
    assert await refused(room, text) is Kind.EXPIRED
    assert room.verifier.remembered == 0


async def test_what_was_verified_with_a_key_that_is_taken_back_opens_nothing_more() -> None:
    """The issuer's key was stolen, and it publishes another one: remembered tokens end with the key."""
    room = await ready(Room())
    text = token()
    await room.verifier.admit(text, MINE)
    room.published, room.elapsed = document(new_key("k2")), 11
    await room.ring.refetch()
    assert await refused(room, text) is Kind.UNKNOWN_TOKEN


async def test_no_more_tokens_are_remembered_than_may_be() -> None:
    """The one used longest ago is verified again."""
    room = await ready(Room())
    room.verifier = room.new_verifier(remembered=2)
    texts = [token(jti=f"j{number}") for number in range(3)]
    for text in (*texts[:2], texts[0], texts[2]):
        await room.verifier.admit(text, MINE)
    first = await room.verifier.admit(texts[0], MINE)
    assert room.verifier.remembered == 2 and first is await room.verifier.admit(texts[0], MINE)


async def test_refused_tokens_are_not_remembered() -> None:
    """Whoever sends many of them fills nothing."""
    room = await ready(Room())
    for number in range(5):
        await refused(room, token(jti=f"j{number}", aud="vault"))
    assert room.verifier.remembered == 0


async def test_a_key_that_is_not_known_yet_is_asked_for() -> None:
    """The issuer signs with a new one; the first token of it waits for one question."""
    room = await ready(Room())
    second = new_key("k2")
    room.published, room.elapsed = document(FIRST, second), 11
    assert await room.verifier.admit(token(second), MINE)
    assert room.asked == 2


async def test_a_thousand_tokens_with_unknown_keys_cost_the_issuer_one_question() -> None:
    """All at once and one after the other, within the spacing."""
    room = await ready(Room())
    room.elapsed, room.hold = 11, asyncio.Event()
    strangers = [token(new_key("k9"), header={"kid": f"stranger-{number}"}) for number in range(20)]
    together = [asyncio.create_task(refused(room, text)) for text in strangers]
    await settle()
    room.hold.set()
    assert set(await asyncio.gather(*together)) == {Kind.UNKNOWN_TOKEN}
    for text in strangers:
        assert await refused(room, text) is Kind.UNKNOWN_TOKEN
    assert room.asked == 2
    room.elapsed = 22
    await refused(room, strangers[0])
    assert room.asked == 3


async def test_an_issuer_that_published_wrong_keys_is_believed_again_once_it_publishes_the_right_ones() -> None:
    """The same ids over other keys: no token fits, and the next question heals that, not the next refresh."""
    room = await ready(Room())
    room.published, room.elapsed = document(new_key("k1")), 11
    await room.ring.refetch()
    assert await refused(room, token()) is Kind.UNKNOWN_TOKEN
    room.published, room.elapsed = document(FIRST), 22
    assert await room.verifier.admit(token(), MINE)


async def test_the_issuer_may_be_away_for_hours() -> None:
    """Known and new tokens of known keys are let in; after the stated age nobody is, and it is not called their fault."""
    room = await ready(Room())
    text = token(exp=2_000_000)
    room.published = None
    for hours in (1, 12, 23.9):
        room.elapsed = hours * 3600
        await room.ring.refetch()
        assert await room.verifier.admit(text, MINE)
        assert await room.verifier.admit(token(exp=2_000_000, jti=f"j{hours}"), MINE)
    room.elapsed = 24 * 3600 + 1
    with pytest.raises(AccessRefused, match="86401 s old, the limit is 86400 s") as caught:
        await room.verifier.admit(text, MINE)
    assert (caught.value.kind, caught.value.status) == (Kind.KEYS_UNKNOWN, 503)


async def test_without_any_keys_nobody_is_let_in_and_nobody_is_accused() -> None:
    """A process that has just started, and the issuer is away."""
    assert await refused(Room(published=None), token()) is Kind.KEYS_UNKNOWN


async def test_a_token_of_a_new_key_is_not_called_unknown_while_the_issuer_cannot_be_asked() -> None:
    """It rotated its key, and this site does not reach it: the token is good elsewhere, and its client must not throw it away. Also within
    the spacing of the question that failed. A token that a known key did not sign is refused all the same."""
    room = await ready(Room())
    room.published, room.elapsed = None, 11
    second = new_key("k2")
    for _ in range(2):
        assert await refused(room, token(second)) is Kind.KEYS_UNKNOWN
        assert await refused(room, token(new_key("k1"))) is Kind.UNKNOWN_TOKEN
    assert room.asked == 2
    room.published, room.elapsed = document(FIRST, second), 22
    assert await room.verifier.admit(token(second), MINE)


async def test_nobody_waits_long_for_an_issuer_that_does_not_answer() -> None:
    """A black hole: the first stranger waits as long as requests may, those who come later not at all, and nobody is accused. The question
    stays out, and its answer serves whoever comes then."""
    room = Room()
    room.ring = room.new_ring(patience=timedelta(milliseconds=20))
    room.verifier = room.new_verifier()
    await ready(room)
    second = new_key("k2")
    room.published, room.elapsed, room.hold = document(FIRST, second), 11, asyncio.Event()
    assert await asyncio.wait_for(refused(room, token(second)), 2) is Kind.KEYS_UNKNOWN
    room.elapsed = 12
    late = asyncio.create_task(refused(room, token(second)))
    await settle()
    assert late.done() and late.result() is Kind.KEYS_UNKNOWN
    assert await room.verifier.admit(token(), MINE), "keys that are known are believed all the while"
    room.hold.set()
    await settle()
    assert await room.verifier.admit(token(second), MINE) and room.asked == 2


async def test_who_shows_no_certificate_makes_nobody_ask() -> None:
    """Whatever the issuer says, that token is bound to a certificate or to nothing; it costs no question and no wait."""
    room = await ready(Room())
    room.elapsed, room.hold = 11, asyncio.Event()
    assert await refused(room, token(new_key("k9")), None) is Kind.WRONG_CERTIFICATE
    assert await refused(room, token(new_key("k1")), None) is Kind.WRONG_CERTIFICATE
    assert room.asked == 1


async def test_a_question_that_is_given_up_by_one_is_answered_to_the_others() -> None:
    """A client hangs up while its token waits for the issuer."""
    room = await ready(Room())
    second = new_key("k2")
    room.published, room.elapsed, room.hold = document(FIRST, second), 11, asyncio.Event()
    gone, stays = (asyncio.create_task(room.verifier.admit(token(second, jti=name), MINE)) for name in "ab")
    await settle()
    gone.cancel()
    await settle()
    room.hold.set()
    assert (await stays).client == "till-7" and room.asked == 2
    assert room.ring.age == timedelta(0)
