"""Sending: bounded, counted, whole requests, and never in anybody's way."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.unit.workload.telemetry.requests import Clock
from workload.telemetry.export import AT_ONCE, Exporter, Fate
from workload.telemetry.steps import Trail

SOON, LONG = timedelta(milliseconds=1), timedelta(seconds=5)


def trail(number: int) -> Trail:
    """One request."""
    clock = Clock()
    return Trail(trace=number, caller=None, sampled=True, clock=clock.steady, wall=clock.wall())


class Collector:
    """Takes what it is told to."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.batches: list[list[int]] = []
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def __call__(self, trails: Sequence[Trail]) -> bool:
        self.batches.append([one.trace for one in trails])
        self.asked.set()
        assert self.answers.wait(LONG.total_seconds())
        if not self.takes:
            raise OSError("gone")
        return True


def exporter(collector: Collector, fates: Counter[Fate], capacity: int = 500) -> Exporter:
    """Not yet started."""
    return Exporter(collector, lambda fate, count: fates.update({fate: count}), capacity=capacity, interval=SOON)


def test_everything_that_is_offered_arrives_in_order_and_in_bounded_messages() -> None:
    """Also what was offered a moment before the end."""
    collector, fates = Collector(), Counter[Fate]()
    sending = exporter(collector, fates)
    sending.start()
    for number in range(3 * AT_ONCE):
        sending.offer(trail(number))
    sending.close(LONG)
    assert [number for batch in collector.batches for number in batch] == list(range(3 * AT_ONCE))
    assert max(map(len, collector.batches)) <= AT_ONCE
    assert fates == {Fate.SENT: 3 * AT_ONCE}


def test_a_collector_that_hangs_holds_nobody() -> None:
    """The queue fills, the rest is dropped and counted, and every offer returns at once: the collector answers after all of them."""
    collector, fates = Collector(), Counter[Fate]()
    collector.answers.clear()
    sending = exporter(collector, fates, capacity=10)
    sending.start()
    sending.offer(trail(0))
    assert collector.asked.wait(LONG.total_seconds())
    for number in range(1, 101):
        sending.offer(trail(number))
    assert fates == {Fate.DROPPED: 90}
    collector.answers.set()
    sending.close(LONG)
    assert fates == {Fate.DROPPED: 90, Fate.SENT: 11}


def test_a_collector_that_is_gone_is_tried_again() -> None:
    """What it did not take is lost and counted; what comes after it is back arrives."""
    collector, fates = Collector(takes=False), Counter[Fate]()
    sending = exporter(collector, fates)
    sending.start()
    sending.offer(trail(0))
    assert collector.asked.wait(LONG.total_seconds())
    while not fates:
        collector.asked.wait(0.001)
    collector.takes = True
    sending.offer(trail(1))
    sending.close(LONG)
    assert fates == {Fate.LOST: 1, Fate.SENT: 1}


def test_the_end_does_not_wait_for_a_collector_that_hangs() -> None:
    """A process must be able to end."""
    collector, fates = Collector(), Counter[Fate]()
    collector.answers.clear()
    sending = exporter(collector, fates)
    sending.start()
    sending.offer(trail(0))
    assert collector.asked.wait(LONG.total_seconds())
    sending.close(SOON)
    assert fates == {}
    collector.answers.set()


@pytest.mark.parametrize("deadline", [SOON, LONG])
def test_what_was_never_started_ends_at_once(deadline: timedelta) -> None:
    """A process that could not start."""
    exporter(Collector(), Counter()).close(deadline)
