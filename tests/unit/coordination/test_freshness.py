"""Age counts from the look before the one that saw a change, and from nothing else."""

from datetime import timedelta

from controller.coordination.freshness import Sighting, fresh, look
from controller.core.model import Observation, Site

AWS, GCP = Site("aws"), Site("gcp")


def told(vantage: Site, sequence: int) -> dict[Site, Observation]:
    """One vantage's publication."""
    return {vantage: Observation(vantage=vantage, sequence=sequence, opinions={}, suspects_itself=False)}


def at(seconds: float) -> timedelta:
    """Monotonic time of the reader."""
    return timedelta(seconds=seconds)


def watch(*reads: tuple[float, dict[Site, Observation]]) -> dict[Site, Sighting]:
    """What a reader remembers after these reads."""
    memory: dict[Site, Sighting] = {}
    for seconds, observations in reads:
        memory = dict(look(memory, observations, at(seconds)))
    return memory


def test_a_vantage_that_was_never_seen_is_absent() -> None:
    """Unknown is neither fresh nor old."""
    assert fresh({}, at(9)) == {}


def test_the_first_sight_of_an_observation_proves_nothing() -> None:
    """A dead vantage's last word may lie in etcd for seconds; it counts once it is seen to change."""
    memory = watch((0, told(AWS, 41)))
    assert fresh(memory, at(0)) == {}
    memory = dict(look(memory, told(AWS, 41), at(0.15)))
    memory = dict(look(memory, told(AWS, 42), at(0.25)))
    assert fresh(memory, at(0.35))[AWS].age == at(0.35) - at(0.15)


def test_an_unchanged_sequence_grows_old() -> None:
    """Reading the same publication again does not make it younger."""
    memory = watch((0, told(AWS, 1)), (1, told(AWS, 2)), (2, told(AWS, 2)), (3, told(AWS, 2)))
    assert fresh(memory, at(3.5))[AWS].age == at(3.5)


def test_a_sequence_that_went_back_is_a_change() -> None:
    """The vantage restarted and counts from one again; it is alive."""
    memory = watch((0, told(AWS, 7)), (1, told(AWS, 8)), (2, told(AWS, 1)))
    assert fresh(memory, at(2.5))[AWS].age == at(1.5)
    assert fresh(memory, at(2.5))[AWS].value.sequence == 1


def test_a_vanished_vantage_is_forgotten() -> None:
    """Its lease lapsed; when it comes back it starts as a first sight."""
    memory = watch((0, told(AWS, 1) | told(GCP, 1)), (1, told(AWS, 2) | told(GCP, 2)), (2, told(GCP, 3)))
    assert set(fresh(memory, at(2))) == {GCP}
    memory = dict(look(memory, told(AWS, 2) | told(GCP, 3), at(3)))
    assert set(fresh(memory, at(3))) == {GCP}


def test_what_was_written_while_this_reader_was_cut_off_is_old() -> None:
    """It hears from etcd again after a minute: azure's word has changed since, and azure may have died right after it said so. The next
    change is dated from a moment ago and counts."""
    memory = watch((0, told(AWS, 1)), (0.1, told(AWS, 2)), (60, told(AWS, 3)))
    assert fresh(memory, at(60))[AWS].age == at(60) - at(0.1)
    memory = dict(look(memory, told(AWS, 4), at(60.25)))
    assert fresh(memory, at(60.3))[AWS].age == at(60.3) - at(60)
