"""Payments that a person has to look at first: what clients were told of them is held against every ledger, as of those that were made."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.reconcile import Fault, HeldRow, Ledger, reconcile
from lab.record import Held, Line
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


def test_a_payment_that_is_held_everywhere_is_settled_and_no_finding() -> None:
    """It is neither acknowledged nor unresolved."""
    found = reconcile(RECORD, {"aws": SOUND, "azure": SOUND})
    assert (found.acknowledged, found.held, found.unresolved, found.findings) == (1, 1, 0, ())


def test_one_that_was_approved_later_is_made_once() -> None:
    """The row stays beside the payment, under the same id."""
    approved = replace(ROW, state="approved", decided="reviewer fine 2026-07-18 1")
    after = replace(ledger(k1=100, k9=900), held=(approved,))
    found = reconcile((*RECORD, told("k9", "p-k9")), {"aws": after})
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
    assert {(one.fault, one.site, one.subject) for one in found.findings} == {(fault, "azure", "k9")}
    assert found.lost + found.duplicated == 1


def test_ledgers_that_differ_in_what_is_held_differ() -> None:
    """A verdict that only one site knows is one that a failover forgets."""
    decided = replace(SOUND, held=(replace(ROW, state="rejected", decided="reviewer no 2026-07-18 1"),))
    assert not reconcile(RECORD, {"aws": SOUND, "azure": decided}).ledgers_equal
