"""The report says what was seen, calls every broken promise by its name, and its page needs nothing from anywhere."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from controller.core.model import JournalEntry
from lab.reconcile_answers import Answers
from lab.reconcile_recovery import Clients, Recovery
from lab.reconcile_rows import Fault, Finding
from lab.record import Acknowledged, Failed, Offered
from lab.report import Rehearsal, broken_promises, document
from lab.report_page import page
from lab.timeline import PHASES, FloorMoment, bins, failover_plan, fenced_at, floors, moments, phases_ms, spans
from tests.unit.lab.runs import FAST, SLOW, STEERED, reconciliation, run

FAULT_AT = datetime(2026, 7, 18, 12, 0, tzinfo=UTC)
PLAN = "failover-e2"
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}

DIGESTS = {"aws": "a" * 64, "azure": "a" * 64, "gcp": "a" * 64}
CLIENTS = Clients(affected=50, unrecovered=0, p50=2.0, p95=2.5, max=3.0)
LATE = Answers(answered=30, stale=10, last_stale=3.1, unended=True, unanswered=0)
"""Of an authority that goes on naming the dead site."""
STUCK = Clients(affected=50, unrecovered=0, healed_first=26, p50=None, p95=None, max=None)
"""Most of them waited for the heal."""


def entry(seconds: float, kind: str, **body: object) -> JournalEntry:
    """One journal entry so long after the fault."""
    return JournalEntry(sequence=1, at=FAULT_AT + timedelta(seconds=seconds), actor="gcp", kind=kind, body=body)


JOURNAL = (
    entry(-9, "claim", plan="grow", plan_kind="grow", epoch=1, sentence="take aws into the ack set"),
    entry(1.5, "claim", plan=PLAN, plan_kind="failover", epoch=2, sentence="fail over from azure"),
    entry(1.9, "step.cut", plan=PLAN, took_ms=300.0, step={"step": "cut", "site": "gcp"}),
    entry(1.9, "step.cut", plan=PLAN, took_ms=350.0, step={"step": "cut", "site": "aws"}),
    entry(1.9, "elected", plan=PLAN, winner="aws"),
    entry(2.3, "step.attach", plan=PLAN, took_ms=300.0, step={"step": "attach", "sibling": "gcp", "winner": "aws"}),
    entry(2.45, "step.open", plan=PLAN, took_ms=50.0, step={"step": "open", "winner": "aws"}),
    entry(2.2, "step.steer", plan=PLAN, took_ms=500.0, step={"step": "steer"}),
    entry(2.8, "step.verify", plan=PLAN, took_ms=150.0, step={"step": "verify"}),
    entry(2.8, "plan.done", plan=PLAN, plan_kind="failover", epoch=2),
)


def seen() -> Rehearsal:
    """A run in which everything went well."""
    return replace(
        run(leader=True),
        reconciliation=reconciliation(digests=DIGESTS),
        recovery=Recovery(first_acknowledged=2.4, clients=CLIENTS, by_name={"payments.trimaran.test": CLIENTS}),
        spans=spans(failover_plan(JOURNAL, 1), FAULT_AT),
        moments=moments(JOURNAL, FAULT_AT),
        bins=bins(LINES, 100.0),
        healing_at=7.0,
        healed_at=9.0,
        whole_at=17.0,
        parts=({"name": "etcd <b>", "kind": "real", "version": "3"},),
        round_trip_ms=25.0,
        offered_per_second=100,
        load_late_s=0.01,
        lab_started_s=4.0,
        cpu_seconds={"postgres-azure": 0.2},
    )


def offered(key: str, t: float) -> Offered:
    """A payment somebody wants."""
    return Offered(key=key, device=1, name="n", debtor="d", creditor="c", amount=1, currency="EUR", t=t)


LINES = (
    offered("a", 99.95),
    Acknowledged(key="a", attempt=1, payment="p", epoch=1, site="aws", status=201, latency=0.1, t=99.99),
    offered("b", 100.0),
    Failed(key="b", attempt=1, site="azure", why="deadline", t=100.35),
    Acknowledged(key="b", attempt=2, payment="q", epoch=2, site="aws", status=201, latency=0.1, t=102.4),
)


def reconciled(**changes: object) -> Callable[[Rehearsal], Rehearsal]:
    """Change the reconciliation of a run."""
    return lambda run: replace(run, reconciliation=replace(run.reconciliation, **changes))


def recovered(**changes: object) -> Callable[[Rehearsal], Rehearsal]:
    """Change the recovery of a run."""
    return lambda run: replace(run, recovery=replace(run.recovery, **changes))


BREAKS: dict[str, Callable[[Rehearsal], Rehearsal]] = {
    "are lost": reconciled(lost=1),
    "more than once": reconciled(duplicated=1),
    "not balanced": reconciled(findings=(Finding(fault=Fault.UNBALANCED, site="aws", subject="x", detail="y"),)),
    "ledgers differ": reconciled(digests={**DIGESTS, "gcp": "b" * 64}),
    "nothing was ever acknowledged": reconciled(acknowledged=0),
    "that nobody asked for": reconciled(strangers=1),
    "were held though nothing was unusual": reconciled(unplanted=2),
    "none of 50 payments that had to be held": reconciled(planted=50, caught=0),
    "was known or paid": reconciled(remembered=1),
    "erasures and reviews were still unanswered": reconciled(unfulfilled=1),
    "still unresolved": reconciled(unresolved=3),
    "did not do what it promises": reconciled(defects=("offers dropped",)),
    "in a later epoch": recovered(first_acknowledged=None),
    "never recovered": recovered(clients=replace(CLIENTS, unrecovered=2)),
    "clients that ignore TTLs": recovered(ignoring_ttl=replace(CLIENTS, unrecovered=1)),
    "did not become a follower again": lambda run: replace(run, whole_at=None),
    "etcd members disagree": lambda run: replace(run, etcd_disagreeing=("gcp",)),
    "were declined": reconciled(declined=9),
    "told that they never will": reconciled(denied=1),
    "is the writer again": lambda run: replace(run, writer_after="azure"),
    "from 1 to 4": lambda run: replace(run, epoch_after=4),
    "from 1 to 1": lambda run: replace(run, epoch_after=1),
    "the journal tells of no failover": lambda run: replace(run, spans=()),
    "nothing is proven about how they recover": lambda run: replace(
        run, recovery=replace(run.recovery, clients=replace(CLIENTS, affected=0))
    ),
    "claimed 1.50 s before the fault": lambda run: replace(run, spans=spans(EARLY, FAULT_AT)),
    "no payer met azure": lambda run: replace(run, must_meet_old_writer=True, met_old_writer=0),
    "ended by themselves": lambda run: replace(run, fallen=("controller-gcp at 3.0 s with 1: panic",)),
    "one-acknowledger": lambda run: replace(run, breaches=("one-acknowledger: reign 2 went from aws to gcp",)),
    "Route 53 still named azure 3.1 s after it was to be left out": lambda run: replace(
        run, answers={**run.answers, "Route 53": LATE}
    ),
    "no authority was asked": lambda run: replace(run, answers={}),
    "26 of 50 clients that honour TTLs paid again only once azure was healed": recovered(by_name={FAST: STUCK}),
    "could not be healed": lambda run: replace(run, troubles=("azure could not be healed: no member",)),
}
EARLY = (entry(-1.5, "claim", plan="x", plan_kind="failover", epoch=2),)
"""Somebody failed over before the fault."""


def test_a_good_run_breaks_nothing() -> None:
    """The control of the cases below: the same run unchanged keeps every promise."""
    assert broken_promises(seen()) == ()
    assert document(seen())["verdict"] == "kept"


@pytest.mark.parametrize("said", BREAKS)
def test_every_promise_is_broken_alone(said: str) -> None:
    """Each thing that can go wrong alone turns the verdict, and is named."""
    (broken,) = broken_promises(BREAKS[said](seen()))
    assert said in broken
    assert document(BREAKS[said](seen()))["verdict"] == "broken"


def test_nothing_known_about_the_writer_hides_nothing_else() -> None:
    """With a silent etcd the report still counts payments, and the silence breaks the verdict."""
    run = replace(seen(), writer_after=None, epoch_after=None, troubles=("etcd does not answer when the run is over",))
    assert broken_promises(run) == ("etcd does not answer when the run is over",)
    assert document(run)["payments"]["acknowledged"] == 10
    assert "nobody known" in page(run)


def test_an_exit_with_an_excuse_is_told_and_breaks_nothing() -> None:
    """A member of the wheel's etcd that dies of its known panic is in the report, not in the verdict."""
    run = replace(seen(), exits=("etcd-gcp at 3.0 s with 2: panic: unexpected error during txn",))
    assert broken_promises(run) == ()
    assert "unexpected error during txn" in page(run)


