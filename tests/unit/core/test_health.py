"""Opinions and agreement: what accuses, what does not, and that the same settings are both calm and quick."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.health import (
    Sample,
    Track,
    accuses,
    agreed,
    fresh_vantages,
    judge,
    opinion,
    slept,
    suspects_itself,
    unmeasured,
    waiting,
)
from controller.core.model import Aged, Health, Opinion, Part, Site
from controller.core.policy import Policy
from tests.unit.core.noise import Noise, Rules, accusations, agreed_on, detection, edge_accusations, pauses_until
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, STALE, Words, World, everybody, observation, said

POLICY = Policy()
QUICK, LATE = timedelta(milliseconds=25), timedelta(milliseconds=700)
WELL = Sample(ok=True, took=QUICK, detail="well")
MISS = Sample(ok=False, took=QUICK, detail="refused")


def after(*samples: Sample, part: Part = Part.DATABASE, track: Track | None = None) -> Track:
    """The track that these samples make."""
    track = track or Track()
    for sample in samples:
        track = judge(track, part, sample, POLICY)
    return track


def agreement(world: World, site: Site = AZURE, part: Part = Part.DATABASE) -> Health:
    """What this world's vantages agree on."""
    return agreed(site, part, world.snapshot().observations, world.policy).health


def test_nothing_measured_is_unknown() -> None:
    """Before the first answer a vantage has no opinion."""
    assert opinion(Track()).health is Health.UNKNOWN


def test_three_misses_accuse_and_two_do_not() -> None:
    """A database is failing after exactly `misses_to_accuse` consecutive misses."""
    assert after(WELL, MISS, MISS).health is Health.HEALTHY
    assert after(WELL, MISS, MISS, MISS).health is Health.FAILING


def test_misses_must_be_consecutive() -> None:
    """Any answer starts the count anew."""
    assert after(WELL, MISS, MISS, WELL, MISS, MISS).health is Health.HEALTHY


def test_forgiving_is_slower_than_accusing() -> None:
    """Three misses accuse; seven answers in time do not yet forgive, eight do."""
    accused = after(WELL, MISS, MISS, MISS)
    assert after(*[WELL] * 7, track=accused).health is Health.FAILING
    assert after(*[WELL] * 8, track=accused).health is Health.HEALTHY
    assert after(*[WELL] * 7, MISS, *[WELL] * 7, track=accused).health is Health.FAILING


def test_an_edge_is_in_doubt_before_it_is_failing() -> None:
    """A service may pause for two seconds: the edge becomes unknown, and failing only after `misses_to_drain`."""
    assert after(WELL, *[MISS] * 3, part=Part.EDGE).health is Health.UNKNOWN
    assert after(WELL, *[MISS] * 5, part=Part.EDGE).health is Health.UNKNOWN
    assert after(WELL, *[MISS] * 6, part=Part.EDGE).health is Health.FAILING


def test_silence_accuses_while_the_probe_still_waits() -> None:
    """Detection does not wait for the probe's patience: 1.2 s of silence is enough."""
    healthy = after(WELL)
    assert waiting(healthy, Part.DATABASE, timedelta(seconds=1.19), POLICY).health is Health.HEALTHY
    assert waiting(healthy, Part.DATABASE, timedelta(seconds=1.2), POLICY).health is Health.FAILING


def test_a_late_answer_takes_misses_back_but_earns_no_forgiveness() -> None:
    """Late is alive: it never accuses by itself, and it never forgives."""
    late = Sample(ok=True, took=LATE)
    assert after(WELL, MISS, late, MISS, MISS).health is Health.HEALTHY
    assert after(WELL, MISS, MISS, MISS, *[late] * 19).health is Health.FAILING


def test_an_answer_after_the_accusation_does_not_take_it_back() -> None:
    """What was published as failing stays so until it is forgiven, however the probe ended."""
    slow = Sample(ok=True, took=timedelta(seconds=1.5))
    assert after(WELL, slow).health is Health.FAILING
    assert after(WELL, slow, *[WELL] * 8).health is Health.HEALTHY


def test_an_accusation_counts_until_its_accuser_is_answered() -> None:
    """It takes eight answers to be forgiven and one to stop counting; one miss makes it count again, and a late answer changes nothing."""
    accused = after(WELL, MISS, MISS, MISS)
    assert accuses(opinion(accused))
    assert not accuses(opinion(after(WELL, track=accused)))
    assert accuses(opinion(after(WELL, MISS, track=accused)))
    assert accuses(opinion(after(Sample(ok=True, took=LATE), track=accused)))
    silence = waiting(after(WELL, track=accused), Part.DATABASE, POLICY.probe_timeout, POLICY)
    assert accuses(opinion(silence)), "silence for as long as one miss is one"


