"""Which requests are shown, and that asking and failing are bounded."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from workload.telemetry.sampling import Sampling, Verdict

SLOW = timedelta(seconds=0.25)
TRACES = st.integers(1, 2**128 - 1)


def sampling(ratio: float = 0.0, asked: float = 2, failed: float = 2) -> Sampling:
    """A rule."""
    return Sampling(ratio=ratio, slow=SLOW, asked_per_second=asked, failed_per_second=failed)


@given(TRACES)
def test_every_service_chooses_the_same_traces(trace: int) -> None:
    """The id decides, not the process, not the time and not the upper half of the id."""
    first, second = (sampling(0.3).chooses(trace, asked=False, now=now) for now in (0.0, 99.0))
    assert first is second is sampling(0.3).chooses(trace & (2**64 - 1), asked=False, now=5.0)
    assert sampling(1.0).chooses(trace, asked=False, now=0.0)
    assert not sampling(0.0).chooses(trace, asked=False, now=0.0)


@given(TRACES, st.floats(0, 1), st.floats(0, 1))
def test_a_greater_share_has_the_smaller_one_inside(trace: int, one: float, other: float) -> None:
    """A service with another ratio adds traces and takes none away."""
    small, large = sorted((one, other))
    assert sampling(large).chooses(trace, asked=False, now=0) >= sampling(small).chooses(trace, asked=False, now=0)


def test_a_caller_who_wants_everything_gets_so_many_a_second() -> None:
    """Anybody can set the flag."""
    rule = sampling(asked=2)
    assert [rule.chooses(1 << 63, asked=True, now=1.0) for _ in range(4)] == [True, True, False, False]
    assert rule.chooses(1 << 63, asked=True, now=1.6)
    assert [rule.chooses(1 << 63, asked=True, now=100.0) for _ in range(4)] == [True, True, False, False]


def test_errors_and_slow_requests_are_shown_until_there_are_too_many() -> None:
    """In an outage every request is an error, and nobody can read a thousand of them."""
    rule = sampling(failed=1)
    judged = [
        rule.judge(sampled=False, failed=failed, seconds=s, now=1.0) for failed, s in ((True, 0.01), (False, 0.25), (True, 1.0))
    ]
    assert judged == [Verdict.FAILED, Verdict.SLOW, Verdict.SUPPRESSED]
    assert rule.judge(sampled=False, failed=True, seconds=0.01, now=2.1) is Verdict.FAILED


def test_the_unremarkable_cost_no_allowance_and_the_sampled_need_none() -> None:
    """A thousand good answers before it take nothing from the first bad one."""
    rule = sampling(failed=1)
    for _ in range(1000):
        assert rule.judge(sampled=False, failed=False, seconds=0.2, now=1.0) is Verdict.UNREMARKABLE
        assert rule.judge(sampled=True, failed=True, seconds=9.0, now=1.0) is Verdict.SAMPLED
    assert rule.judge(sampled=False, failed=True, seconds=0.2, now=1.0) is Verdict.FAILED


def test_what_is_shown() -> None:
    """Three of the five."""
    assert {one for one in Verdict if one.is_shown} == {Verdict.SAMPLED, Verdict.FAILED, Verdict.SLOW}


def test_errors_leave_room_for_slow_answers() -> None:
    """In an outage errors come by the hundred; the first payment that is made again was slow, and is what everybody wants to see."""
    rule = sampling(failed=5)
    errors = [rule.judge(sampled=False, failed=True, seconds=0.9, now=7.0) for _ in range(300)]
    assert Counter(errors) == {Verdict.FAILED: 5, Verdict.SUPPRESSED: 295}
    slow = [rule.judge(sampled=False, failed=False, seconds=0.9, now=7.0) for _ in range(300)]
    assert Counter(slow) == {Verdict.SLOW: 5, Verdict.SUPPRESSED: 295}
