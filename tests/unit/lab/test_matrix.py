"""A cell differs from the document in whatever it came to otherwise: outcomes that are as promised, each forged in one way."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.core.model import JournalEntry
from lab.aftermath import Aftermath
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import Say
from lab.matrix import __main__ as runner
from lab.matrix.cells import LEFT_OUT, Cell, Outcome, Promise, Scene, Victim, cells, select
from lab.matrix.judgement import Seen, Standing, amiss, answered_by
from lab.matrix.page import page
from lab.matrix.play import failures, longest_pause
from lab.matrix.report import AS_PROMISED, DIFFERS, NOT_PLAYED, document, played, unplayed
from lab.matrix.told import ToldPlan, Withheld, drained, plans, righted, withheld
from lab.reconcile_answers import Answers
from lab.record import Acknowledged, Declined, Failed
from tests.unit.lab.runs import reconciliation

AT = datetime(2026, 7, 18, 12, 0, tzinfo=UTC)
AZURE, AWS = Standing(writer="azure", epoch=1), Standing(writer="aws", epoch=2)


def plan(kind: str, trigger: str, claimed: float, ended: float | None = 3.0) -> ToldPlan:
    """A plan of epoch 2."""
    return ToldPlan(
        id=f"{kind}-e2",
        kind=kind,
        trigger=trigger,
        epoch=2,
        claimed_by="gcp",
        claimed=claimed,
        steps=(),
        taken_over_by=(),
        ended=ended,
    )


def afterwards(standing: Standing, *lost: str, **changes: object) -> Aftermath:
    """Everything well but for the lost."""
    found = Aftermath(
        reconciliation=reconciliation(*lost), writer_after=standing.writer, epoch_after=standing.epoch, etcd_disagreeing=()
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def seen(healing: Standing, *told: ToldPlan) -> Seen:
    """A cell in which it stayed as it stood at the healing."""
    return Seen(
        place="azure",
        site="azure",
        before=AZURE,
        healing=healing,
        aftermath=afterwards(healing),
        plans=told,
        withheld=(),
        pause=2.0,
        pause_began=0.1,
        lasted=8.0,
        whole=20.0,
    )


FAILOVER = plan("failover", "automatic", 1.5)
SWITCHOVER = plan("switchover", "operator", -0.2)
MOVED, STAYED, ENDED = seen(AWS, FAILOVER), seen(AZURE), seen(AWS, SWITCHOVER)
HELD = replace(seen(AZURE), pause=6.0, withheld=(Withheld(t=1.0, what="fail over from azure", guards=("provable-durability",)),))


def promising(outcome: Outcome, scene: Scene = Scene.CALM) -> Cell:
    """A cell whose row says this."""
    promise = Promise(outcome=outcome, row="row", pause=timedelta(seconds=7))
    return Cell(fault=Fault.DEAF, victim=Victim.WRITER, scene=scene, promise=promise, lasts=timedelta(seconds=8))


AS_SAID = [(Outcome.MOVED, MOVED), (Outcome.STAYED, STAYED), (Outcome.ENDED, ENDED), (Outcome.HELD, HELD)]


@pytest.mark.parametrize(("outcome", "one"), AS_SAID)
def test_what_is_as_promised_differs_in_nothing(outcome: Outcome, one: Seen) -> None:
    """Otherwise every forgery below would be found for another reason."""
    assert amiss(promising(outcome), one) == ()


@pytest.mark.parametrize(("outcome", "one"), AS_SAID)
@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda one: replace(one, whole=None), "did not become whole"),
        (lambda one: replace(one, pause=7.5), "no payment was acknowledged for 7.5 s"),
        (lambda one: replace(one, aftermath=afterwards(one.healing, "k")), "1 acknowledged payments are lost"),
        (lambda one: replace(one, aftermath=replace(one.aftermath, breaches=("always-finishes: x",))), "always-finishes"),
        (lambda one: replace(one, aftermath=replace(one.aftermath, fallen=("etcd-aws",))), "processes ended by themselves"),
        (
            lambda one: replace(one, aftermath=replace(one.aftermath, troubles=("azure could not be healed",))),
            "could not be healed",
        ),
    ],
)
def test_what_no_cell_may_come_to(outcome: Outcome, one: Seen, forge: Callable[[Seen], Seen], said: str) -> None:
    """Whatever was promised: a loss, a pause that is too long, a broken promise, something that could not be shown."""
    assert any(said in found for found in amiss(promising(outcome), forge(one)))


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (replace(MOVED, healing=AZURE), "one failover from azure was promised before the fault's end"),
        (replace(MOVED, healing=None), "nobody knows who writes"),
        (replace(MOVED, healing=Standing(writer="azure", epoch=2)), "one failover from azure"),
        (replace(MOVED, plans=(FAILOVER, plan("failover", "automatic", 4.0))), "2 automatic failovers were claimed"),
        (replace(MOVED, plans=(plan("failover", "operator", 1.5),)), "0 automatic failovers were claimed"),
        (replace(MOVED, aftermath=afterwards(Standing(writer="azure", epoch=3))), "after the healing azure writes in epoch 3"),
    ],
)
def test_a_move_that_is_none_or_two_or_goes_home_differs(forged: Seen, said: str) -> None:
    """By itself, once, away from the victim, and never back."""
    assert [found for found in amiss(promising(Outcome.MOVED), forged) if said in found]


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (replace(STAYED, healing=AWS), "no reign was to change, and at the fault's end aws writes in epoch 2"),
        (replace(STAYED, aftermath=afterwards(AWS)), "no reign was to change, and in the end aws writes in epoch 2"),
        (replace(STAYED, plans=(FAILOVER,)), "failover-e2 was claimed"),
    ],
)
def test_a_reign_that_changes_differs(forged: Seen, said: str) -> None:
    """Also one that was only claimed, and one that changes after the healing."""
    assert [found for found in amiss(promising(Outcome.STAYED), forged) if said in found]


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (replace(ENDED, plans=()), "no plan was under way when the fault struck"),
        (replace(ENDED, plans=(replace(SWITCHOVER, claimed=0.5),)), "no plan was under way when the fault struck"),
        (replace(ENDED, plans=(replace(SWITCHOVER, ended=None),)), "switchover-e2 never ended"),
        (replace(ENDED, plans=(SWITCHOVER, FAILOVER)), "the writer was failed over"),
    ],
)
def test_a_plan_that_was_not_struck_or_did_not_end_differs(forged: Seen, said: str) -> None:
    """A fault that comes after the plan's end proves nothing about it."""
    assert [found for found in amiss(promising(Outcome.ENDED), forged) if said in found]


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (replace(HELD, healing=AWS), "nothing was to move"),
        (replace(HELD, plans=(FAILOVER,)), "failed over by itself"),
        (replace(HELD, pause=1.0), "there was nothing to hold"),
        (replace(HELD, withheld=()), "no guard said why"),
    ],
)
def test_a_hold_that_moves_or_explains_nothing_differs(forged: Seen, said: str) -> None:
    """Held is: nobody can pay, nothing is done, and somebody says why."""
    assert [found for found in amiss(promising(Outcome.HELD), forged) if said in found]