def test_always_late_is_failing_in_the_end() -> None:
    """A database that answers everything too late is of no use to a payment, though it never misses."""
    late = Sample(ok=True, took=LATE)
    assert after(WELL, *[late] * 19).health is Health.HEALTHY
    assert after(WELL, *[late] * 20).health is Health.FAILING


def test_a_sleeping_vantage_measures_nothing() -> None:
    """A probe that failed while this controller was stopped says nothing about the target."""
    asleep = Sample(ok=False, took=timedelta(seconds=2), slept=timedelta(seconds=1.9))
    assert after(WELL, asleep, asleep, asleep).health is Health.HEALTHY
    assert after(WELL, replace(asleep, slept=timedelta(0))).health is Health.FAILING


@pytest.mark.parametrize(("gap_ms", "expected_ms"), [(50, 0), (190, 0), (201, 151), (2050, 2000)])
def test_only_a_large_gap_is_sleep(gap_ms: int, expected_ms: int) -> None:
    """Lateness within the slack is a busy loop; beyond it all of the lost time counts."""
    lost = slept(timedelta(milliseconds=gap_ms), timedelta(milliseconds=50), timedelta(milliseconds=150))
    assert lost == timedelta(milliseconds=expected_ms)


def test_not_being_able_to_ask_is_unknown() -> None:
    """A vantage with wrong credentials accuses nobody, and vouches for nobody."""
    assert unmeasured(after(WELL), "denied").health is Health.UNKNOWN
    assert unmeasured(after(WELL, MISS, MISS, MISS), "denied").health is Health.UNKNOWN


def others(*words: Opinion) -> dict[Site, dict[Part, Opinion]]:
    """azure's opinions: itself well, aws and gcp as given."""
    well = said(Health.HEALTHY)
    return {
        AZURE: dict.fromkeys(Part, well),
        AWS: dict.fromkeys(Part, words[0]),
        **({GCP: dict.fromkeys(Part, words[1])} if len(words) > 1 else {}),
    }


def test_a_vantage_that_sees_everybody_fail_suspects_itself() -> None:
    """Every other site failing at once is more likely this vantage's own network; nearly failing is close enough."""
    failing, nearly, well = said(Health.FAILING), said(Health.HEALTHY, misses=2), said(Health.HEALTHY)
    assert suspects_itself(AZURE, others(failing, failing), POLICY)
    assert suspects_itself(AZURE, others(failing, nearly), POLICY)
    assert not suspects_itself(AZURE, others(failing, well), POLICY)
    assert not suspects_itself(AZURE, others(nearly, nearly), POLICY)
    assert not suspects_itself(AZURE, others(failing), POLICY)


def test_one_living_part_elsewhere_removes_the_suspicion() -> None:
    """When aws's edge answers, the network is not to blame for its database."""
    opinions = others(said(Health.FAILING), said(Health.FAILING))
    opinions[AWS][Part.EDGE] = said(Health.HEALTHY)
    assert not suspects_itself(AZURE, opinions, POLICY)


def test_everybody_well_is_healthy() -> None:
    """Fresh vantages that agree are believed."""
    assert agreement(World()) is Health.HEALTHY


def test_two_outside_vantages_are_enough() -> None:
    """azure died with its controller: aws and gcp accuse it, its own last word is stale."""
    assert agreement(World(words=everybody(AZURE, but=(AZURE,)), ages={AZURE: STALE})) is Health.FAILING
    assert agreement(World(words=everybody(AZURE, but=(AZURE,)), silent=frozenset({AZURE}))) is Health.FAILING


def test_outside_agreement_outweighs_the_site_itself() -> None:
    """azure's own vantage still reaches its database, nobody else does: two against one."""
    assert agreement(World(words=everybody(AZURE, but=(AZURE,)))) is Health.FAILING


@pytest.mark.parametrize("vantage", SITES)
def test_one_vantage_alone_never_accuses(vantage: Site) -> None:
    """An asymmetric partition: one says failing, the others healthy, whichever one it is."""
    assert agreement(World(words={(vantage, AZURE, Part.DATABASE): Health.FAILING})) is Health.HEALTHY
    alone = World(words=everybody(AZURE), silent=frozenset(SITES) - {vantage})
    assert agreement(alone) is Health.UNKNOWN


def test_a_tie_is_unknown() -> None:
    """One for, one against, one stale: nothing is done about the site."""
    world = World(words={(AWS, AZURE, Part.DATABASE): Health.FAILING}, ages={AZURE: STALE})
    assert agreement(world) is Health.UNKNOWN


def test_the_sites_own_cloud_is_not_enough() -> None:
    """Even where a single word would do, it has to come from outside the site's own cloud."""
    policy = Policy(vantages=1)
    words: Words = everybody(AZURE, but=(AWS, GCP))
    assert agreement(World(words=words, policy=policy, silent=frozenset({AWS, GCP}))) is Health.UNKNOWN


