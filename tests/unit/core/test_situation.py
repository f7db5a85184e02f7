"""The journal as people are told of it: one incident at a time, opened once, ended once, and everything else beside it."""

from datetime import timedelta

import pytest

from controller.coordination.codec import decode, encode
from controller.core.conditions import Kind
from controller.core.drilling import DRILL_BEGUN, DRILL_ENDED, begun, ended
from controller.core.incidents import Situation
from controller.core.messages import DRILL, Action, Message, Severity
from controller.core.model import Mode, Pause, Trigger
from controller.core.proposals import Failover, Grow, Return, SetMode, SetPause, Switchover
from controller.core.quarantine import exported
from controller.core.situation import fold
from tests.unit.core.journals import Journal, stands
from tests.unit.core.worlds import AWS, AZURE, GCP, START

LEFT = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
LEAVE = Failover(site=AZURE, weights=LEFT, trigger=Trigger.AUTOMATIC, because="azure's database is failing")
FAILING = stands(Kind.FAILING, "azure/database", Severity.CRITICAL, "azure")


def after_a_failover() -> Journal:
    """azure was left, and gcp writes."""
    journal = Journal()
    plan, _ = journal.claim(LEAVE)
    journal.write("elected", plan=plan, epoch=5, winner="gcp")
    journal.done(plan, "failover", verified={"proven": True, "said": "all well"})
    return journal


def test_an_incident_lasts_from_the_claim_to_the_settled_end() -> None:
    """The failover opens it, its end is told, and it is over when azure is well again: one key all the way."""
    journal = after_a_failover()
    last = journal.notice(ended=(FAILING.key,))
    assert [one.action for one in journal.messages] == [Action.OPEN, Action.UPDATE, Action.RESOLVE]
    assert len({one.incident for one in journal.messages}) == 1
    assert last is not None and last.severity is Severity.CRITICAL, "whoever was woken by the worst is told of the end"
    assert last.since == START


def test_a_failover_that_is_done_leaves_its_incident_open_while_the_site_is_gone() -> None:
    """It is over in two seconds; the notice that azure fails comes after three, and must not open a second one."""
    journal = after_a_failover()
    assert journal.situation.incident is not None
    assert journal.notice(FAILING) is None
    assert [one.action for one in journal.messages].count(Action.OPEN) == 1


def test_what_a_dead_site_brings_with_it_is_not_told_again() -> None:
    """Its edge, its controller: no news to people who know that it is gone. That nobody acknowledges is."""
    journal = after_a_failover()
    silent = (stands(Kind.FAILING, "azure/edge", site="azure"), stands(Kind.CONTROLLER_SILENT, "azure", site="azure"))
    assert journal.notice(*silent) is None
    told = journal.notice(stands(Kind.CONTROLLER_SILENT, "gcp", site="gcp"))
    assert told is not None and told.action is Action.UPDATE
    told = journal.notice(stands(Kind.UNACKNOWLEDGED, "payments", Severity.CRITICAL))
    assert told is not None and told.severity is Severity.CRITICAL
    keys = (FAILING.key, *(one.key for one in silent), "controller-silent:gcp")
    journal.notice(ended=keys)
    assert journal.situation.incident is not None, "payments are still not acknowledged"
    told = journal.notice(ended=("unacknowledged:payments",))
    assert told is not None and told.action is Action.RESOLVE


def test_a_part_that_fails_without_any_plan_is_an_incident() -> None:
    """In a mode that leaves the writer alone nothing is claimed; the notice opens it, since it began, and its end ends it."""
    journal = Journal()
    told = journal.notice(FAILING)
    assert told is not None and told.action is Action.OPEN and told.severity is Severity.CRITICAL
    assert (told.at - told.since).total_seconds() == 3
    told = journal.notice(ended=(FAILING.key,))
    assert told is not None and told.action is Action.RESOLVE and told.title.startswith("over: no longer")


def test_the_next_incident_has_another_key() -> None:
    """Receivers that know the first as ended must not take the second for it."""
    journal = Journal()
    for _ in range(2):
        journal.notice(FAILING)
        journal.notice(ended=(FAILING.key,))
    first, second = (one.incident for one in journal.messages if one.action is Action.OPEN)
    assert first != second


def test_orders_name_who_gave_them() -> None:
    """A planned move is no incident; who ordered it, why, and how it ended is told."""
    journal = Journal()
    plan, told = journal.claim(Switchover(to=GCP, trigger=Trigger.OPERATOR, because="maintenance", by="kim"))
    assert told is not None and told.action is Action.NOTE and told.title == "kim ordered switchover to gcp, epoch 5"
    assert "maintenance" in told.why
    journal.write("elected", plan=plan, epoch=5, winner="gcp")
    told = journal.done(plan, "switchover", verified={"proven": True})
    assert told is not None and told.title == "switchover done, gcp writes" and told.severity is Severity.INFO


def test_a_switchover_that_gave_the_reign_back_is_an_error() -> None:
    """It was done, and not what was asked for."""
    journal = Journal()
    plan, _ = journal.claim(Switchover(to=GCP, trigger=Trigger.OPERATOR, because="maintenance", by="kim"))
    journal.write("elected", plan=plan, epoch=5, winner="azure")
    told = journal.done(plan, "switchover", verified={"proven": True})
    assert told is not None and told.severity is Severity.ERROR and "given back, azure writes" in told.title


def test_a_plan_that_failed_and_one_that_is_not_proven_are_errors() -> None:
    """Done is not enough."""
    journal = Journal()
    told = journal.done("promote-1", "promote", failure="the provider says no")
    assert told is not None and (told.severity, told.why) == (Severity.ERROR, "the provider says no")
    told = journal.done("failover-1", "failover", verified={"proven": False})
    assert told is not None and told.severity is Severity.ERROR and "not proven" in told.title


