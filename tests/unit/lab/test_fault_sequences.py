"""A sequence differs from the document in whatever a round came to otherwise: rounds that are as promised, each forged in one way."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.coordination.codec import Unreadable, decode, encode
from controller.core.model import Health, JournalEntry, Observation, Opinion, Part
from controller.core.model import Site as SiteName
from lab.aftermath import Aftermath
from lab.errors import LabError
from lab.laboratory import Say
from lab.matrix import __main__ as runner
from lab.matrix import next_version
from lab.matrix.cells import Outcome
from lab.matrix.judgement import Standing
from lab.matrix.page import page
from lab.matrix.report import AS_PROMISED, DIFFERS, NOT_PLAYED, document
from lab.matrix.rounds import Course, owner_of
from lab.matrix.sequel import RoundSeen, SequenceSeen, amiss_round, amiss_sequence
from lab.matrix.sequel_report import played_sequence, unplayed_sequence
from lab.matrix.sequences import (
    OFTEN,
    Begin,
    Mark,
    Newer,
    Round,
    Sequence,
    Strike,
    random_rounds,
    select_sequences,
    sequences,
)
from lab.matrix.told import ToldPlan, Withheld
from lab.matrix.watching import reached
from tests.unit.lab.runs import reconciliation

AT = datetime(2026, 7, 18, 12, 0, tzinfo=UTC)
AZURE, AWS = Standing(writer="azure", epoch=1), Standing(writer="aws", epoch=2)


def plan(kind: str, trigger: str, *, ended: float | None = 3.0, epoch: int = 2) -> ToldPlan:
    """A plan that gcp's controller claimed in the round."""
    return ToldPlan(
        id=f"{kind}-e{epoch}",
        kind=kind,
        trigger=trigger,
        epoch=epoch,
        claimed_by="gcp",
        claimed=1.5,
        steps=(),
        taken_over_by=("aws",),
        ended=ended,
    )


FAILOVER, SWITCHOVER, RETURN = plan("failover", "automatic"), plan("switchover", "operator"), plan("return", "upkeep")


def seen(after: Standing, *plans: ToldPlan) -> RoundSeen:
    """A round in which this was claimed and came to its end."""
    return RoundSeen(
        before=AZURE,
        after=after,
        struck="gcp's controller died",
        missed="",
        plans=plans,
        withheld=(),
        guards=(),
        held=0.0,
        hurt=False,
        newer_acted=(),
        older_acted=(),
        pause=2.0,
        pause_began=0.1,
        whole=20.0,
    )


def promising(outcome: Outcome, begin: Begin = Begin.FAILOVER, **changes: object) -> Round:
    """A round whose row says this."""
    one = Round(name="one", row="row", begin=begin, outcome=outcome, pause=timedelta(seconds=7))
    return replace(one, **changes)  # type: ignore[arg-type]


MOVED, STAYED = promising(Outcome.MOVED), promising(Outcome.STAYED, Begin.BOTH_FOLLOWERS)
ENDED = promising(Outcome.ENDED, after=Mark(kind="step.cut"), strike=Strike.OWNER)
HELD = promising(Outcome.STAYED, Begin.WRITER_AND_FOLLOWER, held_by="quorum-or-hold")
RETURNED = promising(Outcome.ENDED, Begin.RETURN, after=Mark(kind="step.reseed"), strike=Strike.OWNER)
NEWER_OWNS = promising(Outcome.ENDED, after=Mark(), strike=Strike.OWNER, newer=Newer.OWNER)
NEWER_TAKES = replace(NEWER_OWNS, newer=Newer.OTHERS)

AS_MOVED, AS_STAYED, AS_ENDED = seen(AWS, FAILOVER), seen(AZURE), replace(seen(AWS, FAILOVER), hurt=True)
AS_HELD = replace(seen(AZURE), held=8.0, pause=9.0, guards=("quorum-or-hold",))
AS_RETURNED = seen(AWS, FAILOVER, RETURN)
AS_OWNED = replace(AS_ENDED, newer_acted=("claim", "step.cut"), older_acted=("takeover",))
AS_TAKEN = replace(AS_ENDED, newer_acted=("takeover",), older_acted=("claim",))

AS_SAID = [
    (MOVED, AS_MOVED),
    (STAYED, AS_STAYED),
    (ENDED, AS_ENDED),
    (HELD, AS_HELD),
    (RETURNED, AS_RETURNED),
    (NEWER_OWNS, AS_OWNED),
    (NEWER_TAKES, AS_TAKEN),
]


