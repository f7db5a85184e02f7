"""The stub resolver behaves as real devices do, their weaknesses included."""

import asyncio
from dataclasses import dataclass, field

import dns.message
import dns.rrset
import pytest

from lab.resolver import Answer, StubResolver, UnresolvedError, read


@dataclass
class Authority:
    """Answers from a script; None is silence."""

    script: list[Answer | None]
    asked: list[float] = field(default_factory=list)
    now: float = 0.0

    async def ask(self, name: str, patience: float) -> Answer:
        self.asked.append(patience)
        await asyncio.sleep(0)
        answer = self.script.pop(0) if self.script else None
        if answer is None:
            self.now += patience
            raise UnresolvedError(name)
        return answer

    def monotonic(self) -> float:
        return self.now


def answer(address: str, ttl: float = 2.0) -> Answer:
    return Answer(addresses=(address,), ttl=ttl)


async def test_an_answer_is_kept_until_its_ttl_ends_and_not_longer() -> None:
    """The address stays the same for the whole TTL, even when another would be better, and is asked for again right after."""
    authority = Authority([answer("192.0.2.1"), answer("192.0.2.2")])
    resolver = StubResolver(authority.ask, authority.monotonic)
    assert await resolver.address("pay") == "192.0.2.1"
    authority.now = 1.999
    assert await resolver.address("pay") == "192.0.2.1"
    assert len(authority.asked) == 1
    authority.now = 2.0
    assert await resolver.address("pay") == "192.0.2.2"


async def test_only_the_first_answer_is_kept_shorter() -> None:
    """Caches in the field have different ages; from the second answer on every device keeps the whole TTL."""
    authority = Authority([answer("192.0.2.1", 30.0), answer("192.0.2.2", 30.0), answer("192.0.2.3", 30.0)])
    resolver = StubResolver(authority.ask, authority.monotonic, first_share=0.25)
    seen = []
    for moment in (0.0, 7.4, 7.5, 37.4, 37.5):
        authority.now = moment
        seen.append((await resolver.address("pay"))[-1])
    assert seen == ["1", "1", "2", "2", "3"]


async def test_payments_at_the_same_time_share_one_lookup() -> None:
    """A device asks once, however many of its payments wait; one that gives up does not end it for the others."""
    authority = Authority([answer("192.0.2.1")])
    resolver = StubResolver(authority.ask, authority.monotonic)
    waiting = [asyncio.create_task(resolver.address("pay")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await asyncio.gather(*waiting[1:]) == ["192.0.2.1"] * 4
    assert len(authority.asked) == 1


async def test_silence_is_asked_again_with_growing_patience() -> None:
    """A lost query is repeated within the same lookup."""
    authority = Authority([None, None, answer("192.0.2.3")])
    resolver = StubResolver(authority.ask, authority.monotonic)
    assert await resolver.address("pay") == "192.0.2.3"
    assert authority.asked == [0.25, 0.5, 1.0]


async def test_nothing_is_served_after_its_ttl() -> None:
    """With a silent authority an expired answer is no answer; the next lookup starts anew and finds the authority back."""
    authority = Authority([answer("192.0.2.1"), None, None, None, answer("192.0.2.2")])
    resolver = StubResolver(authority.ask, authority.monotonic)
    await resolver.address("pay")
    authority.now = 5.0
    with pytest.raises(UnresolvedError):
        await resolver.address("pay")
    assert await resolver.address("pay") == "192.0.2.2"


async def test_a_device_that_ignores_ttls_keeps_its_first_address_for_ever() -> None:
    """An hour later it still pays where it was sent first; only a missing address is asked for again."""
    authority = Authority([Answer(addresses=(), ttl=1.0), answer("192.0.2.1"), answer("192.0.2.2")])
    resolver = StubResolver(authority.ask, authority.monotonic, ignores_ttl=True)
    with pytest.raises(UnresolvedError):
        await resolver.address("pay")
    authority.now = 1.0
    assert await resolver.address("pay") == "192.0.2.1"
    authority.now = 3600.0
    assert await resolver.address("pay") == "192.0.2.1"
    assert len(authority.asked) == 2


async def test_names_are_kept_apart() -> None:
    """A short and a long TTL of one device do not mix."""
    authority = Authority([answer("192.0.2.1", 2), answer("192.0.2.1", 30), answer("192.0.2.2", 2)])
    resolver = StubResolver(authority.ask, authority.monotonic)
    await resolver.address("fast")
    await resolver.address("slow")
    authority.now = 10.0
    assert await resolver.address("slow") == "192.0.2.1"
    assert await resolver.address("fast") == "192.0.2.2"


async def test_a_negative_answer_is_kept_too() -> None:
    """A name without an address is not asked for again until its own TTL is over."""
    authority = Authority([Answer(addresses=(), ttl=3.0), answer("192.0.2.1")])
    resolver = StubResolver(authority.ask, authority.monotonic)
    for now in (0.0, 2.9):
        authority.now = now
        with pytest.raises(UnresolvedError, match="no address"):
            await resolver.address("pay")
    authority.now = 3.0
    assert await resolver.address("pay") == "192.0.2.1"


async def test_the_smallest_ttl_of_a_chain_counts() -> None:
    """An alias with a short life ends the address behind it."""
    reply = dns.message.make_response(dns.message.make_query("a.test", "A"))
    reply.answer = [
        dns.rrset.from_text("a.test.", 5, "IN", "CNAME", "b.test."),
        dns.rrset.from_text("b.test.", 60, "IN", "A", "192.0.2.1"),
    ]
    assert read(reply) == Answer(addresses=("192.0.2.1",), ttl=5)


async def test_a_negative_ttl_is_the_smaller_of_the_soa_and_its_minimum() -> None:
    """RFC 2308 section 5."""
    reply = dns.message.make_response(dns.message.make_query("a.test", "A"))
    reply.authority = [dns.rrset.from_text("test.", 900, "IN", "SOA", "ns.test. host.test. 1 2 3 4 60")]
    assert read(reply) == Answer(addresses=(), ttl=60)
