"""The arithmetic of the bench: nothing is averaged away, nothing that is missing counts as good."""

import math
from dataclasses import replace

import pytest

from lab.bench_figures import (
    Pause,
    Round,
    barrier_ratio,
    durations_ms,
    failover_figures,
    phases,
    spread,
    switchover_figures,
    table,
)
from lab.bench_reckoning import Tally
from lab.bench_switchover import epoch_gap
from lab.reconcile_recovery import Recovery
from lab.record import Acknowledged
from tests.unit.lab.runs import FAST, SPANS, clients, run


def test_a_spread_counts_only_what_was_measured() -> None:
    """What is not there to be measured is left out and shows in the number of values; without any there is no spread, not a zero."""
    assert spread([]) is None
    assert spread([None, None]) is None
    assert spread([1.0, None, 3.0, 2.0]) == {"median": 2.0, "p95": 3.0, "max": 3.0, "n": 3, "never": 0}


def test_what_never_came_is_the_worst_of_all() -> None:
    """A figure that falls on it is null; those below it are what they are."""
    assert spread([1.0, math.inf, 3.0]) == {"median": 3.0, "p95": None, "max": None, "n": 3, "never": 1}
    assert spread([1.0, math.inf]) == {"median": None, "p95": None, "max": None, "n": 2, "never": 1}


def test_p95_is_a_value_that_was_seen() -> None:
    """Nearest rank: of twenty values the nineteenth, never something between two."""
    values = [float(number) for number in range(1, 21)]
    assert spread(values) == {"median": 10.5, "p95": 19.0, "max": 20.0, "n": 20, "never": 0}


def test_cut_to_open_spans_everything_in_between() -> None:
    """From the first cut to the end of the opening, gaps included; infinite without an opening, and nothing without a cut."""
    assert durations_ms(SPANS)["cut_to_open"] == pytest.approx(450.0)
    assert "cut_to_open" not in durations_ms(SPANS[:1])
    found = phases([SPANS, SPANS[:2], SPANS, SPANS[:1]])["cut_to_open"]
    assert found == {"median": 450.0, "p95": None, "max": None, "n": 3, "never": 1}


def test_failovers_are_told_apart_by_where_etcds_leader_sat() -> None:
    """The harder case is never hidden in the easier one's figures."""
    found = failover_figures([run(3.0, leader=True), run(2.0), run(1.0)], Tally())
    assert found["first_ack_s"]["n"] == 3
    assert found["first_ack_s_etcd_leader_on_victim"] == {"median": 3.0, "p95": 3.0, "max": 3.0, "n": 1, "never": 0}
    assert found["first_ack_s_etcd_leader_elsewhere"]["max"] == 2.0


def test_clients_are_told_apart_by_ttl() -> None:
    """Runs without the slow name do not dilute its figures."""
    found = failover_figures([run(), run(slow=31.0)], Tally())["clients_p95_s"]
    assert set(found) == {"2", "30"}
    assert (found["2"]["n"], found["30"]) == (2, {"median": 31.0, "p95": 31.0, "max": 31.0, "n": 1, "never": 0})


def test_a_fault_shorter_than_the_ttl_says_nothing_about_it() -> None:
    """Healed after six seconds: the slow name's payers met the old site again, and never had to find the other one."""
    runs = [replace(run(slow=6.5), healing_at=6.0), replace(run(slow=28.0), healing_at=33.0)]
    found = failover_figures(runs, Tally())["clients_p95_s"]
    assert (found["2"]["n"], found["30"]["n"], found["30"]["max"]) == (2, 1, 28.0)


def test_clients_that_never_recovered_are_not_clients_that_were_not_affected() -> None:
    """More than one in twenty of the affected still waiting: that run's p95 is the worst of all. Nobody affected: it has none."""
    waiting = replace(clients(None), affected=50, unrecovered=10)
    unaffected = replace(clients(None), affected=0)
    runs = [run(), *(replace(run(), recovery=Recovery(first_acknowledged=2.0, clients=one, by_name={FAST: one})) for one in
            (waiting, waiting, unaffected))]  # fmt: skip
    assert failover_figures(runs, Tally())["clients_p95_s"]["2"] == {"median": None, "p95": None, "max": None, "n": 3, "never": 2}


