"""A resolver spreads its questions, learns which authority is dead, and loses no lookup to it."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from lab.resolver import Answer, Ask, StubResolver, UnresolvedError
from lab.selection import FORGOTTEN, TRIES, Authorities, Figures, heard, missed

PLACES = ("azuredns", "clouddns", "route53")
FOUND = Answer(addresses=("192.0.2.1",), ttl=2.0)


@dataclass
class Internet:
    """Three authorities, 10 ms away each; a silent one costs whoever asks it all of his patience."""

    silent: set[str] = field(default_factory=set)
    now: float = 0.0
    far: dict[str, float] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)
    told: list[tuple[str, bool]] = field(default_factory=list)

    def server(self, place: str) -> Ask:
        async def ask(name: str, patience: float) -> Answer:
            await asyncio.sleep(0)
            self.asked.append((place, patience))
            takes = self.far.get(place, 0.01)
            if place in self.silent or takes > patience:
                self.now += patience
                raise UnresolvedError(name)
            self.now += takes
            return FOUND

        return ask

    def authorities(self, seed: int = 1) -> Authorities:
        return Authorities(
            {place: self.server(place) for place in PLACES},
            random.Random(seed).randrange,
            lambda: self.now,
            lambda _, place, answer: self.told.append((place, answer is not None)),
        )


async def test_equally_near_authorities_are_asked_alike() -> None:
    """None of three is left out or preferred."""
    world = Internet()
    authorities = world.authorities()
    for _ in range(900):
        await authorities.ask("pay", 1.0)
    counts = Counter(place for place, _ in world.asked)
    assert set(counts) == set(PLACES)
    assert all(240 < count < 360 for count in counts.values()), counts


@pytest.mark.parametrize("seed", range(20))
async def test_a_dead_authority_costs_a_second_in_all_and_no_lookup(seed: int) -> None:
    """Each time it is met it costs its present time-out, and after a few times it is not met any more."""
    world = Internet()
    authorities = world.authorities(seed)
    for _ in range(30):
        await authorities.ask("pay", 1.0)
    world.silent, world.asked, began = {"route53"}, [], world.now
    for _ in range(200):
        assert (await authorities.ask("pay", 1.0)) == FOUND
    lost = [patience for place, patience in world.asked if place == "route53"]
    assert lost == sorted(lost)
    assert sum(lost) < 1.0
    assert world.now - began < 200 * 0.01 + 1.0
    assert {place for place, _ in world.asked[-100:]} == {"azuredns", "clouddns"}


@pytest.mark.parametrize("seed", range(50))
async def test_a_device_that_never_asked_before_finds_a_living_authority(seed: int) -> None:
    """One of three dead from the beginning: no first lookup fails."""
    world = Internet(silent={"route53"})
    resolver = StubResolver(world.authorities(seed).ask, lambda: world.now)
    assert await resolver.address("pay") == "192.0.2.1"
    assert world.now <= 0.25 + 0.5 + 1.0


async def test_a_dead_authority_is_tried_again_when_its_figures_are_forgotten() -> None:
    """Otherwise a resolver would do without an authority that came back, for ever."""
    world = Internet(silent={"route53"})
    authorities = world.authorities()
    for _ in range(50):
        await authorities.ask("pay", 1.0)
    world.silent = set()
    assert "route53" not in authorities.candidates()
    world.now += FORGOTTEN
    assert "route53" in authorities.candidates()
    world.asked.clear()
    for _ in range(20):
        await authorities.ask("pay", 1.0)
    assert "route53" in {place for place, _ in world.asked}


async def test_only_an_authority_that_is_very_far_is_left_out() -> None:
    """The band is 400 ms wide and time-outs allow for deviation: 60 ms is as good as 10, 600 is not."""
    for far, expected in ((0.06, set(PLACES)), (0.6, {"azuredns", "clouddns"})):
        world = Internet(far={"route53": far})
        authorities = world.authorities()
        for _ in range(60):
            await authorities.ask("pay", 1.0)
        world.asked.clear()
        for _ in range(60):
            await authorities.ask("pay", 1.0)
        assert {place for place, _ in world.asked} == expected


async def test_nobody_answering_ends_within_the_patience() -> None:
    """All three dead: the lookup fails, in time, and is told of every query."""
    world = Internet(silent=set(PLACES))
    authorities = world.authorities()
    with pytest.raises(UnresolvedError):
        await authorities.ask("pay", 0.7)
    assert world.now == pytest.approx(0.7)
    assert world.told
    assert not any(answered for _, answered in world.told)


async def test_an_asker_without_patience_learns_nothing_of_a_server() -> None:
    """Silent for less than its time-out, it is asked again; silent for all of it, its time-out doubles until it is left alone."""
    world = Internet()
    authorities = world.authorities()
    for _ in range(60):
        await authorities.ask("pay", 1.0)
    world.silent = set(PLACES)
    for _ in range(10):
        with pytest.raises(UnresolvedError):
            await authorities.ask("pay", 0.04)
    assert set(authorities.candidates()) == set(PLACES)
    world.silent = {"route53"}
    for _ in range(60):
        await authorities.ask("pay", 5.0)
    assert set(authorities.candidates()) == {"azuredns", "clouddns"}


async def test_servers_that_fail_at_once_are_not_asked_without_end() -> None:
    """A refusal takes no time; without a bound the loop would spin until the patience is over."""
    asked = 0

    async def refuse(name: str, patience: float) -> Answer:
        nonlocal asked
        asked += 1
        raise UnresolvedError(name)

    with pytest.raises(UnresolvedError):
        await Authorities(dict.fromkeys(PLACES, refuse), random.Random(1).randrange, lambda: 0.0).ask("pay", 1.0)
    assert asked == TRIES * len(PLACES)


def test_figures_follow_rfc_6298() -> None:
    """Smoothed by an eighth, deviation by a quarter, time-out four deviations above; silence doubles the time-out alone."""
    first = heard(Figures(since=5.0), 0.2)
    assert first.smoothed == pytest.approx(0.025)
    assert first.deviation == pytest.approx(0.1205)
    assert first.timeout == pytest.approx(0.507)
    silent = missed(first)
    assert (silent.smoothed, silent.deviation, silent.since) == (first.smoothed, first.deviation, first.since)
    assert silent.timeout == pytest.approx(2 * first.timeout)
    assert heard(silent, 0.2).timeout < silent.timeout