@pytest.mark.parametrize(
    "excuse",
    [
        lambda run: replace(run, beside=("api-hang of Route 53",), answers={**run.answers, "Route 53": LATE}),
        lambda run: replace(run, beside=tuple(f"api-hang of {one}" for one in STEERED), answers=dict.fromkeys(STEERED, LATE)),
        lambda run: replace(run, beside=tuple(f"authority-down of {one}" for one in STEERED), answers={}),
        lambda run: replace(recovered(by_name={FAST: STUCK})(run), beside=("api-hang of Route 53",)),
        lambda run: replace(run, load_late_s=0.3, answers={**run.answers, "Route 53": LATE}),
        lambda run: replace(recovered(by_name={FAST: STUCK})(run), load_late_s=0.3),
        recovered(by_name={FAST: CLIENTS, SLOW: STUCK}),
        recovered(by_name={FAST: replace(STUCK, affected=7, healed_first=7)}),
        lambda run: replace(run, answers={**run.answers, "Route 53": replace(LATE, last_stale=2.6)}),
    ],
    ids=[
        "its API hangs", "all APIs hang", "all are down", "answers stay stale beside it", "one is late, and so is the machine",
        "a machine that was too busy", "a TTL that outlasts the fault", "hardly anybody", "told at the second try",
    ],
)  # fmt: skip
def test_who_is_led_away_late_with_a_reason_breaks_nothing(excuse: Callable[[Rehearsal], Rehearsal]) -> None:
    """A fault at the authority itself, a machine that was kept from running, a TTL of half a minute."""
    assert broken_promises(excuse(seen())) == ()


