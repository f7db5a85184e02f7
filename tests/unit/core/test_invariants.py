"""The promises as claims: each holds on an honest record, and catches the breach it is for."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.core.invariants import (
    Acknowledged,
    Entered,
    always_finishes,
    epochs_only_grow,
    must_cut_is_superset,
    no_loss,
    no_orphan_drain,
    no_surprise_return,
    one_acknowledger,
    quorum_or_hold,
    same_everywhere,
    static_stability,
)
from controller.core.model import Epoch, Health, Site, Trigger
from controller.core.plans import PlanKind
from tests.unit.core.worlds import AWS, AZURE, GCP, START, plan, posture

TEN_MINUTES = timedelta(minutes=10)


def acknowledged(number: int, epoch: int = 4, writer: Site = AZURE) -> Acknowledged:
    """A client's record of one payment."""
    return Acknowledged(key=f"k{number}", payment=f"p{number}", body=f"b{number}", epoch=Epoch(epoch), writer=writer)


def entered(number: int) -> Entered:
    """The same payment on a ledger."""
    return Entered(key=f"k{number}", payment=f"p{number}", body=f"b{number}")


def test_a_ledger_may_hold_more_than_was_acknowledged() -> None:
    """A payment whose answer was lost is no breach."""
    assert no_loss([acknowledged(1)], {AWS: [entered(1), entered(2)], GCP: [entered(1)]}) == ()


@given(st.sets(st.integers(0, 50), min_size=1), st.data())
def test_any_lost_payment_is_caught(numbers: set[int], data: st.DataObject) -> None:
    """Whichever acknowledged payment a ledger lacks, it is named."""
    lost = data.draw(st.sampled_from(sorted(numbers)))
    breaches = no_loss([acknowledged(n) for n in sorted(numbers)], {AWS: [entered(n) for n in sorted(numbers) if n != lost]})
    assert [breach.evidence for breach in breaches] == [f"payment p{lost} (key k{lost}) is not on aws"]


def test_a_duplicated_payment_is_caught() -> None:
    """One key, two payments."""
    (breach,) = no_loss([acknowledged(1)], {AWS: [entered(1), replace(entered(1), payment="p9")]})
    assert breach.evidence == "key k1 is 2 payments on aws"


def test_an_altered_payment_is_caught() -> None:
    """The key is there, but it is not what the client was told."""
    (breach,) = no_loss([acknowledged(1)], {AWS: [replace(entered(1), body="other")]})
    assert "is another one on aws" in breach.evidence
    (breach,) = no_loss([acknowledged(1)], {AWS: [replace(entered(1), payment="p9")]})
    assert "is another one on aws" in breach.evidence


def test_no_ledger_proves_nothing() -> None:
    """Nothing to look in is a breach as soon as anything was promised."""
    assert no_loss([], {}) == ()
    assert len(no_loss([acknowledged(1)], {})) == 1
    assert len(no_loss([acknowledged(1)], {AWS: []})) == 1


def test_two_acknowledgers_in_one_epoch_are_caught() -> None:
    """Different epochs may have different writers, one epoch may not."""
    assert one_acknowledger([acknowledged(1), acknowledged(2), acknowledged(3, epoch=5, writer=AWS)]) == ()
    (breach,) = one_acknowledger([acknowledged(1), acknowledged(2, writer=AWS)])
    assert breach.evidence == "epoch 4 was acknowledged by aws, azure"


def test_epochs_that_fall_are_caught() -> None:
    """Neither the claim nor the reign goes back, and a reign keeps its writer."""
    before, after = posture(), posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS)
    assert epochs_only_grow([before, before, after]) == ()
    assert epochs_only_grow([before, replace(before, epoch=Epoch(5)), after]) == ()
    assert len(epochs_only_grow([after, before])) == 1
    assert len(epochs_only_grow([before, replace(before, writer=AWS)])) == 1
    assert len(epochs_only_grow([replace(before, reign=Epoch(9))])) == 1


def test_an_ack_set_beyond_the_must_cut_set_is_caught() -> None:
    """Whoever may acknowledge has to be cut."""
    assert must_cut_is_superset(posture(), frozenset({AWS})) == ()
    assert len(must_cut_is_superset(posture(must_cut=frozenset({AWS})), frozenset({AWS, GCP}))) == 1


def test_an_orphaned_drain_is_caught() -> None:
    """Nobody left, or only the failing one while another could serve."""
    even = {AWS: 1.0, AZURE: 0.0}
    assert no_orphan_drain(even, {}) == ()
    assert no_orphan_drain(even, {AWS: Health.FAILING, AZURE: Health.FAILING}) == ()
    assert len(no_orphan_drain({AWS: 0.0, AZURE: 0.0}, {})) == 1
    assert len(no_orphan_drain(even, {AWS: Health.FAILING})) == 1


def test_surprises_are_caught() -> None:
    """A switchover nobody asked for, and more automatic failovers than the limit."""
    first, later = plan(PlanKind.FAILOVER), plan(PlanKind.FAILOVER, started=START + TEN_MINUTES)
    sooner = replace(later, started=START + timedelta(minutes=9))
    assert no_surprise_return([first, later], 1, TEN_MINUTES) == ()
    assert len(no_surprise_return([sooner, first], 1, TEN_MINUTES)) == 1
    assert no_surprise_return([first, replace(sooner, trigger=Trigger.OPERATOR)], 1, TEN_MINUTES) == ()
    assert no_surprise_return([plan(PlanKind.SWITCHOVER, trigger=Trigger.OPERATOR)], 1, TEN_MINUTES) == ()
    assert len(no_surprise_return([plan(PlanKind.SWITCHOVER)], 1, TEN_MINUTES)) == 1


def test_a_plan_that_never_ends_is_caught() -> None:
    """Begun, and neither done nor replaced."""
    assert always_finishes(["a", "b", "c"], ["a"], ["b", "c"]) == ()
    (breach,) = always_finishes(["a", "b"], ["a"], [])
    assert breach.evidence == "plan b neither ended nor was replaced"


def test_a_failover_on_too_little_is_caught() -> None:
    """One voice, voices of its own cloud alone, and voices of long ago."""
    leaves, just_now, before = plan(PlanKind.FAILOVER), timedelta(seconds=0.2), timedelta(seconds=9)

    def broken(**accusers: timedelta) -> bool:
        given = {Site(name): age for name, age in accusers.items()}
        return bool(quorum_or_hold(leaves, given, vantages=2, oldest=timedelta(seconds=4)))

    assert not broken(aws=just_now, gcp=just_now)
    assert not broken(azure=just_now, gcp=just_now)
    assert broken(aws=just_now)
    assert broken(aws=just_now, gcp=before)
    assert bool(quorum_or_hold(leaves, {AZURE: just_now}, vantages=1, oldest=before))


def test_asking_the_provider_of_a_site_that_is_left_is_caught() -> None:
    """Its API is gone with it; the others may be asked."""
    leaves = plan(PlanKind.FAILOVER, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0})
    assert static_stability(leaves, [AWS, GCP]) == ()
    (breach,) = static_stability(leaves, [AWS, AZURE])
    assert breach.evidence == "p1 asked the provider of azure"


def test_ledgers_that_differ_at_rest_are_caught() -> None:
    """Also by payments that nobody was told of."""
    both = [entered(1), entered(2)]
    assert same_everywhere(AWS, {AWS: both, GCP: both}) == ()
    (breach,) = same_everywhere(AWS, {AWS: both, GCP: [entered(1), entered(3)]})
    assert breach.evidence == "gcp lacks 1 (k2) of aws's payments and has 1 (k3) of its own"