@pytest.mark.parametrize(("promised", "found"), AS_SAID)
def test_what_is_as_promised_differs_in_nothing(promised: Round, found: RoundSeen) -> None:
    """Otherwise every forgery below would be found for another reason."""
    assert amiss_round(promised, found) == ()


@pytest.mark.parametrize(("promised", "found"), AS_SAID)
def test_what_no_round_may_come_to(promised: Round, found: RoundSeen) -> None:
    """Whatever was promised: a site that stays away, a pause beyond what was held, a moment that was missed, a trouble."""
    for forged, said in (
        (replace(found, whole=None), "did not become whole"),
        (replace(found, pause=16.0), "no payment was acknowledged for 16.0 s"),
        (replace(found, missed="no claim"), "the moment was not met, and nothing is proven: no claim"),
        (replace(found, troubles=("azure could not be healed",)), "azure could not be healed"),
    ):
        assert [one for one in amiss_round(promised, forged) if said in one]


@pytest.mark.parametrize(
    ("promised", "forged", "said"),
    [
        (MOVED, seen(AZURE), "one move from azure was promised, there were 0 (none)"),
        (MOVED, replace(AS_MOVED, after=None), "nobody knows who writes"),
        (MOVED, seen(Standing(writer="azure", epoch=2), FAILOVER), "one move from azure"),
        (MOVED, seen(Standing(writer="gcp", epoch=3), FAILOVER, plan("failover", "automatic", epoch=3)), "there were 2"),
        (MOVED, seen(AWS, plan("failover", "operator")), "was to be claimed by itself"),
        (MOVED, seen(AWS, FAILOVER, replace(RETURN, ended=None)), "return-e2 never ended"),
        (STAYED, seen(AWS, FAILOVER), "no reign was to change, and aws writes in epoch 2"),
        (STAYED, seen(AZURE, replace(FAILOVER, ended=None)), "no reign was to change"),
        (ENDED, replace(AS_ENDED, plans=()), "no failover was claimed"),
        (ENDED, replace(AS_ENDED, plans=(replace(FAILOVER, ended=None),)), "failover-e2 never ended"),
        (ENDED, replace(AS_ENDED, hurt=False), "the plan had ended before its owner was gone"),
        (RETURNED, seen(AWS, FAILOVER), "no return was claimed"),
        (replace(ENDED, begin=Begin.SWITCHOVER), AS_ENDED, "no switchover was claimed"),
        (replace(ENDED, begin=Begin.SWITCHOVER), replace(AS_ENDED, plans=(SWITCHOVER, FAILOVER)), "was failed over"),
        (HELD, replace(AS_HELD, guards=("velocity",)), "quorum-or-hold was to hold, and said to hold was velocity"),
        (HELD, replace(AS_HELD, guards=()), "said to hold was nothing"),
        (HELD, replace(AS_HELD, pause=3.0), "there was nothing to hold"),
        (NEWER_OWNS, replace(AS_OWNED, newer_acted=("takeover",)), "the next version claimed nothing"),
        (NEWER_OWNS, replace(AS_OWNED, older_acted=()), "this version did nothing in the plan"),
        (NEWER_TAKES, replace(AS_TAKEN, newer_acted=()), "the next version took nothing over"),
    ],
)
def test_a_round_that_came_to_something_else_differs(promised: Round, forged: RoundSeen, said: str) -> None:
    """Each forged in one way."""
    assert [one for one in amiss_round(promised, forged) if said in one]


def test_a_guard_that_the_journal_names_has_said_so() -> None:
    """While etcd has its majority nobody need be asked."""
    chased = replace(MOVED, begin=Begin.CHASING, held_by="velocity")
    withheld = (Withheld(t=9.0, what="fail over from aws", guards=("velocity",)),)
    assert amiss_round(chased, replace(AS_MOVED, withheld=withheld, held=3.0, pause=1.0)) == ()
    assert amiss_round(chased, AS_MOVED)


TWO = Sequence(name="two", rounds=(MOVED, replace(STAYED, name="two")), policy=OFTEN)


def course(*rounds: RoundSeen, lost: tuple[str, ...] = ()) -> SequenceSeen:
    """Everything well after these rounds but for the lost."""
    aftermath = Aftermath(reconciliation=reconciliation(*lost), writer_after="aws", epoch_after=2, etcd_disagreeing=())
    return SequenceSeen(rounds=rounds, aftermath=aftermath, load_late=0.0)


