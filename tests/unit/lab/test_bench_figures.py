"""The arithmetic of the bench and of calm: nothing is averaged away, nothing that is missing counts as good."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.core.model import JournalEntry, Part
from lab.bench import FAULTS, PARTS, WishError, read_wishes
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
from lab.bench_switchover import epoch_gap
from lab.calm_figures import Look, broken_calm, claims, nearness
from lab.faults import Fault
from lab.reconcile import Reconciliation
from lab.reconcile_recovery import Clients, Recovery
from lab.record import Acknowledged
from lab.report import Rehearsal
from lab.site_settings import NAMES
from lab.timeline import Span

FAST, SLOW = NAMES
SPANS = (
    Span(name="detect", begin=0.0, end=1.2),
    Span(name="cut", begin=1.3, end=1.5),
    Span(name="open", begin=1.7, end=1.75),
)


def clients(p95: float | None) -> Clients:
    return Clients(affected=3, unrecovered=0, p50=p95, p95=p95, max=p95)


def reconciliation(**changes: Any) -> Reconciliation:
    usual: dict[str, Any] = {
        "attempted": 10,
        "acknowledged": 9,
        "declined": 0,
        "lost": 0,
        "duplicated": 0,
        "unresolved": 0,
        "strangers": 0,
        "findings": (),
        "digests": {"aws": "d", "azure": "d", "gcp": "d"},
        "defects": (),
    }
    return Reconciliation(**{**usual, **changes})


def run(first: float | None = 2.0, *, leader: bool = False, slow: float | None = None, **changes: Any) -> Rehearsal:
    by_name = {FAST: clients(3.0)} if slow is None else {FAST: clients(3.0), SLOW: clients(slow)}
    return Rehearsal(
        fault="crash",
        site="azure",
        writer_before="azure",
        writer_after="aws",
        epoch_before=1,
        epoch_after=2,
        reconciliation=reconciliation(**changes),
        recovery=Recovery(first_acknowledged=first, clients=clients(3.0), by_name=by_name),
        spans=SPANS,
        moments=(),
        bins=(),
        healed_at=6.0,
        whole_at=9.0,
        etcd_disagreeing=(),
        etcd_leader_on_site=leader,
        parts=(),
        round_trip_ms=25.0,
        offered_per_second=100.0,
        load_late_s=0.0,
        lab_started_s=0.0,
        cpu_seconds={"load": 0.1, "links": 0.2},
    )


def test_a_spread_counts_only_what_was_measured() -> None:
    """What is missing is left out and shows in the number of values; without any there is no spread, not a zero."""
    assert spread([]) is None
    assert spread([None, None]) is None
    assert spread([1.0, None, 3.0, 2.0]) == {"median": 2.0, "p95": 3.0, "max": 3.0, "n": 3}


def test_p95_is_a_value_that_was_seen() -> None:
    """Nearest rank: of twenty values the nineteenth, never something between two."""
    values = [float(number) for number in range(1, 21)]
    assert spread(values) == {"median": 10.5, "p95": 19.0, "max": 20.0, "n": 20}


def test_cut_to_open_spans_everything_in_between() -> None:
    """From the first cut to the end of the opening, gaps included; without an opening there is none."""
    assert durations_ms(SPANS)["cut_to_open"] == pytest.approx(450.0)
    assert "cut_to_open" not in durations_ms(SPANS[:2])
    assert phases([SPANS, SPANS[:2]])["cut_to_open"] == {"median": 450.0, "p95": 450.0, "max": 450.0, "n": 1}


def test_failovers_are_told_apart_by_where_etcds_leader_sat() -> None:
    """The harder case is never hidden in the easier one's figures."""
    found = failover_figures([run(3.0, leader=True), run(2.0), run(1.0)])
    assert found["first_ack_s"]["n"] == 3
    assert found["first_ack_s_etcd_leader_on_victim"] == {"median": 3.0, "p95": 3.0, "max": 3.0, "n": 1}
    assert found["first_ack_s_etcd_leader_elsewhere"]["max"] == 2.0


def test_clients_are_told_apart_by_ttl() -> None:
    """Runs without the slow name do not dilute its figures."""
    found = failover_figures([run(), run(slow=31.0)])["clients_p95_s"]
    assert set(found) == {"2", "30"}
    assert (found["2"]["n"], found["30"]) == (2, {"median": 31.0, "p95": 31.0, "max": 31.0, "n": 1})


def test_bad_runs_are_counted_not_dropped() -> None:
    """Lost and duplicated payments add up; a run that never recovered or was aborted is broken and stays in the count."""
    found = failover_figures([run(lost=2), run(None), run(duplicated=1), run()], aborted=1)
    assert {name: found[name] for name in ("runs", "lost", "duplicated", "never_acknowledged", "broken", "aborted")} == {
        "runs": 5,
        "lost": 2,
        "duplicated": 1,
        "never_acknowledged": 1,
        "broken": 4,
        "aborted": 1,
    }
    assert found["first_ack_s"]["n"] == 3


