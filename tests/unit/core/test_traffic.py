"""A site's own traffic as a signal: what it says, and when it says nothing."""

import math
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Health
from controller.core.traffic import Counts, Limits, Track, Window, between, judge, opinion

LIMITS = Limits()
SECOND = timedelta(seconds=1)
HOUR = 3600


def window(answered: int = 50, failed: int = 0, ms: float = 30, lasted: timedelta = SECOND) -> Window:
    """One second."""
    return Window(answered=answered, failed=failed, mean=timedelta(milliseconds=ms), lasted=lasted)


def after(windows: Iterable[Window | None], track: Track | None = None, limits: Limits = LIMITS) -> Track:
    """The track that these windows make."""
    track = track or Track()
    for one in windows:
        track = judge(track, one, limits)
    return track


def well(seed: int = 1, seconds: int = 300) -> Track:
    """A site in calm."""
    chance = random.Random(seed)
    return after(window(answered=chance.randint(30, 70), ms=chance.uniform(25, 45)) for _ in range(seconds))


BAD = [window(failed=30)] * LIMITS.accuse


def test_a_site_whose_requests_begin_to_fail_is_failing_and_says_how_many() -> None:
    """After so many windows in a row, and not one sooner."""
    assert after(BAD[:-1], well()).health is Health.UNKNOWN
    track = after(BAD, well())
    assert track.health is Health.FAILING
    assert "30 of 50 requests failed" in track.detail


def test_a_site_that_answers_far_later_than_usual_is_failing() -> None:
    """Five times the usual, where it varies as little as such means do; twice the usual is a busy evening."""
    track = after([window(ms=175)] * LIMITS.accuse, well())
    assert track.health is Health.FAILING and "5 times the usual" in track.detail
    assert after([window(ms=70)] * 60, well()).health is Health.HEALTHY


def test_forgiving_takes_longer_than_accusing_and_no_pause_shortens_it() -> None:
    """A window without requests in between is no absolution either."""
    accused = after(BAD, well())
    assert after([window()] * (LIMITS.forgive - 1), accused).health is Health.FAILING
    assert after([window()] * LIMITS.forgive, accused).health is Health.HEALTHY
    paused = after([window(answered=0), window()], accused)
    assert paused.health is Health.UNKNOWN
    assert LIMITS.forgive > LIMITS.accuse


@pytest.mark.parametrize("one", [None, window(answered=0), window(answered=LIMITS.volume - 1, failed=LIMITS.volume - 1)])
def test_few_requests_say_nothing_however_many_of_them_fail(one: Window | None) -> None:
    """One client whose every request fails is no failing site; neither is a counter that began anew."""
    assert after([one] * 100, well()).health is Health.UNKNOWN
    loose = replace(LIMITS, volume=1)
    if one is not None and one.answered:
        assert after([one] * 100, well(), loose).health is Health.FAILING, "the least volume is what prevents it"


def test_a_pause_begins_the_counting_anew() -> None:
    """Two bad windows, a minute without requests, four bad windows: not six in a row."""
    track = after([*BAD[:2], window(answered=0), *BAD[2:]], well())
    assert track.health is Health.UNKNOWN


def test_what_is_usual_must_be_known_before_anything_is_unusual() -> None:
    """A service that starts answers slowly and badly, and is accused by nobody."""
    chance = random.Random(4)
    for number in range(int(LIMITS.known)):
        track = after(window(failed=chance.randint(0, 50), ms=chance.uniform(1, 2000)) for _ in range(number))
        assert track.health is Health.UNKNOWN


def test_an_outage_of_minutes_does_not_become_usual() -> None:
    """Five minutes of failures later it is still failing; an hour later that is what the site is like, and people know."""
    outage = after([window(failed=30)] * 300, well(seconds=900))
    assert outage.health is Health.FAILING
    assert after([window(failed=30)] * HOUR, outage).health is Health.HEALTHY


def test_calm_noise_accuses_nobody() -> None:
    """An hour of jitter, of single failures, of pauses of two seconds, and of volumes that rise and fall tenfold."""
    chance = random.Random(5)
    track = well()
    for second in range(HOUR):
        volume = max(1, round(10 * 10 ** chance.random()))
        failed = sum(chance.random() < 0.02 for _ in range(volume))
        paused = second % 97 in (0, 1)
        track = judge(track, window(volume, volume if paused else failed, chance.uniform(20, 500 if paused else 80)), LIMITS)
        assert track.health is not Health.FAILING, second


@pytest.mark.parametrize(("varied", "shortest", "longest"), [(0.02, 20, 30), (0.3, 4, 10)])
def test_ten_times_the_latency_for_good_is_usual_within_half_an_hour(varied: float, shortest: int, longest: int) -> None:
    """Not within the minutes of an outage, and not held against a site for ever; minutes, the fewer the more it had varied."""
    chance = random.Random(6)
    track = after(window(ms=35 * (1 + chance.uniform(-varied, varied))) for _ in range(900))
    assert after([window(ms=350)] * 60 * shortest, track).health is Health.FAILING
    assert after([window(ms=350)] * 60 * longest, track).health is Health.HEALTHY


