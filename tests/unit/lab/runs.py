"""Runs of a bench in which everything went well, to be changed where it did not."""

from typing import Any

from lab.reconcile import Reconciliation
from lab.reconcile_answers import Answers
from lab.reconcile_recovery import Clients, Recovery
from lab.reconcile_rows import Fault, Finding
from lab.report import Rehearsal
from lab.site_settings import NAMES
from lab.timeline import Span
from lab.vendors import VENDORS

FAST, SLOW = NAMES
SPANS = (
    Span(name="detect", begin=0.0, end=1.2),
    Span(name="cut", begin=1.3, end=1.5),
    Span(name="open", begin=1.7, end=1.75),
)


STEERED = {
    vendor.title: Answers(answered=30, stale=1, last_stale=0.1, unended=False, unanswered=0) for vendor in VENDORS.values()
}
"""Authorities that left the dead site out at once."""


def clients(p95: float | None) -> Clients:
    """Three payers that were affected alike."""
    return Clients(affected=3, unrecovered=0, p50=p95, p95=p95, max=p95)


def reconciliation(*lost: str, **changes: Any) -> Reconciliation:
    """Ten payments; these keys are lost."""
    usual: dict[str, Any] = {
        "attempted": 10,
        "acknowledged": 10,
        "declined": 0,
        "lost": len(lost),
        "duplicated": 0,
        "unresolved": 0,
        "strangers": 0,
        "planted": 2,
        "caught": 2,
        "held": 1,
        "approved": 1,
        "from_tokens": 3,
        "erasures": 1,
        "findings": tuple(Finding(fault=Fault.LOST, site="aws", subject=key, detail="payment p is not there") for key in lost),
        "digests": {"aws": "d", "azure": "d", "gcp": "d"},
        "defects": (),
    }
    return Reconciliation(**{**usual, **changes})


def run(first: float | None = 2.0, *lost: str, leader: bool = False, slow: float | None = None) -> Rehearsal:
    """One failover."""
    by_name = {FAST: clients(3.0)} if slow is None else {FAST: clients(3.0), SLOW: clients(slow)}
    return Rehearsal(
        fault="crash",
        site="azure",
        writer_before="azure",
        writer_after="aws",
        epoch_before=1,
        epoch_after=2,
        reconciliation=reconciliation(*lost),
        recovery=Recovery(first_acknowledged=first, clients=clients(3.0), by_name=by_name),
        answers=STEERED,
        spans=SPANS,
        moments=(),
        bins=(),
        healed_at=6.0,
        whole_at=9.0,
        etcd_disagreeing=(),
        etcd_leader_on_site=leader,
        parts=(),
        round_trip_ms=25.0,
        offered_per_second=100.0,
        load_late_s=0.0,
        lab_started_s=0.0,
        cpu_seconds={"load": 0.1, "links": 0.2},
    )
