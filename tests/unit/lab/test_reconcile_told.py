"""What was asked beside plain payments: from tokens, of reviewers, to be forgotten. What was told of it is held against every ledger."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.reconcile import Reconciliation, reconcile
from lab.reconcile_rows import ErasureRow, Fault, Ledger, SourceRow
from lab.reconcile_told import ENOUGH, SOON, digest_of
from lab.record import Approved, Declined, ForgetWanted, Forgotten, Held, Line, Offered, ReviewWanted, Unfulfilled
from tests.unit.lab.test_reconcile import ledger, offered, told
from tests.unit.lab.test_reconcile_held import ROW

SUBJECT, TOKEN = str(uuid.UUID(int=5)), str(uuid.UUID(int=6))
HELD = replace(ROW, score=13.0, state="approved", decided="reviewer fine 2026-07-18 1")


def from_token(key: str, t: float = 0.0) -> Offered:
    """A wish to pay from the token."""
    return replace(offered(key, t=t), source=TOKEN, subject=SUBJECT)


def declined(key: str, why: str = "erased-source", t: float = 3.0) -> Declined:
    """Turned away for good."""
    return Declined(key=key, attempt=1, site="aws", status=422, why=why, t=t)


PAID: tuple[Line, ...] = (from_token("k1"), told("k1", "p-k1"))
SOURCED = replace(ledger(k1=100), sources=(SourceRow(payment="p-k1", token=TOKEN, subject=SUBJECT),))

WISH = ForgetWanted(key="forget-1", subject=SUBJECT, caller="officer", reason="request of the subject", t=2.0)
PROOF = ErasureRow(id="proof-1", subject=digest_of(SUBJECT), caller="officer for somebody", reason=WISH.reason)
GONE: tuple[Line, ...] = (*PAID, WISH, Forgotten(key="forget-1", proof="proof-1", epoch=1, site="aws", t=2.5))
NAMELESS = SourceRow(payment="p-k1", token=None, subject=None)
FORGOTTEN = replace(ledger(k1=100), erasures=(PROOF,), sources=(NAMELESS,))

PLANTED: tuple[Line, ...] = (
    offered("k1"),
    told("k1", "p-k1"),
    replace(offered("k9", 900), planted=True),
    Held(key="k9", attempt=1, payment="p-k9", epoch=1, site="aws", latency=0.1, t=1.0),
    ReviewWanted(key="k9", payment="p-k9", t=1.1),
    Approved(key="k9", payment="p-k9", epoch=1, site="aws", t=1.2),
)
MADE = replace(ledger(k1=100, k9=900), held=(HELD,))


def found(lines: tuple[Line, ...], *ledgers: Ledger) -> Reconciliation:
    """Against these sites."""
    return reconcile(lines, {f"site{number}": one for number, one in enumerate(ledgers)})


def faults(outcome: Reconciliation) -> set[Fault]:
    """What is wrong."""
    return {finding.fault for finding in outcome.findings}


def test_sound_runs_have_no_findings() -> None:
    """Paid from a token; forgotten since; held and approved. The control of everything below."""
    assert (found(PAID, SOURCED, SOURCED).findings, found(PAID, SOURCED).from_tokens) == ((), 1)
    gone = found(GONE, FORGOTTEN, FORGOTTEN)
    assert (gone.findings, gone.erasures, gone.remembered) == ((), 1, 0)
    made = found((*PLANTED, told("k9", "p-k9", t=1.3)), MADE, MADE)
    assert (made.findings, made.planted, made.caught, made.unplanted, made.approved, made.unresolved) == ((), 1, 1, 0, 1, 0)


@pytest.mark.parametrize("sources", [(), (NAMELESS,), (SourceRow(payment="p-k1", token=TOKEN, subject=str(uuid.UUID(int=7))),)])
def test_a_source_that_a_ledger_lost_or_changed_counts_as_lost(sources: tuple[SourceRow, ...]) -> None:
    """After a failover a known token is unknown, or somebody else's."""
    outcome = found(PAID, SOURCED, replace(SOURCED, sources=sources))
    assert (outcome.lost, faults(outcome)) == (1, {Fault.ALTERED})


