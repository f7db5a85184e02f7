"""A proposal as what one compare-and-set writes."""

import pytest

from controller.core.claims import Claim, claim
from controller.core.model import Epoch, Mode, Pause, Site, Trigger
from controller.core.phases import first_phase
from controller.core.plans import Phase, PlanKind
from controller.core.proposals import (
    DrainOnly,
    Failover,
    Grow,
    Proposal,
    Return,
    SetMode,
    SetPause,
    SettleUp,
    Shrink,
    Switchover,
    TakeOver,
)
from tests.unit.core.worlds import AWS, AZURE, GCP, START, plan, posture

AWAY = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
FAILOVER = Failover(site=AZURE, weights=AWAY, trigger=Trigger.AUTOMATIC, because="it is failing", waived=frozenset({GCP}))
SWITCHOVER = Switchover(to=AWS, trigger=Trigger.OPERATOR, because="patching", by="kim")


def claimed(proposal: Proposal) -> Claim:
    """Claimed by one controller against a reign of epoch 4, of which epoch 6 was claimed last."""
    return claim(proposal, posture(epoch=Epoch(6)), by="ctl-1", at=START)


@pytest.mark.parametrize(
    ("proposal", "kind", "subject", "epoch"),
    [
        (FAILOVER, PlanKind.FAILOVER, AZURE, 7),
        (SWITCHOVER, PlanKind.SWITCHOVER, AWS, 7),
        (DrainOnly(weights=AWAY, trigger=Trigger.AUTOMATIC, because="edge"), PlanKind.STEER, None, 4),
        (Shrink(site=GCP, because="failing"), PlanKind.SHRINK, GCP, 4),
        (Grow(site=GCP, because="streams"), PlanKind.GROW, GCP, 4),
        (Return(site=GCP, because="astray"), PlanKind.RETURN, GCP, 4),
        (SettleUp(because="unconfirmed"), PlanKind.SETTLE, None, 4),
    ],
)
def test_a_proposal_becomes_a_plan_at_its_first_phase(
    proposal: Proposal, kind: PlanKind, subject: Site | None, epoch: int
) -> None:
    """Moves of the writer take the next epoch above every claim; everything else acts in the present reign."""
    made = claimed(proposal)
    assert made.takes
    assert made.plan is not None
    assert (made.plan.kind, made.plan.subject, made.plan.epoch) == (kind, subject, epoch)
    assert made.plan.phase is first_phase(kind)
    assert made.plan.started == START
    assert made.plan.id in str(made.entry["plan"])


@pytest.mark.parametrize("proposal", [FAILOVER, SWITCHOVER])
def test_a_move_claims_its_epoch_and_changes_no_reign(proposal: Proposal) -> None:
    """Until the election the old writer's reign is what must be cut."""
    made = claimed(proposal)
    assert made.posture is not None
    assert (made.posture.epoch, made.posture.reign, made.posture.writer) == (7, 4, AZURE)
    assert made.posture.must_cut == posture().must_cut


def test_a_failover_wants_its_traffic_from_the_first_moment() -> None:
    """Weights and waivers travel with the claim."""
    made = claimed(FAILOVER)
    assert made.posture is not None
    assert made.plan is not None
    assert made.posture.weights == made.plan.weights == AWAY
    assert made.plan.waived == {GCP}


def test_a_repair_leaves_the_posture_as_it_is() -> None:
    """Nothing to write there."""
    assert claimed(Grow(site=GCP, because="streams")).posture is None


def test_a_takeover_takes_the_very_plan() -> None:
    """Where its journal stands, and nothing else changes."""
    running = plan(PlanKind.FAILOVER, phase=Phase.ATTACH)
    made = claimed(TakeOver(plan=running, because="its owner is gone"))
    assert (made.plan, made.posture, made.takes) == (running, None, True)


def test_pause_and_mode_change_the_posture_and_take_nothing() -> None:
    """A plan under way keeps its owner."""
    pause = Pause(by="kim", reason="audit", since=START)
    made = claimed(SetPause(pause=pause, because="audit", by="kim"))
    assert (made.plan, made.takes) == (None, False)
    assert made.posture is not None
    assert made.posture.pause == pause
    assert "kim" in str(made.entry["sentence"])
    mode = claimed(SetMode(mode=Mode.MANUAL, because="audit", by="kim")).posture
    assert mode is not None
    assert mode.mode is Mode.MANUAL


def test_the_record_names_who_asked_and_why() -> None:
    """An operator for what an operator asked, the controller for what it decided itself."""
    assert claimed(SWITCHOVER).entry["by"] == "kim"
    assert claimed(FAILOVER).entry["by"] == "ctl-1"
    assert "it is failing" in str(claimed(FAILOVER).entry["sentence"])


def test_two_claims_of_one_moment_have_different_names() -> None:
    """Two controllers that claim at the same wall-clock moment are told apart in the journal."""
    first = claim(FAILOVER, posture(), by="ctl-1", at=START).plan
    second = claim(FAILOVER, posture(), by="ctl-2", at=START).plan
    assert first is not None
    assert second is not None
    assert first.id != second.id