def test_authorities_that_all_go_on_naming_the_dead_site_have_no_excuse() -> None:
    """However busy the machine: nobody was led away at all. With one of them at fault the others are judged."""
    for name in STEERED:
        others = dict.fromkeys(set(STEERED) - {name}, LATE)
        all_late = replace(seen(), load_late_s=2.0, beside=(f"api-hang of {name}",), answers={**others, name: LATE})
        (said,) = broken_promises(all_late)
        assert all(other in said for other in others) and name not in said


def test_clients_that_were_healed_first_are_told_apart() -> None:
    """What the report calls recovery is of the service's own name; payers of the slow one that the heal saved are counted apart."""
    slow = Clients(affected=25, unrecovered=0, healed_first=20, p50=None, p95=None, max=None)
    names = {"payments.trimaran.test": CLIENTS, "payments-slow.trimaran.test": slow}
    both = replace(CLIENTS, affected=75, healed_first=20, p95=None)
    run = replace(seen(), recovery=Recovery(first_acknowledged=2.4, clients=both, by_name=names), met_old_writer=31)
    said = document(run)
    assert said["recovery_seconds"]["clients_p95"] == 2.5
    assert said["clients_by_name"]["payments-slow.trimaran.test"]["healed_first"] == 20
    assert said["met_old_writer"] == 31
    assert "sent 31 requests to azure after its healing" in page(run)


