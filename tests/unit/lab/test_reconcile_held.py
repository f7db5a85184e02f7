"""Payments that a person has to look at first: what clients were told of them is held against every ledger, as of those that were made."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.reconcile import reconcile
from lab.reconcile_rows import ErasureRow, Fault, HeldRow, Ledger, SourceRow
from lab.record import Held, Line, ReviewWanted
from lab.site_settings import CANARY
from tests.unit.lab.test_reconcile import A, B, ledger, offered, told

ROW = HeldRow(
    id="p-k9",
    key="k9",
    debtor=A,
    creditor=B,
    amount=900,
    currency="EUR",
    epoch=1,
    body_digest="ab",
    score=7.5,
    reasons=("amount",),
    created_at="2026-07-18 12:00:00",
    state="held",
    decided="",
)
TOLD = Held(key="k9", attempt=1, payment="p-k9", epoch=1, site="aws", latency=0.1, t=1.0)
RECORD: tuple[Line, ...] = (offered("k1"), told("k1", "p-k1"), offered("k9", 900), TOLD)
SOUND = replace(ledger(k1=100), held=(ROW,))
PROOF = ErasureRow(id="proof", subject="digest", caller="officer", reason="request")


def test_a_payment_that_is_held_everywhere_is_settled_and_no_finding() -> None:
    """It is neither acknowledged nor unresolved."""
    found = reconcile(RECORD, {"aws": SOUND, "azure": SOUND})
    assert (found.acknowledged, found.held, found.unresolved, found.findings) == (1, 1, 0, ())


def test_one_that_was_approved_later_is_made_once() -> None:
    """The row stays beside the payment, under the same id."""
    approved = replace(ROW, state="approved", decided="reviewer fine 2026-07-18 1")
    after = replace(ledger(k1=100, k9=900), held=(approved,))
    asked = ReviewWanted(key="k9", payment="p-k9", t=1.1)
    found = reconcile((*RECORD, asked, told("k9", "p-k9")), {"aws": after})
    assert (found.acknowledged, found.held, found.findings) == (2, 0, ())


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda: replace(SOUND, held=()), Fault.LOST),
        (lambda: replace(SOUND, held=(replace(ROW, id="p-other"),)), Fault.LOST),
        (lambda: replace(SOUND, held=(replace(ROW, amount=1),)), Fault.ALTERED),
        (lambda: replace(ledger(k1=100, k9=900), held=(ROW,)), Fault.DUPLICATED),
        (lambda: replace(ledger(k1=100, k9=900), held=(replace(ROW, state="rejected"),)), Fault.DUPLICATED),
    ],
    ids=["gone", "another id", "another amount", "made while it waits", "made though it was rejected"],
)
def test_whatever_goes_wrong_with_one_is_found(harm: Callable[[], Ledger], fault: Fault) -> None:
    """On one site of two."""
    found = reconcile(RECORD, {"aws": SOUND, "azure": harm()})
    assert (fault, "azure", "k9") in {(one.fault, one.site, one.subject) for one in found.findings}
    assert {(one.site, one.subject) for one in found.findings} == {("azure", "k9")}


@pytest.mark.parametrize(
    ("table", "rows", "subject"),
    [
        ("held", (ROW, replace(ROW, id="p-other")), "k9"),
        ("held", (ROW, replace(ROW, key="k8")), "p-k9"),
        (
            "sources",
            (SourceRow(payment="p-k1", token="t", subject="s"), SourceRow(payment="p-k1", token=None, subject=None)),
            "p-k1",
        ),
        ("erasures", (PROOF, replace(PROOF, id="proof-2")), "digest"),
        ("erasures", (PROOF, replace(PROOF, subject="another")), "proof"),
    ],
    ids=["one key held twice", "one id held twice", "two sources", "two proofs", "one proof twice"],
)
def test_no_row_is_there_twice(table: str, rows: tuple[object, ...], subject: str) -> None:
    """No constraint is taken on trust, whatever the table."""
    outcome = reconcile((*RECORD[:3], offered("k8", 900)), {"aws": replace(SOUND, **{table: rows})})
    assert {(one.fault, one.subject) for one in outcome.findings} == {(Fault.DUPLICATED, subject)}
    assert outcome.duplicated == 1


def test_what_is_held_and_nobody_offered_is_a_stranger() -> None:
    """It is made as soon as somebody approves it."""
    assert reconcile(RECORD[:2], {"aws": SOUND}).strangers == 1
    assert reconcile(RECORD, {"aws": SOUND}).strangers == 0
    assert reconcile(RECORD[:2], {"aws": SOUND}, others={"k9"}).strangers == 0
    assert reconcile(RECORD[:2], {"aws": replace(SOUND, held=(replace(ROW, debtor=str(CANARY[0])),))}).strangers == 0


def test_ledgers_that_differ_in_what_is_held_differ() -> None:
    """A verdict that only one site knows is one that a failover forgets."""
    decided = replace(SOUND, held=(replace(ROW, state="rejected", decided="reviewer no 2026-07-18 1"),))
    assert not reconcile(RECORD, {"aws": SOUND, "azure": decided}).ledgers_equal