def test_a_sequence_is_all_its_rounds_and_what_is_left_behind() -> None:
    """A loss anywhere, a round that differs, and one that was not played any more."""
    assert amiss_sequence(TWO, course(AS_MOVED, AS_STAYED)) == ()
    assert amiss_sequence(TWO, course(AS_MOVED)) == ("not played: two",)
    assert "1 acknowledged payments are lost" in amiss_sequence(TWO, course(AS_MOVED, AS_STAYED, lost=("k",)))
    assert amiss_sequence(TWO, course(AS_MOVED, replace(AS_STAYED, whole=None))) == (
        "two: the service did not become whole again",
    )


def test_the_report_tells_every_round_with_its_policy() -> None:
    """Beside the cells, in the same words; what could not be played is no success."""
    told = played_sequence(TWO, course(AS_MOVED, replace(AS_STAYED, missed="<late>")), 60.0)
    assert (told["verdict"], told["policy"], len(told["rounds"])) == (DIFFERS, ["automatic_failovers = 1000"], 2)
    gone = unplayed_sequence(replace(TWO, name="gone"), "LabError: no lab", 1.0)
    said = document((), {}, (TWO, replace(TWO, name="gone"), replace(TWO, name="later")), {"two": told, "gone": gone})
    assert json.loads(json.dumps(said))["sequences_left"] == ["later"]
    shown = page(said)
    assert "0 of 3 sequences as promised" in shown and "not everything is as promised" in shown
    assert "&lt;late&gt;" in shown and "automatic_failovers = 1000" in shown and "no lab" in shown
    assert "http" not in shown and "<script" not in shown


def test_a_sequence_that_cannot_be_played_is_told_and_played_again(tmp_path: Path) -> None:
    """As a cell is."""
    asked: list[str] = []

    async def performer(sequence: Sequence, name: str, say: Say) -> SequenceSeen:
        asked.append(name)
        if len(asked) == 1:
            raise LabError("no lab")
        return course(AS_MOVED, AS_STAYED)

    def run() -> str:
        wishes = runner.Wishes(sequences=(TWO,), resume=True)
        kept = asyncio.run(runner.carry_out(wishes, tmp_path, say=lambda line: None, performer=performer))
        (one,) = json.loads((tmp_path / "report.json").read_text())["sequences"]
        assert kept == (one["verdict"] == AS_PROMISED)
        return str(one["verdict"])

    assert [run(), run(), run()] == [NOT_PLAYED, AS_PROMISED, AS_PROMISED]
    assert asked == ["sequence-two", "sequence-two"]


def test_who_picks_cells_gets_no_sequences_and_the_other_way_round() -> None:
    """Unless both are named; nothing named is everything."""
    every = runner.read_wishes({})
    assert every.cells and [one.name for one in every.sequences] == [one.name for one in sequences(0, 10)]
    assert runner.read_wishes({"FAULTS": "deaf"}).sequences == ()
    assert runner.read_wishes({"SEQUENCES": "none"}).sequences == () != runner.read_wishes({"SEQUENCES": "none"}).cells
    long = runner.read_wishes({"SEQUENCES": "random", "COUNT": "100"})
    assert (long.cells, [len(one.rounds) for one in long.sequences]) == ((), [100])
    both = runner.read_wishes({"SEQUENCES": "flapping", "FAULTS": "deaf", "VICTIMS": "writer"})
    assert (len(both.cells), len(both.sequences)) == (1, 1)
    for wrong in ({"SEQUENCES": "all"}, {"COUNT": "0"}, {"COUNT": "many"}):
        with pytest.raises(LabError):
            runner.read_wishes(wrong)


def test_a_try_whose_moment_was_not_met_owes_an_end_all_the_same() -> None:
    """It is played again and told; a plan of it that hung, a pause that was too long or what the lab could not do is not forgotten."""
    promised, whole = Sequence(name="tried", rounds=(ENDED,)), course(AS_ENDED)
    missed = replace(AS_ENDED, hurt=False, missed="in the hands of aws")
    again = replace(whole, tries=[(ENDED, missed)])
    assert amiss_sequence(promised, again) == ()
    assert played_sequence(promised, again, 60.0)["played_again"] == ["one"]
    for amiss, words in (
        (replace(missed, pause=40.0), "no payment was acknowledged for 40.0 s"),
        (replace(missed, plans=(plan("failover", "automatic", ended=None),)), "failover-e2 never ended"),
        (replace(missed, troubles=("gcp could not be healed",)), "gcp could not be healed"),
    ):
        (said,) = amiss_sequence(promised, replace(whole, tries=[(ENDED, amiss)]))
        assert said.startswith("one, played again: ") and words in said


