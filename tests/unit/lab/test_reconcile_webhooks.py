"""Reconciliation of webhooks catches every way in which they can go wrong, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lab.receiver_record import Accepted, Line, Rejected, TurnedAway
from lab.reconcile_webhooks import EventRow, OutboxRows, WebhookReconciliation, Wrong, reconcile_webhooks

A, B = "account-a", "account-b"


def row(account: str, sequence: int) -> EventRow:
    """One event as a ledger holds it."""
    name = f"{account}-{sequence}"
    return EventRow(id=name, account=account, sequence=sequence, payment=f"p-{name}", body=f"digest of {name}", epoch=1)


def outbox(*rows: EventRow, **cursors: int) -> OutboxRows:
    """A site that holds these, and no payment without an event."""
    return OutboxRows(
        events=rows,
        cursors={{"a": A, "b": B}[name]: sequence for name, sequence in cursors.items()},
        creditors={row.payment: row.account for row in rows},
        endpoints=frozenset({A, B}),
    )


def took(event: EventRow) -> Accepted:
    """The merchant has it."""
    return Accepted(account=event.account, id=event.id, sequence=event.sequence, payment=event.payment, body=event.body, t=0.0)


A1, A2, A3, B1 = row(A, 1), row(A, 2), row(A, 3), row(B, 1)
ALL = outbox(A1, A2, A3, B1, a=3, b=1)
SOUND: Sequence[Line] = (took(A1), took(A2), took(B1), took(A3))


def judge(lines: Sequence[Line], *outboxes: OutboxRows, all_through: bool = False) -> WebhookReconciliation:
    """Against these sites, or one that holds all."""
    return reconcile_webhooks(
        lines, {f"site{number}": held for number, held in enumerate(outboxes or (ALL,))}, all_through=all_through
    )


def wrongs(outcome: WebhookReconciliation) -> set[Wrong]:
    """What was found."""
    return {finding.wrong for finding in outcome.findings}


def test_a_sound_run_has_no_findings() -> None:
    """Everything once, in order; attempts that were turned away count for nothing."""
    away = TurnedAway(account=A, why="down", t=0.0)
    outcome = judge((away, *SOUND), ALL, ALL, all_through=True)
    assert outcome.is_sound and outcome.is_through
    assert (outcome.sent, outcome.pending, outcome.duplicated, outcome.outboxes_equal) == (4, 0, 0, True)
    assert outcome.turned_away == 1


def test_duplicates_are_counted_and_allowed() -> None:
    """Also one that arrives after later events: its first delivery is what counts."""
    outcome = judge((*SOUND, took(A1), took(A1)))
    assert (outcome.is_sound, outcome.duplicated, outcome.sent) == (True, 2, 4)


def test_a_first_delivery_after_a_later_event_is_reordered() -> None:
    """Accounts apart: another account's events may come in between."""
    outcome = judge((took(A2), took(B1), took(A1), took(A3)))
    assert (outcome.reordered, wrongs(outcome)) == (1, {Wrong.REORDERED})


def test_what_a_cursor_calls_delivered_and_nobody_has_is_lost() -> None:
    """Once, however many sites say so."""
    outcome = judge(SOUND[:3], ALL, ALL)
    assert (outcome.lost, outcome.pending, wrongs(outcome)) == (1, 0, {Wrong.LOST})


def test_what_was_overtaken_is_lost() -> None:
    """The dispatcher never goes back, whatever its cursor says."""
    outcome = judge((took(A1), took(A3)), outbox(A1, A2, A3))
    assert (outcome.lost, outcome.pending) == (1, 0)


def test_what_nobody_claims_is_pending_until_all_should_be_through() -> None:
    """A merchant that is still down has lost nothing."""
    held = outbox(A1, A2, A3, B1, a=1)
    assert (judge((took(A1),), held).pending, judge((took(A1),), held).lost) == (3, 0)
    assert (judge((took(A1),), held, all_through=True).pending, judge((took(A1),), held, all_through=True).lost) == (0, 3)


def test_a_payment_without_an_event_is_lost() -> None:
    """Only where somebody is to be told of it."""
    held = replace(ALL, creditors={**ALL.creditors, "p-untold": A, "p-nobody": "account-c"})
    outcome = judge(SOUND, held)
    assert (outcome.lost, [finding.subject for finding in outcome.findings]) == (1, ["p-untold"])