def test_in_an_outage_the_authorities_that_are_well_leave_the_dead_site_out() -> None:
    """The one that the fault is about may go on naming it; a machine that is too busy excuses one and not all."""
    cell, slow = promising(Outcome.MOVED, Scene.OUTAGE), Answers(answered=9, stale=3, last_stale=9.0, unended=True, unanswered=0)
    soon = replace(slow, last_stale=0.4)
    outage = replace(MOVED, place="azuredns", answers={"azuredns": slow, "route53": soon, "clouddns": soon})
    assert amiss(cell, outage) == ()
    assert "route53 still named azure 9.0 s" in amiss(cell, replace(outage, answers={**outage.answers, "route53": slow}))[0]
    busy = replace(outage, load_late=2.0, answers={**outage.answers, "route53": slow})
    assert amiss(cell, busy) == ()
    assert amiss(cell, replace(busy, answers=dict.fromkeys(busy.answers, slow)))
    assert "nobody decided" in amiss(cell, replace(outage, steered=False))[0]


def entry(seconds: float, kind: str, **body: object) -> JournalEntry:
    """One journal entry so long after the fault."""
    return JournalEntry(sequence=1, at=AT + timedelta(seconds=seconds), actor="gcp", kind=kind, body=body)


JOURNAL = (
    entry(-60, "claim", plan="old", plan_kind="grow", trigger="upkeep", epoch=1, subject="gcp"),
    entry(-59, "plan.done", plan="old"),
    entry(-0.3, "claim", plan="s", plan_kind="switchover", trigger="operator", epoch=2),
    entry(-0.1, "step.cut", plan="s", step={"step": "cut", "site": "azure"}),
    entry(
        1,
        "decision",
        withheld="fail over",
        reasons=[{"guard": "velocity", "verdict": "refused"}, {"guard": "mode", "verdict": "allowed"}],
    ),
    entry(2, "takeover", plan="s"),
    entry(3, "claim", plan="f", plan_kind="failover", trigger="automatic", epoch=3, replaces="s", subject="azure"),
    entry(4, "decision", withheld="fail over", reasons=[{"guard": "velocity", "verdict": "refused"}]),
)


