"""When somebody who does not answer is left alone, and when he is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from workload.calls.breaker import Breaker, Pass


def breaker() -> Breaker:
    """Opens at the third failure, rests for one second."""
    return Breaker(threshold=3, rest=1.0)


def passed(given: Breaker, now: float) -> Pass:
    """Leave, which must be given."""
    found = given.admit(now)
    assert found is not None
    return found


def opened(now: float = 0.0) -> Breaker:
    """One that has just opened."""
    given = breaker()
    for _ in range(3):
        given.failed(passed(given, now), now)
    return given


def test_it_opens_at_the_last_of_so_many_failures_in_a_row() -> None:
    """Not before, and an answer in between counts anew."""
    given = breaker()
    for _ in range(2):
        given.failed(passed(given, 0), 0)
    given.succeeded(passed(given, 0))
    for _ in range(2):
        given.failed(passed(given, 0), 0)
    assert not given.is_open
    given.failed(passed(given, 0), 0)
    assert given.is_open and given.admit(0) is None


def test_after_the_rest_one_may_find_out() -> None:
    """And nobody else until that one is back."""
    given = opened()
    assert given.admit(0.999) is None
    assert passed(given, 1.0).probe and given.admit(1.0) is None and given.admit(100) is None


def test_an_answer_to_the_one_opens_the_way_for_all() -> None:
    """And failures count from nothing."""
    given = opened()
    given.succeeded(passed(given, 1.0))
    assert not given.is_open
    for _ in range(2):
        given.failed(passed(given, 1.0), 1.0)
    assert not given.is_open


def test_a_failure_of_the_one_begins_another_rest() -> None:
    """Counted from that failure."""
    given = opened()
    given.failed(passed(given, 1.0), 1.4)
    assert given.is_open and given.admit(2.3) is None and passed(given, 2.4).probe


def test_a_probe_that_is_given_up_lets_another_one_go() -> None:
    """Its client hung up: without this nobody would ever ask again."""
    given = opened()
    given.abandoned(passed(given, 1.0))
    assert passed(given, 1.0).probe


def test_what_began_before_says_nothing_about_now() -> None:
    """Calls that were under way when it opened fail one after the other for seconds, and must not prolong the rest; nor does a late
    answer end it."""
    given = breaker()
    late = [passed(given, 0) for _ in range(8)]
    for one in late[:3]:
        given.failed(one, 0)
    for one in late[3:6]:
        given.failed(one, 0.9)
    given.succeeded(late[6])
    given.abandoned(late[7])
    assert given.is_open and passed(given, 1.0).probe


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "fail", "give up"]), st.floats(0, 2)), max_size=80))
def test_while_it_is_open_one_at_most_is_on_the_way(steps: list[tuple[str, float]]) -> None:
    """In any order of whatever happens; and it is never shut for ever."""
    given, now, probes, calls = breaker(), 0.0, list[Pass](), list[Pass]()
    for step, later in steps:
        now += later
        if step == "ask":
            found = given.admit(now)
            (probes if found and found.probe else calls).extend([found] if found else [])
        elif probes or calls:
            one = (probes or calls).pop()
            {"answer": given.succeeded, "give up": given.abandoned, "fail": lambda p: given.failed(p, now)}[step](one)  # noqa: B023
        assert len(probes) <= 1
    for one in probes:
        given.abandoned(one)
    assert given.admit(now + 1.001) is not None, "a second later, however sums of fractions are rounded"