def test_what_the_authorities_said_and_who_ignored_them_is_told() -> None:
    """Per authority the share of stale answers and when the last one was; per habit who had to wait."""
    told = {
        "Route 53": Answers(answered=40, stale=10, last_stale=0.8, unended=False, unanswered=0),
        "Cloud DNS": Answers(answered=0, stale=0, last_stale=None, unended=False, unanswered=7),
    }
    held = Clients(affected=2, unrecovered=0, healed_first=1, p50=1.0, p95=None, max=None)
    run = replace(seen(), answers=told, beside=("api-hang of Cloud DNS",), recovery=replace(seen().recovery, ignoring_ttl=held))
    said = json.loads(json.dumps(document(run)))
    wanted = {"answered": 40, "stale": 10, "stale_share": 0.25, "last_stale_s": 0.8, "unended": False, "unanswered": 0}
    assert said["answers"]["Route 53"] == wanted
    assert said["answers"]["Cloud DNS"]["stale_share"] is None
    assert said["beside"] == ["api-hang of Cloud DNS"]
    assert "Beside it, from the fault to its healing: api-hang of Cloud DNS." in page(run)
    assert said["clients_by_habit"]["honest"]["p95"] == 2.5
    assert said["clients_by_habit"]["ignores-ttl"] == {
        "affected": 2, "unrecovered": 0, "healed_first": 1, "p50": 1.0, "p95": None, "max": None
    }  # fmt: skip
    assert '<td class="">Route 53</td>' in page(run)
    assert "ignoring its TTL" in page(run)
    assert "ignoring its TTL" not in page(seen())


def test_the_document_has_the_promised_shape() -> None:
    """Other programs read these keys."""
    said = json.loads(json.dumps(document(seen())))
    assert said.keys() >= {
        "fault", "site", "writer_before", "writer_after", "epoch_before", "epoch_after", "payments", "recovery_seconds",
        "phases_ms", "ledgers", "ledgers_equal", "parts", "verdict",
    }  # fmt: skip
    assert said["payments"].keys() >= {"attempted", "acknowledged", "lost", "duplicated", "unresolved"}
    assert said["recovery_seconds"] == {"first_acknowledged": 2.4, "clients_p50": 2.0, "clients_p95": 2.5, "clients_max": 3.0}
    assert tuple(said["phases_ms"]) == PHASES
    assert said["parts"][0].keys() == {"name", "kind", "version"}


def test_phases_follow_one_another_from_the_fault_to_the_opening() -> None:
    """Nothing of the time between fault and opening is left out or counted twice."""
    found = {span.name: span for span in spans(failover_plan(JOURNAL, 1), FAULT_AT)}
    chain = [found[name] for name in ("detect", "decide", "cut", "elect", "attach", "open")]
    assert chain[0].begin == 0
    assert [one.end for one in chain[:-1]] == pytest.approx([one.begin for one in chain[1:]])
    assert chain[-1].end == pytest.approx(2.45)
    wanted = {"detect": 1500, "decide": 50, "cut": 350, "elect": 100, "attach": 400, "open": 50, "steer": 500, "verify": 150}
    assert phases_ms(found.values()) == pytest.approx(wanted)


def test_a_failover_that_stopped_half_way_has_no_invented_phases() -> None:
    """A phase that was never reached has no length, not a zero."""
    half = [one for one in JOURNAL if one.kind in {"claim", "step.cut"}]
    told = phases_ms(spans(failover_plan(half, 1), FAULT_AT))
    assert told["detect"] == 1500
    assert told["cut"] is None
    assert told["open"] is None


def test_a_claim_before_the_fault_is_not_clamped_away() -> None:
    """Detection that took less than no time is seen as what it is."""
    assert phases_ms(spans(EARLY, FAULT_AT))["detect"] == -1500


