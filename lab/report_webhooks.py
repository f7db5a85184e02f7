"""What a report says of webhooks: for other programs, on the page, and in one line. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lab.reconcile_webhooks import WebhookReconciliation

COUNTS = (
    "sent",
    "lost",
    "duplicated",
    "reordered",
    "pending",
    "unheld",
    "altered",
    "unsigned",
    "gaps",
    "unregistered",
    "turned_away",
)
MOST_FINDINGS = 100


def webhooks_said(found: WebhookReconciliation, first: float | None) -> dict[str, Any]:
    """The report's part; `first`: seconds from the fault to the first webhook of a payment of a later epoch."""
    return {
        **{name: getattr(found, name) for name in COUNTS},
        "first_of_new_epoch_s": None if first is None else round(first, 3),
        "outboxes_equal": found.outboxes_equal,
        "findings": [asdict(finding) for finding in found.findings[:MOST_FINDINGS]],
    }


def webhooks_line(said: Mapping[str, Any]) -> str:
    """What a person reads first."""
    first = said["first_of_new_epoch_s"]
    after = "" if first is None else f"; told again {first:.2f} s after the fault"
    tried = f"{said['duplicated']} of them more than once, {said['turned_away']} attempts turned away by merchants"
    return f"{said['sent']} told, {said['lost']} lost, {said['reordered']} out of order; {tried}{after}"


def webhooks_rows(said: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
    """Every figure with its name."""
    first = said["first_of_new_epoch_s"]
    return (
        ("events that their merchant accepted", said["sent"]),
        ("lost", said["lost"]),
        ("first delivered after a later one of the account", said["reordered"]),
        ("delivered again, under the same id", said["duplicated"]),
        ("attempts that a merchant's own trouble turned away", said["turned_away"]),
        ("told of a payment that a ledger does not hold", said["unheld"]),
        ("with another content than the ledger's", said["altered"]),
        ("not rightly signed", said["unsigned"]),
        ("accounts with a gap in their sequence", said["gaps"]),
        ("accounts whose registration is not what it was", said["unregistered"]),
        ("first one of a payment in the new epoch", "–" if first is None else f"{first:.2f} s after the fault"),
    )