def test_the_journal_tells_the_plans_under_way_and_after_the_fault() -> None:
    """One that had ended before is none of them; one that a later claim replaced has ended with it."""
    struck, replacing = plans(JOURNAL, AT)
    assert (struck.id, struck.claimed, struck.ended, struck.taken_over_by) == ("s", -0.3, 3.0, ("gcp",))
    assert struck.steps == ((-0.1, "cut azure"),)
    assert (replacing.id, replacing.trigger, replacing.ended) == ("f", "automatic", None)


def test_the_journal_tells_what_was_held_back_and_by_which_guard() -> None:
    """Once, as first said, by the guards that refused; what comes after the healing is none of it."""
    assert withheld(JOURNAL, AT, 8.0) == (Withheld(t=1.0, what="fail over", guards=("velocity",)),)
    assert withheld(JOURNAL, AT, 0.5) == ()
    assert (drained(JOURNAL, "azure", AT), drained(JOURNAL, "gcp", AT)) == (3.0, None)


def test_what_a_controller_with_a_wrong_clock_wrote_is_dated_back() -> None:
    """Its own entries from that time, and nobody else's: else a plan of before the fault seems to come after it."""
    ours, later = entry(29.8, "claim"), replace(entry(60.0, "claim"), sequence=9)
    theirs = replace(ours, actor="aws")
    times = [one.at - AT for one in righted((ours, theirs, later), "gcp", range(1, 5), timedelta(seconds=30))]
    assert times == [timedelta(seconds=-0.2), timedelta(seconds=29.8), timedelta(seconds=60)]
    assert righted((ours,), "gcp", range(1, 5), None) == (ours,)


def test_what_clients_were_told_is_counted_by_site_and_reason() -> None:
    """While the fault lasted, refusals for good too."""
    lines = [
        *(Failed(key="k", attempt=1, site="aws", why="503 not-durable", t=t) for t in (1, 2, 9)),
        Failed(key="k", attempt=1, site=None, why="no address", t=3),
        Declined(key="k", attempt=1, site="azure", status=401, why="unknown-token", t=4),
    ]
    told = {"aws: 503 not-durable": 2, "nowhere: no address": 1, "azure: unknown-token": 1}
    assert failures(lines, begin=0, end=8) == told


def test_how_a_fault_was_answered_is_said_in_one_phrase() -> None:
    """A failover before everything else, then what held, then repairs."""
    assert answered_by(MOVED) == "automatic: failover claimed by gcp after 1.5 s"
    assert answered_by(HELD) == "held: fail over from azure, by provable-durability"
    assert answered_by(replace(STAYED, plans=(plan("steer", "automatic", 2.5),))) == "automatic: steer"
    assert answered_by(STAYED) == "nothing to do"