def test_the_old_writers_fencing_is_found_in_the_journal() -> None:
    """The first fence of that site after the fault; other sites' and older ones are not meant."""
    fences = [
        entry(t, "step.fence", step={"step": "fence", "site": site}) for t, site in ((-3, "azure"), (5, "gcp"), (7, "azure"))
    ]
    assert fenced_at(fences, "azure", FAULT_AT) == 7
    assert fenced_at(fences, "aws", FAULT_AT) is None


def test_only_the_failover_after_the_fault_counts() -> None:
    """A plan of an earlier epoch, or of another kind, is not this fault's."""
    assert failover_plan(JOURNAL, 2) == ()
    assert all(one.body["plan"] == PLAN for one in failover_plan(JOURNAL, 1))


def test_silence_is_in_the_picture() -> None:
    """Slices in which nothing happened are there, or an outage would not be seen."""
    found = bins(LINES, 100.0)
    assert [one.t for one in found] == pytest.approx([number / 10 for number in range(-1, 25)])
    assert [(one.t, one.acknowledged) for one in found if one.acknowledged] == [(-0.1, 1), (2.4, 1)]
    assert [one.t for one in found if one.failed] == [0.3]


class Outline(HTMLParser):
    """Checks that every element is closed in order, and collects what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [str(value) for name, value in attrs if name in {"src", "href", "xlink:href", "data"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone() -> None:
    """No script, nothing fetched, every element closed, and names from outside cannot become markup."""
    outline, text = Outline(), page(seen())
    outline.feed(text)
    assert outline.open == []
    assert outline.fetched == []
    assert "script" not in outline.tags
    assert "svg" in outline.tags
    assert "url(" not in text
    assert "@import" not in text
    assert "etcd &lt;b&gt;" in text


def test_the_page_shows_a_run_that_never_recovered() -> None:
    """The worst run is the one whose report is needed most."""
    run = replace(
        seen(),
        recovery=Recovery(first_acknowledged=None, clients=CLIENTS, by_name={}),
        spans=(), moments=(), bins=(), healing_at=None, healed_at=None, whole_at=None,
    )  # fmt: skip
    text = page(run)
    assert "no payment was acknowledged afterwards" in text
    assert "a promise was broken" in text


STEERING = {
    "result": "steered",
    "told": ["route53: in sync"],
    "told_ms": 200.0,
    "floors": [
        {"site": "aws", "before": None, "after": None, "took_ms": 1000.0, "because": "no answer within 1 s"},
        {"site": "gcp", "before": 1, "after": 3, "took_ms": 40.0, "because": ""},
    ],
}
HELD_UP = (
    entry(1.5, "claim", plan=PLAN, plan_kind="failover", epoch=2, sentence="fail over from azure"),
    entry(2.6, "step.steer", plan=PLAN, took_ms=1000.0, step={"step": "steer"}, result=STEERING),
)


def test_floors_are_told_with_what_became_of_them() -> None:
    """Which site, from how many to how many, how long, or that it could not be done in time."""
    late, raised = floors(HELD_UP, FAULT_AT)
    assert late == FloorMoment(t=1.6, site="aws", before=None, after=None, took_ms=1000.0, because="no answer within 1 s")
    assert (raised.site, raised.before, raised.after, raised.took_ms) == ("gcp", 1, 3, 40.0)
    run = replace(seen(), floors=(late, raised))
    assert [(one["site"], one["before"], one["after"]) for one in document(run)["floors"]] == [("aws", None, None), ("gcp", 1, 3)]
    shown = page(run)
    assert "not raised: no answer within 1 s" in shown and "40 ms" in shown
    assert "<h2>Instances</h2>" not in page(seen())


def test_an_api_of_instances_that_hangs_is_not_told_as_slow_steering() -> None:
    """The authorities had answered after 0.2 s; that the same step waited a second for instances is another figure."""
    (steer,) = (span for span in spans(HELD_UP, FAULT_AT) if span.name == "steer")
    assert steer.begin == pytest.approx(1.6) and steer.end == pytest.approx(1.8)