def test_a_minority_of_many_vantages_does_not_accuse() -> None:
    """Five vantages, two of which lost their way to azure: three see it healthy, and it stays healthy."""
    five = [AWS, AZURE, GCP, Site("office"), Site("partner")]
    words: Words = {(vantage, AZURE, Part.DATABASE): Health.FAILING for vantage in five[3:]}
    observations = {vantage: Aged(value=observation(vantage, words), age=timedelta(0)) for vantage in five}
    assert agreed(AZURE, Part.DATABASE, observations, POLICY).health is Health.HEALTHY
    del observations[AWS]
    assert agreed(AZURE, Part.DATABASE, observations, POLICY).health is Health.UNKNOWN


def test_who_is_answered_again_neither_accuses_nor_clears() -> None:
    """aws and gcp had accused azure. While either of them is answered, only one accuses; healthy it is when both have forgiven."""
    world = World(words=everybody(AZURE, but=(AZURE,)), silent=frozenset({AZURE}))
    assert agreement(replace(world, answered=frozenset({(AWS, AZURE)}))) is Health.UNKNOWN
    answered = replace(world, answered=frozenset({(AWS, AZURE), (GCP, AZURE)}))
    assert agreement(answered) is Health.UNKNOWN
    reason = agreed(AZURE, Part.DATABASE, answered.snapshot().observations, POLICY).reason
    assert "aws says failing (0.2 s ago, not counted: azure answers again, 1 in time)" in reason.limit


@pytest.mark.parametrize("excuse", ["stale", "suspects itself"])
def test_words_that_do_not_count(excuse: str) -> None:
    """A stale accuser and one that suspects itself leave a single voice, which is not enough."""
    world = World(words=everybody(AZURE, but=(AZURE,)), silent=frozenset({AZURE}))
    world = replace(world, ages={AWS: STALE}) if excuse == "stale" else replace(world, suspecting=frozenset({AWS}))
    assert agreement(world) is Health.UNKNOWN
    assert fresh_vantages(world.snapshot(), POLICY) == {GCP}


def test_an_agreement_says_who_said_what_and_how_old() -> None:
    """The evidence names every vantage, its word and its age, counted or not."""
    world = World(words=everybody(AZURE, but=(AZURE,)), ages={AZURE: STALE})
    reason = agreed(AZURE, Part.DATABASE, world.snapshot().observations, POLICY).reason
    assert reason.guard == "health:azure/database"
    assert reason.value == "failing"
    assert "aws says failing (0.2 s ago)" in reason.limit
    assert "azure says healthy (5.0 s ago, not counted: older than 1.0 s)" in reason.limit
    assert reason.age == timedelta(milliseconds=200)


def test_calm_in_noise() -> None:
    """Twelve hours (72 calm runs) of 250 ms jitter each way, 2 % loss, pauses to 2 s: two vantages never accuse together."""
    first, second = (accusations(seed, 12, POLICY, Noise(), Rules()) for seed in (1, 2))
    assert agreed_on(first, second) == 0
    assert len(first) + len(second) < 24, "a single vantage accuses less than once an hour"


def test_a_stopped_service_is_not_drained_in_noise() -> None:
    """Six hours of the same noise with a service stopped for up to 2 s, three times a minute: no agreed drain. One miss fewer
    would drain it again and again."""
    noise = Noise()
    stops = pauses_until(6, 99, noise)
    hasty = replace(POLICY, misses_to_drain=5)
    calm, drained = (agreed_on(*(edge_accusations(n, stops, policy, noise) for n in (1, 2))) for policy in (POLICY, hasty))
    assert calm == 0
    assert drained > 0


def test_giving_a_probe_up_at_its_timeout_would_accuse_a_healthy_writer() -> None:
    """Without waiting on, one slow answer costs the session, and no new session fits into the timeout: within half an hour both
    vantages accuse."""
    rules = Rules(keeps_waiting=False)
    first, second = (accusations(seed, 0.5, POLICY, Noise(), rules) for seed in (1, 2))
    assert agreed_on(first, second) > 0


def test_counting_ones_own_absence_would_accuse_a_healthy_writer() -> None:
    """Without the awake clock, two controllers stopped one after the other agree within half an hour that the writer is gone."""
    rules = Rules(counts_awake_time=False)
    first, second = (accusations(seed, 0.5, POLICY, Noise(), rules) for seed in (1, 2))
    assert agreed_on(first, second) > 0


def test_a_real_death_is_agreed_within_1600_ms() -> None:
    """The very same settings: 2,000 deaths at random moments, each write to etcd 60 ms, everybody looking every 50 ms."""
    times = sorted(detection(seed, POLICY, Noise(), write=0.06) for seed in range(2000))
    assert times[-1] <= 1.6
    assert times[1000] <= 1.5