def test_a_pause_is_found_at_either_end() -> None:
    """Also one that began with the fault, or that lasted to the end."""
    told = [Acknowledged(key="k", attempt=1, payment="p", epoch=1, site="aws", status=201, latency=0.1, t=t) for t in (3, 4)]
    assert longest_pause(told, begin=0, end=5) == (0, 3)
    assert longest_pause(told, begin=2, end=9) == (4, 5)
    assert longest_pause([], begin=2, end=9) == (2, 7)


def test_every_fault_of_a_lab_is_in_the_matrix_or_left_out_with_a_reason() -> None:
    """At every victim; a new kind of fault that nobody plays is found here."""
    assert {cell.fault for cell in cells()} | set(LEFT_OUT) == set(Fault)
    assert {cell.fault for cell in cells()}.isdisjoint(LEFT_OUT)
    assert len({cell.name for cell in cells()}) == len(cells()) == 3 * (len(Fault) - len(LEFT_OUT))


def test_cells_are_picked_by_fault_and_victim() -> None:
    """What there is not is refused with what there is."""
    assert [cell.name for cell in select({"deaf", "crash"}, {"writer"})] == ["crash/writer", "deaf/writer"]
    assert select((), ()) == cells()
    with pytest.raises(LabError, match=r"no fault explode; there are api-hang, .*disk-full"):
        select({"explode"}, ())
    with pytest.raises(LabError, match="no victim nobody; there are follower, owner, writer"):
        select((), {"nobody"})


DEAF, CRASH = select({"deaf"}, {"writer"})[0], select({"crash"}, {"writer"})[0]


def test_the_report_counts_what_failed_and_what_was_not_played() -> None:
    """Neither passes for a cell that is as promised."""
    results = {DEAF.name: played(DEAF, replace(MOVED, whole=None), 60.0), CRASH.name: unplayed(CRASH, "LabError: <no> lab", 1.0)}
    said = document(cells(), results)
    assert (said["as_promised"], said["differs"], said["not_played"], said["played"]) == (0, 1, 1, 2)
    assert len(said["left"]) == len(cells()) - 2
    assert json.loads(json.dumps(said))["results"][0]["verdict"] == NOT_PLAYED
    shown = page(said)
    assert "not everything is as promised" in shown and "&lt;no&gt; lab" in shown and "did not become whole" in shown
    assert "http" not in shown and "<script" not in shown


def test_a_run_writes_after_every_cell_and_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    """What could not be played counts as failed, is told, and is played again; what is as promised is not."""
    asked: list[str] = []
    well = {"deaf/writer"}

    async def player(cell: Cell, name: str, say: Say) -> Seen:
        asked.append(cell.name)
        if cell.name not in well:
            raise LabError("no lab")
        return MOVED

    def run(resume: bool, *wanted: Cell) -> bool:
        return asyncio.run(
            runner.carry_out(runner.Wishes(cells=wanted, resume=resume), tmp_path, say=lambda line: None, player=player)
        )

    def verdicts() -> dict[str, str]:
        return {one["cell"]: one["verdict"] for one in json.loads((tmp_path / "report.json").read_text())["results"]}

    assert not run(False, CRASH, DEAF)
    assert verdicts() == {"crash/writer": NOT_PLAYED, "deaf/writer": AS_PROMISED}
    well.add("crash/writer")
    assert run(True, CRASH)
    assert verdicts() == {"crash/writer": AS_PROMISED, "deaf/writer": AS_PROMISED}
    assert run(True, CRASH, DEAF)
    assert asked == ["crash/writer", "deaf/writer", "crash/writer"]
    assert "2 of 2 cells as promised" in (tmp_path / "report.html").read_text()


def test_a_verdict_is_that_of_the_judgement() -> None:
    """The report never says better than what was found."""
    assert played(DEAF, MOVED, 1.0)["verdict"] == AS_PROMISED
    assert played(DEAF, STAYED, 1.0)["verdict"] == DIFFERS