@pytest.mark.parametrize(
    "harm",
    [
        lambda: replace(FORGOTTEN, erasures=()),
        lambda: replace(FORGOTTEN, erasures=(replace(PROOF, id="another"),)),
        lambda: replace(FORGOTTEN, erasures=(replace(PROOF, subject=digest_of(TOKEN)),)),
        lambda: replace(FORGOTTEN, erasures=(replace(PROOF, caller="somebody else"),)),
    ],
    ids=["gone", "another id", "of another subject", "by another caller"],
)
def test_a_proof_that_a_failover_lost_is_found(harm: Callable[[], Ledger]) -> None:
    """The officer keeps an answer that no ledger confirms, and the subject can be made known again."""
    outcome = found(GONE, FORGOTTEN, harm())
    assert (outcome.lost, faults(outcome)) == (1, {Fault.LOST})


def test_a_subject_that_a_ledger_still_knows_is_found() -> None:
    """The proof is there, and so is what it says is gone."""
    outcome = found(GONE, FORGOTTEN, replace(FORGOTTEN, sources=SOURCED.sources))
    assert (outcome.remembered, outcome.lost, faults(outcome)) == (1, 0, {Fault.REMEMBERED})


def test_nobody_pays_from_a_token_whose_subject_was_forgotten() -> None:
    """Once that was acknowledged. One that was wanted before may have been made by an attempt that was never answered, and is told as made
    by every attempt after it."""
    late, early = (
        (*GONE, from_token("k2", 2.6), told("k2", "p-k2", t=2.9)),
        (*GONE, from_token("k2", 2.4), told("k2", "p-k2", t=2.9)),
    )
    both = replace(FORGOTTEN, payments=ledger(k1=100, k2=100).payments, entries=(), accounts=())
    assert (found(late, both).remembered, found(early, both).remembered) == (1, 0)


def test_a_payment_from_an_erased_token_is_rightly_refused() -> None:
    """It is no failure of the service; one that is refused before anybody asked for an erasure, or for another reason, is."""
    after = found((*GONE, from_token("k2", 2.9), declined("k2")), FORGOTTEN)
    assert (after.refused, after.declined, after.unresolved) == (1, 0, 0)
    before = found((*GONE, from_token("k2", 1.0), declined("k2", t=1.5)), FORGOTTEN)
    other = found((*GONE, from_token("k2", 2.9), declined("k2", "insufficient-funds")), FORGOTTEN)
    assert [(one.refused, one.declined) for one in (before, other)] == [(0, 1), (0, 1)]


@pytest.mark.parametrize(("after", "refusable"), [(0, 0), (ENOUGH - 1, 0), (ENOUGH, 1)])
def test_a_token_must_have_been_refused_only_when_payments_went_on_long_enough(after: int, refusable: int) -> None:
    """An erasure that was acknowledged when the load ended left nobody the time to try its tokens."""
    more = [offered(f"m{number}", t=2.6 + SOON) for number in range(after)]
    lines = (*PAID, *(offered(f"b{number}", t=2.4 + SOON) for number in range(ENOUGH)), *GONE[2:], *more)
    assert found(lines, FORGOTTEN).refusable == refusable


def test_an_erasure_that_was_asked_of_the_vault_counts_as_asked_for() -> None:
    """Payments learns of it by asking about the token; the two services forget one after the other."""
    lines = (*PAID, from_token("k2", 1.0), declined("k2", t=1.5))
    assert reconcile(lines, {"aws": SOURCED}, {SUBJECT: 1.2}).refused == 1
    assert reconcile(lines, {"aws": SOURCED}, {SUBJECT: 1.6}).declined == 1


def test_a_source_is_forgotten_when_payments_was_asked() -> None:
    """That the vault was is no reason: payments would have lost it by itself."""
    nameless = replace(SOURCED, sources=(NAMELESS,))
    lost = reconcile(PAID, {"aws": nameless}, {SUBJECT: 1.2})
    assert (lost.lost, faults(lost)) == (1, {Fault.ALTERED})
    assert found((*PAID, WISH), nameless).findings == ()