def test_registrations_that_a_failover_lost_are_told() -> None:
    """Without them no event is made any more, and by its own word such an outbox owes nobody anything: no event lost, none pending."""
    bare = replace(ALL, events=(A1,), creditors={A1.payment: A, "p-new": A}, cursors={}, endpoints=frozenset())
    assert reconcile_webhooks([took(A1)], {"aws": bare}).is_through, "what the outbox says of itself"
    outcome = reconcile_webhooks([took(A1)], {"aws": bare}, merchants={A, B})
    assert (outcome.lost, outcome.unregistered, wrongs(outcome)) == (1, 2, {Wrong.UNRECORDED, Wrong.UNREGISTERED})
    assert not outcome.is_through


def test_a_registration_that_nobody_made_is_told() -> None:
    """A merchant who left hears of every payment again."""
    outcome = reconcile_webhooks(SOUND, {"aws": ALL}, merchants={A})
    assert [finding.subject for finding in outcome.findings if finding.wrong is Wrong.UNREGISTERED] == [B]


@pytest.mark.parametrize("missing", ["event", "payment"])
def test_what_a_ledger_does_not_hold_must_not_be_told(missing: str) -> None:
    """On any site."""
    held = outbox(A1, A2, B1) if missing == "event" else replace(ALL, creditors={})
    outcome = judge(SOUND, ALL, held)
    assert outcome.unheld == (1 if missing == "event" else 4)


def test_a_body_that_is_not_the_ledgers_is_told() -> None:
    """Same id, something else."""
    outcome = judge((*SOUND[:3], replace(took(A3), body="another")))
    assert (outcome.altered, wrongs(outcome)) == (1, {Wrong.ALTERED})


def test_a_duplicate_says_what_the_first_said() -> None:
    """A merchant who keeps the last one would book another payment."""
    outcome = judge((*SOUND, replace(took(A1), payment=A2.payment, body="another")))
    assert (outcome.altered, outcome.duplicated, wrongs(outcome)) == (1, 1, {Wrong.ALTERED})


def test_what_was_not_rightly_signed_is_told() -> None:
    """Each time."""
    bad = Rejected(account=A, why="No matching signature found", t=0.0)
    outcome = judge((*SOUND, bad, bad))
    assert (outcome.unsigned, wrongs(outcome)) == (2, {Wrong.UNSIGNED})


def test_sequences_with_a_hole_or_a_twin_are_told() -> None:
    """A merchant cannot know what he does not have."""
    assert judge((), outbox(A1, A3)).gaps == 1
    assert judge((), outbox(A1, replace(A2, sequence=1))).gaps == 1


def test_sites_that_differ_are_seen_and_cursors_may_lag() -> None:
    """A cursor is written lazily; events are not."""
    assert judge(SOUND, ALL, replace(ALL, cursors={})).outboxes_equal
    assert not judge(SOUND, ALL, replace(ALL, tables={"outbox.endpoint": "another digest"})).is_through
    assert not judge(SOUND, ALL, outbox(A1, A2, B1)).outboxes_equal


def test_without_an_outbox_nothing_is_proven() -> None:
    """An empty comparison finds nothing wrong with anything."""
    with pytest.raises(ValueError, match="no outbox"):
        reconcile_webhooks(SOUND, {})


@pytest.mark.parametrize(
    ("lines", "outboxes"),
    [(SOUND[:3], (replace(ALL, cursors={}),)), (SOUND, (ALL, outbox(A1, A2, B1))), ((*SOUND[1:], SOUND[0]), (ALL,))],
    ids=["pending", "not yet copied", "reordered"],
)
def test_a_run_is_through_only_when_nothing_is_left_and_nothing_wrong(
    lines: Sequence[Line], outboxes: tuple[OutboxRows, ...]
) -> None:
    """Whoever stopped looking before that would call lost what is on its way, or kept what is not."""
    assert not judge(lines, *outboxes).is_through


def test_the_first_webhook_of_a_later_reign_is_timed_from_the_fault() -> None:
    """Of payments that the new writer took, not of those that the old one left to be told; and not of a reign before the fault."""
    late = [replace(took(A1), t=3.0), replace(took(A2), t=12.5), replace(took(A2), t=12.0), replace(took(A3), t=13.0)]
    held = outbox(A1, replace(A2, epoch=2), replace(A3, epoch=3))
    outcome = judge(late, held)
    assert outcome.first_of == {1: 3.0, 2: 12.5, 3: 13.0}
    assert outcome.first_after(10.0, 1) == 2.5
    assert outcome.first_after(12.6, 1) == pytest.approx(0.4)
    assert outcome.first_after(10.0, 3) is None