def test_a_bench_without_a_single_good_run_still_has_figures() -> None:
    """Nothing measured is told as nothing, and the table can be printed."""
    found = {"crash": failover_figures([], aborted=3), "switchover": {**switchover_figures([], failed=2), "lost": 0}}
    assert found["crash"]["first_ack_s"] is None
    assert found["switchover"]["pause_s"] is None
    assert "3 runs" in table(found)


def test_the_table_names_every_figure() -> None:
    """Median, p95 and largest of the first acknowledgement stand in one line."""
    line = next(line for line in table({"crash": failover_figures([run(2.0), run(4.0)])}).splitlines() if "first ack" in line)
    assert line.split()[-4:] == ["2", "3.0", "4.0", "4.0"]


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
    assert (found["runs"], found["failed"], found["pause_s"]["max"], found["epoch_pause_s"]) == (3, 1, 0.9, None)


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


def test_wishes_come_from_the_environment() -> None:
    """Twenty runs of everything unless said otherwise; everything wrong is told at once."""
    assert (read_wishes({}).runs, read_wishes({}).faults, read_wishes({}).parts) == (20, FAULTS, PARTS)
    wishes = read_wishes({"RUNS": "2", "FAULTS": "freeze, crash", "ONLY": "barrier"})
    assert (wishes.runs, wishes.faults, wishes.parts) == (2, (Fault.FREEZE, Fault.CRASH), ("barrier",))
    with pytest.raises(WishError) as wrong:
        read_wishes({"RUNS": "none", "FAULTS": "flood", "ONLY": "sleep"})
    assert len(str(wrong.value).splitlines()) == 3


def look(t: float, *words: tuple[str, str], part: Part = Part.DATABASE, alone: str = "", answered: bool = True) -> Look:
    return Look(
        t=t,
        accused=frozenset((vantage, site, str(part)) for vantage, site in words),
        suspecting_themselves=frozenset(filter(None, [alone])),
        answered=answered,
    )


def test_one_accuser_is_an_accusation_two_are_an_agreement() -> None:
    """Each is counted when it begins and measured to the first look without it."""
    both = (("aws", "azure"), ("gcp", "azure"))
    seen = nearness([look(0), look(1, both[0]), look(2, *both), look(2.5, *both), look(3, both[1]), look(4), look(5, both[0])])
    assert seen.accusations == {"database": 3}
    assert (seen.agreements, seen.longest_agreement_s, seen.longest_accusation_s) == (1, 1.0, 2.0)


def test_agreement_is_about_one_database_and_counts_voices_that_count() -> None:
    """Two accusers of two sites, of an edge, or one of them suspecting itself, agree on nothing that leads to a failover."""
    two = (("aws", "azure"), ("gcp", "azure"))
    looks = [look(0, ("aws", "azure"), ("gcp", "aws")), look(1, *two, part=Part.EDGE), look(2, *two, alone="gcp")]
    seen = nearness(looks)
    assert (seen.agreements, seen.self_suspicions) == (0, 1)


def test_what_etcd_did_not_answer_is_unknown() -> None:
    """A gap ends what was going on and is counted as such, so it cannot lengthen an agreement nobody saw."""
    two = (("aws", "azure"), ("gcp", "azure"))
    seen = nearness([look(0, *two), look(1, answered=False), look(9, *two), look(9.5)])
    assert (seen.unanswered, seen.agreements, seen.longest_agreement_s) == (1, 2, 1.0)


def test_calm_is_broken_by_any_failover_or_loss() -> None:
    """Each rule bears load by itself."""
    checked = {"lost": 0, "duplicated": 0, "acknowledged": 5, "ledgers_equal": True, "defects": []}
    calm: dict[str, Any] = {"epoch_before": 1, "epoch_after": 1, "claimed": {"grow": 1}, "reconciled": checked}
    assert broken_calm(**calm) == ()
    for name, worse in (
        ("epoch_after", 2),
        ("claimed", {"failover": 1}),
        *(("reconciled", {**checked, key: value}) for key, value in (("lost", 1), ("duplicated", 1), ("acknowledged", 0))),
        ("reconciled", {**checked, "ledgers_equal": False}),
        ("reconciled", {**checked, "defects": ["bound"]}),
    ):
        assert len(broken_calm(**{**calm, name: worse})) == 1, name


def test_claims_are_counted_by_kind() -> None:
    """Only claims: decisions not to act are none."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entries = [
        JournalEntry(sequence=number, at=at, actor="aws", kind=kind, body={"plan_kind": plan})
        for number, (kind, plan) in enumerate(
            [("claim", "failover"), ("decision", "failover"), ("claim", "grow"), ("claim", "grow")]
        )
    ]
    assert claims(entries) == {"failover": 1, "grow": 2}