def test_the_same_seed_gives_the_same_moves() -> None:
    """And another one others; both kinds are among them."""
    assert random_rounds(1, 20) == random_rounds(1, 20) != random_rounds(2, 20)
    assert {one.begin for one in random_rounds(1, 20)} == {Begin.FAILOVER, Begin.SWITCHOVER}


def test_rounds_of_a_sequence_have_names_of_their_own() -> None:
    """And what has more than one failover says which policy lets it."""
    known = sequences(0, 10)
    for one in known:
        assert len({each.name for each in one.rounds}) == len(one.rounds)
        assert one.policy == OFTEN or len(one.rounds) == 1
    assert select_sequences({"random"}, known)[0].name == "random"


def test_a_moment_is_not_met_by_the_labs_own_doing_alone() -> None:
    """An order in other hands, or an owner killed too late; never a plan that did not come or did not end."""
    one = Course(round=ENDED, before=AZURE, since=0, at=0.0, wall=AT, hurt=True)
    assert not one.unmet
    assert replace(one, hurt=False).unmet and replace(one, missed="in the hands of aws").unmet
    assert not replace(one, round=RETURNED, hurt=False).unmet
    assert not replace(one, hurt=False, missed="late", troubles=["no failover came to claim"]).unmet


def test_an_orders_owner_is_on_neither_side_of_it() -> None:
    """Of three sites the third."""
    assert (owner_of("azure", 0), owner_of("azure", 1), owner_of("aws", 0)) == ("gcp", "aws", "gcp")


def entry(kind: str, name: str = "p", **body: object) -> JournalEntry:
    """One entry of a plan."""
    return JournalEntry(sequence=1, at=AT, actor="gcp", kind=kind, body={"plan": name, **body})


def test_a_mark_is_the_entry_of_a_plan_of_its_kind() -> None:
    """The first cut of a switchover is its fence; another plan's entries do not count."""
    journal = [
        entry("claim", "s", plan_kind="settle"),
        entry("step.cut", "s"),
        entry("claim", plan_kind="switchover"),
        entry("step.cut"),
    ]
    assert [one.kind for one in reached(journal, "switchover", Mark(kind="step.cut"))] == ["claim", "step.cut"]
    assert reached(journal, "switchover", Mark(kind="step.cut", count=2)) == ()
    assert reached(journal, "failover", Mark()) == ()


OBSERVATION = Observation(
    vantage=SiteName("aws"),
    sequence=3,
    opinions={SiteName("gcp"): {Part.EDGE: Opinion(health=Health.HEALTHY, misses=0, successes=9, latency=None, detail="")}},
    suspects_itself=False,
)
NEXT = f"""
import sys
from dataclasses import replace
from controller.coordination.codec import decode, encode
from controller.core.model import Observation
from controller.core.plans import Plan
read = decode(Observation, sys.stdin.read(), key="k")
assert {next_version.FIELD!r} in Plan.__dataclass_fields__
print(encode(read))
print(encode(replace(read, {next_version.FIELD}="x")))
"""


def test_the_next_version_knows_a_field_more_and_leaves_it_unsaid(tmp_path: Path) -> None:
    """Each version reads what the other writes, until the field is said: that this version refuses to lose."""
    place = next_version.make(tmp_path)
    assert next_version.make(tmp_path) == place
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), os.environ.get("PYTHONPATH", "")))}
    given = subprocess.run(
        [sys.executable, "-c", NEXT],
        check=False,
        input=encode(OBSERVATION),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert given.returncode == 0, given.stderr
    unsaid, said = given.stdout.splitlines()
    assert decode(Observation, unsaid, key="k") == OBSERVATION
    with pytest.raises(Unreadable, match=next_version.FIELD):
        decode(Observation, said, key="k")


def test_what_the_next_version_wrote_can_be_told() -> None:
    """By the field that it puts into every entry."""
    assert next_version.wrote(entry("claim", **{next_version.FIELD: next_version.SAID}))
    assert not next_version.wrote(entry("claim"))