def test_less_traffic_is_never_held_against_a_site() -> None:
    """That is what being drained looks like. It is told with what is usual."""
    track = after([window(answered=LIMITS.volume)] * 100, well())
    assert track.health is Health.HEALTHY
    assert "20 requests a second" in track.detail and re.search(r"usual are (4\d|5\d) requests a second$", track.detail)
    assert "usual" not in well().detail


CROWDED = window(answered=150, ms=250)
"""All traffic of three sites at one of them, which is slow with it."""


def test_who_is_slow_because_far_more_requests_come_than_usual_is_not_to_blame() -> None:
    """Two sites are drained, and the third carries all: unknown, with the reason. As slow with the usual number, it is failing."""
    track = after([CROWDED] * 60, well())
    assert track.health is Health.UNKNOWN and track.bad == 0
    assert re.search(r"7 times the usual; but [23]\.\d times the usual \d\d requests a second come", track.detail)
    assert after([replace(CROWDED, answered=50)] * LIMITS.accuse, well()).health is Health.FAILING
    deaf = replace(LIMITS, crowded=math.inf)
    assert after([CROWDED] * LIMITS.accuse, well(), deaf).health is Health.FAILING, "the volume is what excuses it"


def test_a_crowd_that_stays_is_the_usual_and_excuses_nothing() -> None:
    """After minutes, not after one, and before a day is over."""
    calm, crowd = well(seconds=900), window(answered=150)
    assert "times the usual" in after([crowd] * 180, calm).detail
    stayed = after([crowd] * 1800, calm)
    assert "usual" not in stayed.detail
    assert after([CROWDED] * LIMITS.accuse, stayed).health is Health.FAILING


def test_an_accused_site_to_which_a_crowd_comes_is_in_doubt() -> None:
    """Whether it would still be slow without the crowd, nobody knows; an accusation begins anew after it."""
    accused = after([window(ms=250)] * LIMITS.accuse, well())
    assert accused.health is Health.FAILING
    assert after([CROWDED], accused).health is Health.UNKNOWN
    assert after([CROWDED, *[window(ms=250)] * (LIMITS.accuse - 1)], accused).health is Health.UNKNOWN


def test_slowness_that_is_left_of_a_crowd_is_held_against_nobody_and_other_slowness_is() -> None:
    """The mean that is told is one over many requests: it falls slowly, and the crowd is gone before it has. Then the excuse is, too."""
    crowded, slow = after([CROWDED] * 60, well(seconds=900)), window(ms=250)
    settling = -(-LIMITS.settles // slow.answered)
    left = after([slow] * (settling - 1), crowded)
    assert left.health is Health.UNKNOWN and left.bad == 0 and "a moment ago" in left.detail
    assert after([slow] * (LIMITS.accuse - 1), left).health is Health.UNKNOWN
    assert after([slow] * LIMITS.accuse, left).health is Health.FAILING
    hasty = replace(LIMITS, settles=1)
    assert after([slow] * (LIMITS.accuse + 1), after([CROWDED] * 60, well(seconds=900), hasty), hasty).health is Health.FAILING


def test_a_crowd_is_no_excuse_for_requests_that_fail() -> None:
    """What a site fails comes again: two of three failed and tried again twice are three times the usual number. However late they fail."""
    assert after([window(answered=150, failed=100)] * LIMITS.accuse, well()).health is Health.FAILING
    track = after([window(answered=150, failed=100, ms=250)] * LIMITS.accuse, well())
    assert track.health is Health.FAILING
    assert "100 of 150 requests failed" in track.detail and "times the usual" in track.detail


def test_a_crowd_that_is_answered_well_is_told_and_is_well() -> None:
    """Twelve windows of it forgive as any others do."""
    track = after([window(answered=150)] * LIMITS.forgive, after(BAD, well()))
    assert track.health is Health.HEALTHY and re.search(
        r"[23]\.\d times the usual (4\d|5\d) requests a second come", track.detail
    )


def test_a_track_is_published_as_one_vantages_word() -> None:
    """With how often in a row it was so, and the numbers it rests on."""
    said = opinion(after(BAD, well()))
    assert (said.health, said.misses, said.successes) == (Health.FAILING, LIMITS.accuse, 0)
    assert "30 of 50 requests failed" in said.detail
    assert opinion(well()).successes > 0 and opinion(Track()).health is Health.UNKNOWN


def counts(answered: int, failed: int = 0) -> Counts:
    """What an edge tells."""
    return Counts(answered=answered, failed=failed, mean=timedelta(milliseconds=30))


def test_a_window_is_the_difference_of_two_looks() -> None:
    """None when HAProxy was restarted in between, or when the two looks are one."""
    assert between(counts(100, 5), counts(150, 6), SECOND, LIMITS) == window(50, 1)
    assert between(counts(100, 5), counts(20, 1), SECOND, LIMITS) is None
    assert between(counts(100, 5), counts(150, 4), SECOND, LIMITS) is None
    assert between(counts(100), counts(101), timedelta(milliseconds=10), LIMITS) is None