@pytest.mark.parametrize(
    "harm",
    [
        lambda: replace(MADE, held=(replace(HELD, state="held", decided=""),)),
        lambda: replace(MADE, payments=ledger(k1=100).payments),
        lambda: replace(MADE, held=()),
    ],
    ids=["still waits", "was never made", "was never held"],
)
def test_an_approval_that_a_failover_lost_is_found(harm: Callable[[], Ledger]) -> None:
    """The reviewer was told that it counts."""
    outcome = found((*PLANTED, told("k9", "p-k9", t=1.3)), MADE, harm())
    assert outcome.lost == 1 and Fault.LOST in faults(outcome)


WAITING = replace(HELD, state="held", decided="")
REJECTED = replace(HELD, state="rejected", decided="officer its source was erased 2026-07-18 1")
ASKED_FROM = (*PLANTED[:2], replace(offered("k9", 900), source=TOKEN, subject=SUBJECT), PLANTED[3])
"""A held payment that comes from the token."""
HELD_FROM = replace(ledger(k1=100), held=(REJECTED,), sources=(replace(NAMELESS, payment="p-k9"),))


@pytest.mark.parametrize(
    ("lines", "harm", "fault"),
    [
        (PLANTED[:4], MADE, Fault.DUPLICATED),
        (PLANTED[:5], replace(MADE, payments=ledger(k1=100).payments, entries=ledger(k1=100).entries), Fault.LOST),
        (PLANTED[:4], replace(ledger(k1=100), held=(REJECTED,)), Fault.ALTERED),
        (PLANTED[:5], replace(ledger(k1=100), held=(REJECTED,)), Fault.ALTERED),
        (ASKED_FROM, HELD_FROM, Fault.ALTERED),
    ],
    ids=[
        "approved by nobody",
        "approved and not made",
        "turned down by nobody",
        "approved and turned down",
        "forgotten by nobody",
    ],
)
def test_who_decides_about_a_held_payment_was_asked(lines: tuple[Line, ...], harm: Ledger, fault: Fault) -> None:
    """Whatever the payer was told: all ledgers agree, and money went past the reviewer, or went nowhere."""
    outcome = found(lines, harm, harm)
    assert fault in faults(outcome) and {one.subject for one in outcome.findings if one.fault is fault} == {"k9"}


def test_a_held_payment_that_is_decided_as_somebody_asked_is_none() -> None:
    """Approved, waiting although somebody asked, and turned down with its subject; one of another run is another run's. Of one that is
    under way the record may be older than the ledger, and calls it unresolved."""
    early = found(PLANTED[:3], MADE)
    assert (early.findings, early.unresolved) == ((), 1)
    assert found((*PLANTED[:5], told("k9", "p-k9", t=1.3)), MADE).findings == ()
    assert found(PLANTED[:5], replace(ledger(k1=100), held=(WAITING,))).findings == ()
    assert found((*ASKED_FROM, WISH), HELD_FROM).findings == ()
    assert found(PLANTED[:2], MADE).findings == ()


@pytest.mark.parametrize("lines", [PLANTED, PLANTED[:3], PLANTED[:2]], ids=["approved", "under way", "of another run"])
def test_money_that_was_let_go_and_never_went_is_lost_however_short_the_record_is(lines: tuple[Line, ...]) -> None:
    """Of one that nobody has been told the end of, the record says unresolved; the ledger alone says that it is worse."""
    harm = replace(MADE, payments=ledger(k1=100).payments, entries=ledger(k1=100).entries)
    assert [one.subject for one in found(lines, harm).findings if one.fault is Fault.LOST and "not made" in one.detail] == ["k9"]


def test_a_payer_whose_approved_payment_never_came_true_is_not_forgotten() -> None:
    """Held settles a payment; once it is approved only an acknowledgement does."""
    assert found(PLANTED, MADE).unresolved == 1


def test_what_is_held_without_reason_is_counted() -> None:
    """A screening that goes mad holds everything, and nothing is lost by it."""
    mad = tuple(replace(line, planted=False) if isinstance(line, Offered) else line for line in PLANTED)
    assert (found(mad, MADE).unplanted, found(mad, MADE).planted) == (1, 0)


def test_a_wish_that_nobody_answered_is_counted() -> None:
    """Unless it was answered after all."""
    lines = (*PAID, WISH, Unfulfilled(key="forget-1", why="deadline", t=9.0))
    assert found(lines, SOURCED).unfulfilled == 1
    assert found((*lines, *GONE[-1:]), FORGOTTEN).unfulfilled == 0
