"""Every authority is asked on its own; what hangs is unknown, and what differs is remembered since when."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.model import Group, Site
from controller.errors import Denied, Transient
from controller.ports import Ratios
from controller.probing.zone_probe import Nameservers, ZoneProbe
from controller.providers.memory.clock import SteppedClock

AWS, AZURE = Site("aws"), Site("azure")
PAY = Group("payments")
WANTED: Mapping[Group, Ratios] = {PAY: {AWS: 1.0, AZURE: 0.0}}
OLD: Mapping[Group, Ratios] = {PAY: {AWS: 0.5, AZURE: 0.5}}
SOON = timedelta(milliseconds=20)


@dataclass
class Authority:
    """Holds what it is told to hold, or hangs, or refuses; its name servers name what they are told to."""

    name: str
    held: Mapping[Group, Ratios] = field(default_factory=lambda: WANTED)
    hangs: bool = False
    error: Exception | None = None
    names: frozenset[Site] = frozenset({AWS})

    async def read(self) -> Mapping[Group, Ratios]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return self.held

    async def named(self, group: Group) -> frozenset[Site]:
        if self.hangs:
            await asyncio.Event().wait()
        if not self.names:
            raise Transient("answers none of 8 questions")
        return self.names


def probe(*authorities: Authority, by_dns: bool = False, clock: SteppedClock | None = None) -> ZoneProbe:
    servers = {one.name: one for one in authorities} if by_dns else {}
    return ZoneProbe(authorities=authorities, clock=clock or SteppedClock(), nameservers=servers, deadline=SOON)


async def test_authorities_that_hold_what_is_wanted_are_consistent() -> None:
    """By API alone, and with their name servers asked too."""
    three = [Authority(name) for name in ("route53", "azure", "clouddns")]
    assert (await probe(*three).look(WANTED)).consistent is True
    assert (await probe(*three, by_dns=True).look(WANTED)).consistent is True


async def test_one_that_hangs_hides_no_other() -> None:
    """The look ends in time, the hanging one is unknown, and another one's drift is found."""
    looking = probe(Authority("route53", hangs=True), Authority("azure", held=OLD), by_dns=True)
    async with asyncio.timeout(2):
        found = await looking.look(WANTED)
    assert set(found.unknown) == {"route53"}
    assert "no answer within" in found.unknown["route53"]
    assert [drift.authority for drift in found.drifts] == ["azure"]


async def test_what_cannot_be_asked_is_told_with_the_reason() -> None:
    """A missing permission is no drift."""
    found = await probe(Authority("route53", error=Denied("route53: AccessDenied"))).look(WANTED)
    assert found.unknown == {"route53": "route53: AccessDenied"}
    assert found.consistent is None


async def test_an_adapter_that_stumbles_over_an_answer_is_unknown_and_ends_no_look() -> None:
    """A weight that is no number, in an answer with status 200: the look belongs to the controller, and its end would be the
    controller's, and then the next one's that looks at the same authority."""
    stumbling = Authority("clouddns", error=ValueError("could not convert string to float: 'heavy'"))
    found = await probe(stumbling, Authority("azure", held=OLD)).look(WANTED)
    assert found.unknown == {"clouddns": "ValueError: could not convert string to float: 'heavy'"}
    assert [drift.authority for drift in found.drifts] == ["azure"]


async def test_a_name_that_cannot_be_asked_for_is_unknown_and_ends_no_look() -> None:
    """A label of 64 characters in the settings: no question can be made of it."""
    names = {PAY: (f"{'p' * 64}.trimaran.test",)}
    servers = Nameservers(host="127.0.0.1", port=9, names=names, sites={}, patience=SOON)
    looking = ZoneProbe(authorities=[Authority("route53")], clock=SteppedClock(), nameservers={"route53": servers})
    assert "LabelTooLong" in (await looking.look(WANTED)).unknown["route53"]


async def test_name_servers_that_say_something_else_than_their_api_are_found() -> None:
    """The API says what is wanted; a client is told the drained site."""
    found = await probe(Authority("route53", names=frozenset({AWS, AZURE})), by_dns=True).look(WANTED)
    assert [str(one) for one in found.misdirections] == ["name servers of route53 answer payments with azure, which is drained"]


async def test_name_servers_that_answer_nothing_are_unknown_and_the_api_still_counts() -> None:
    """Losing an authority's name servers is told; its records may be right all the same."""
    found = await probe(Authority("route53", names=frozenset()), by_dns=True).look(WANTED)
    assert found.unknown == {"route53": "answers none of 8 questions"}
    assert found.drifts == ()


async def test_a_difference_keeps_the_moment_it_was_first_seen() -> None:
    """Its age tells a propagation under way from an authority that was left behind; a repaired one is forgotten."""
    clock, authority = SteppedClock(), Authority("azure", held=OLD)
    looking = probe(authority, clock=clock)
    await looking.look(WANTED)
    first = clock.monotonic()
    await clock.advance(timedelta(seconds=7))
    await looking.look(WANTED)
    assert set(looking.since.values()) == {first}
    assert looking.looked == first + timedelta(seconds=7)
    authority.held = WANTED
    await looking.look(WANTED)
    assert looking.since == {}
    assert looking.latest is not None
    assert looking.latest.consistent is True


async def test_name_servers_that_are_gone_cost_their_patience_and_are_told() -> None:
    """Nobody listens at the port: Transient, not an empty answer."""
    servers = Nameservers(host="127.0.0.1", port=9, names={PAY: ("payments.trimaran.test",)}, sites={}, patience=SOON)
    # Far more than their patience: which of the two ends the look is what is asked, and a busy machine once took longer than two seconds.
    looking = ZoneProbe(
        authorities=[Authority("route53")], clock=SteppedClock(), nameservers={"route53": servers}, deadline=timedelta(seconds=60)
    )
    found = await looking.look(WANTED)
    assert "answers none of 8 questions" in found.unknown["route53"]