def test_a_run_that_never_recovered_ranks_last_everywhere() -> None:
    """First acknowledgement, the time after the opening, and the healed site's return."""
    never = replace(run(None), whole_at=None)
    found = failover_figures([run(2.0), run(2.0), never], Tally())
    for name in ("first_ack_s", "open_to_first_ack_ms", "follower_again_s"):
        assert (found[name]["n"], found[name]["never"], found[name]["max"]) == (3, 1, None), name
        assert found[name]["median"] is not None, name


def test_a_bench_without_a_single_good_run_still_has_figures() -> None:
    """Nothing measured is told as nothing, and the table can be printed."""
    found = {
        "crash": failover_figures([], Tally(aborted=3, unreconciled=3, broken=3)),
        "switchover": {**switchover_figures([], failed=2), "lost": 0},
    }
    assert found["crash"]["first_ack_s"] is None
    assert found["switchover"]["pause_s"] is None
    assert (
        "crash: 3 runs, 0 acknowledged, 0 lost, 0 duplicated, 0 revived, 0 unbalanced, 0 astray, 3 broken, 3 aborted, 3 unreconciled,"
        " 0 never acknowledged" in table(found)
    )


def test_the_table_names_every_figure() -> None:
    """Median, p95 and largest of the first acknowledgement stand in one line; what never came is called so."""

    def line(*runs: float | None) -> list[str]:
        told = table({"crash": failover_figures([run(first) for first in runs], Tally())})
        return next(line for line in told.splitlines() if "first ack" in line).split()[-4:]

    assert line(2.0, 4.0) == ["2", "3.0", "4.0", "4.0"]
    assert line(2.0, 4.0, None) == ["3", "4.0", "never", "never"]


def paid(t: float, epoch: int, status: int = 201) -> Acknowledged:
    return Acknowledged(key=str(t), attempt=1, payment="p", epoch=epoch, site="aws", status=status, latency=0.1, t=t)


def test_the_pause_between_epochs_ends_with_the_new_epochs_first_payment() -> None:
    """A late answer that names the old epoch does not shorten it, order in the record does not matter."""
    lines = [paid(1.0, 1), paid(1.5, 2), paid(1.2, 1), paid(1.6, 1)]
    assert epoch_gap(lines, 1) == pytest.approx(0.3)
    assert epoch_gap([*lines, paid(1.49, 1, status=200)], 1) == pytest.approx(0.3), "a replay is nobody's last word"
    assert epoch_gap(lines, 2) is None
    assert epoch_gap(lines[1:2], 1) is None


def test_switchovers_keep_the_longest_pause() -> None:
    """The worst one is in the figures, the failed ones in the count."""
    pauses = [Pause(source="a", target="b", longest_gap=gap, epoch_gap=None, spans=()) for gap in (0.2, 0.9)]
    found = switchover_figures(pauses, failed=1)
    assert (found["runs"], found["failed"], found["pause_s"]["max"]) == (3, 1, 0.9)
    assert (found["epoch_pause_s"]["max"], found["epoch_pause_s"]["never"]) == (None, 2), "the new epoch never paid"


def test_the_barrier_is_compared_round_by_round() -> None:
    """The machine slows down half-way: the ratio of the rounds stays what it is, that of all payments would not."""
    rounds = []
    for pace in (1.0, 1.0, 10.0):
        rounds += [
            Round(kind="native", latencies=[pace, pace], cpu_ms=1),
            Round(kind="barrier", latencies=[1.2 * pace], cpu_ms=1),
        ]
    found = barrier_ratio(rounds)["ratio_of_medians"]
    assert found is not None
    assert math.isclose(found["median"], 1.2)
    assert found["max"] == found["median"]