@pytest.mark.parametrize(
    ("proposal", "title"),
    [
        (SetPause(pause=Pause(by="kim", reason="r", since=START), because="storm", by="kim"), "kim paused automation"),
        (SetPause(pause=None, because="calm", by="ada"), "ada let automation go on"),
        (SetMode(mode=Mode.MANUAL, because="audit", by="kim"), "kim changed the mode"),
    ],
)
def test_pause_resume_and_mode_are_told_with_whose_they_are(proposal: SetPause | SetMode, title: str) -> None:
    """As the loop journals them."""
    journal = Journal()
    _, told = journal.claim(proposal)
    assert told is not None and told.title == title and proposal.because in told.why


def test_upkeep_is_silent_but_for_what_a_person_must_do() -> None:
    """A return is told when it is complete; payments in quarantine are an error that names how many; none are none."""
    journal = Journal()
    plan, told = journal.claim(Return(site=AZURE, because="astray"))
    assert told is None
    step = {"step": "export_tail", "site": "azure"}
    assert journal.write("step.export_tail", step=step, result={"detail": exported(0, 0, 0)}) is None
    told = journal.write("step.export_tail", step=step, result={"detail": exported(3, 1, 2)})
    assert told is not None and told.severity is Severity.ERROR and told.title.startswith("3 payments of azure are in quarantine")
    told = journal.done(plan, "return")
    assert told is not None and told.severity is Severity.INFO
    plan, told = journal.claim(Grow(site=AZURE, because="streams"))
    assert told is None and journal.done(plan, "grow") is None


def test_a_takeover_and_a_rebuild_are_told() -> None:
    """Who took what over from whom; that the control plane is new."""
    journal = Journal()
    told = journal.write("takeover", actor="gcp", sentence="take over plan p, because aws is gone", plan="p")
    assert told is not None and told.title == "gcp took a plan over" and "aws is gone" in told.why
    told = journal.write("rebuilt", sentence="rebuilt from the databases")
    assert told is not None and told.severity is Severity.WARNING


def test_drills_are_marked_until_their_incident_is_over() -> None:
    """Beginning and end of the drill, the incident in it, and its end even when that comes after the drill's."""
    journal = Journal()
    journal.write("drill.begun", drill="game day", by="kim")
    journal.claim(LEAVE)
    journal.write("drill.ended", drill="game day", by="kim")
    journal.done(journal.situation.move, "failover", verified={"proven": True})
    journal.notice(ended=(FAILING.key,))
    assert len(journal.messages) == 5 and all(one.headline.startswith(DRILL) for one in journal.messages)
    told = journal.notice(FAILING)
    assert told is not None and not told.headline.startswith(DRILL), "the next one is real"


def test_what_really_fails_after_a_drill_is_no_drill_although_its_incident_is_still_open() -> None:
    """azure was taken down in a drill and is not back; gcp dies in truth, and whoever is paged must not read [DRILL]."""
    journal = Journal()
    journal.write(DRILL_BEGUN, **begun("game day", by="kim", reason="practice", at=START))
    journal.claim(LEAVE)
    journal.done(journal.situation.move, "failover", verified={"proven": True})
    journal.write(DRILL_ENDED, **ended("game day", by="kim", reason="done"))
    told = journal.notice(stands(Kind.FAILING, "gcp/database", Severity.CRITICAL, "gcp"))
    assert told is not None and told.action is Action.UPDATE and not told.headline.startswith(DRILL)
    told = journal.notice(ended=(FAILING.key, "failing:gcp/database"))
    assert told is not None and told.action is Action.RESOLVE and not told.headline.startswith(DRILL)


@pytest.mark.parametrize("until", ["", "soon", "2099-01-01T00:00:00+00:00", "2026-01-01T00:00:00"])
def test_no_drill_is_without_an_end(until: str) -> None:
    """Whoever wrote the entry: without an end that can be read it lasts an hour, and never longer than a day."""
    journal = Journal()
    journal.write(DRILL_BEGUN, drill="d", by="kim", until=until)
    lasts = journal.situation.drill_until
    assert lasts is not None and timedelta(hours=1) <= lasts - START <= timedelta(hours=24)


def test_whoever_goes_on_in_the_middle_tells_the_same() -> None:
    """A controller died behind any entry; the next one has the situation from etcd, and makes the very same messages."""
    whole = after_a_failover()
    whole.notice(stands(Kind.UNACKNOWLEDGED, "payments", Severity.CRITICAL))
    whole.notice(ended=("unacknowledged:payments", FAILING.key))
    for cut in range(len(whole.entries) + 1):
        situation, messages = Situation(), list[Message]()
        for number, entry in enumerate(whole.entries):
            if number == cut:
                situation = decode(Situation, encode(situation), key="telling")
            situation, message = fold(situation, entry, "payments")
            messages += [message] if message else []
        assert messages == whole.messages


@pytest.mark.parametrize("kind", ["claim", "takeover", "elected", "plan.done", "step.export_tail", "notice", "decision", "x"])
def test_entries_of_another_version_are_survived(kind: str) -> None:
    """Bodies without what is looked for, or with something else there: nothing is raised, or nobody would be told anything any more."""
    strange: dict[str, object] = {
        "begun": [{"key": 1, "kind": "new", "severity": "dire"}],
        "ended": [3],
        "plan_kind": "dance",
        "result": 4,
    }
    bodies: tuple[dict[str, object], ...] = ({}, strange)
    for body in bodies:
        journal = Journal()
        journal.write(kind, **body)
        journal.claim(LEAVE)
        assert journal.messages[-1].title.startswith("automatic failover")
