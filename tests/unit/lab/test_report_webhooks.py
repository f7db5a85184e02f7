"""What merchants were told is part of every report and of every verdict."""

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from lab.reconcile_webhooks import WebhookFinding, WebhookReconciliation, Wrong
from lab.report import Rehearsal, broken_promises, document
from lab.report_page import page
from lab.screen import summarize
from tests.unit.lab.runs import run

FINDING = WebhookFinding(wrong=Wrong.LOST, site="aws", subject="e7", detail="shop: 7 did not arrive")


def told(**changes: Any) -> WebhookReconciliation:
    """Six hundred events, some of them twice, all well."""
    usual: dict[str, Any] = {
        "sent": 600, "pending": 0, "lost": 0, "duplicated": 12, "reordered": 0, "unheld": 0, "altered": 0, "unsigned": 0, "gaps": 0,
        "turned_away": 9, "first_of": {1: 100.0}, "findings": (), "digests": {"aws": "d", "azure": "d", "gcp": "d"},
    }  # fmt: skip
    return WebhookReconciliation(**{**usual, **changes})


def seen(first: float | None = 3.1, **changes: Any) -> Rehearsal:
    """A run in which everything else went well."""
    return replace(run(), webhooks=told(**changes), first_webhook=first)


def shown(rehearsal: Rehearsal) -> str:
    """The summary as plain lines."""
    console = Console(width=250)
    with console.capture() as capture:
        summarize(console, document(rehearsal))
    return capture.get()


def test_duplicates_and_attempts_that_were_turned_away_break_nothing() -> None:
    """They carry the id of the first; and merchants have bad days. The control of the cases below."""
    assert broken_promises(seen()) == broken_promises(run())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sent": 0}, "nothing is proven about webhooks"),
        ({"lost": 1}, "1 webhooks are lost"),
        ({"pending": 2}, "2 webhooks were still to be sent"),
        ({"reordered": 3}, "3 webhooks came after a later one"),
        ({"unheld": 4}, "4 webhooks tell of payments that a ledger does not hold"),
        ({"altered": 5}, "5 webhooks say something else"),
        ({"unsigned": 6}, "6 attempts were not rightly signed"),
        ({"gaps": 7}, "the sequences of 7 accounts have gaps"),
        ({"unregistered": 8}, "of 8 accounts some ledger no longer knows"),
        ({"digests": {"aws": "d", "gcp": "e"}}, "the outboxes differ"),
    ],
)
def test_every_promise_to_merchants_is_broken_alone(changes: dict[str, Any], said: str) -> None:
    """Each thing that can go wrong turns the verdict, and is named."""
    (broken,) = set(broken_promises(seen(**changes))) - set(broken_promises(run()))
    assert said in broken
    assert document(seen(**changes))["verdict"] == "broken"


def test_silence_after_the_fault_breaks_the_verdict() -> None:
    """What was told before it is all in order, and no merchant heard of the new writer."""
    assert any("no merchant was told of a payment of the new epoch" in one for one in broken_promises(seen(first=None)))


def test_the_document_counts_them() -> None:
    """Other programs read these keys."""
    said = json.loads(json.dumps(document(seen(lost=1, findings=(FINDING,)))))["webhooks"]
    assert said.keys() >= {"sent", "lost", "duplicated", "reordered"}
    assert (said["sent"], said["lost"], said["duplicated"], said["reordered"], said["turned_away"]) == (600, 1, 12, 0, 9)
    assert (said["first_of_new_epoch_s"], said["outboxes_equal"]) == (3.1, True)
    assert said["findings"] == [{"wrong": "lost", "site": "aws", "subject": "e7", "detail": "shop: 7 did not arrive"}]


def test_a_person_reads_when_merchants_were_told_again() -> None:
    """On the screen and on the page; where nothing could be read, nothing is made up."""
    assert "600 told, 0 lost, 0 out of order" in shown(seen())
    assert "told again 3.10 s after the fault" in shown(seen())
    assert "told again" not in shown(seen(first=None))
    assert "3.10 s after the fault" in page(seen())
    unread = replace(run(), webhooks=None)
    assert document(unread)["webhooks"] is None
    assert "<h2>Webhooks</h2>" not in page(unread)
    assert "out of order" not in shown(unread)
