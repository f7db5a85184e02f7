"""Runs of cardholders in which everything went well, to be changed where it did not."""

from typing import Any

from lab.half_moved import ServiceMove
from lab.reconcile_vault import VaultReconciliation
from lab.vault_aftermath import VaultAftermath

DIGESTS = {"aws": "v" * 64, "azure": "v" * 64, "gcp": "v" * 64}
MOVE = ServiceMove(
    service="vault", writer_before="azure", writer_after="gcp", epoch_before=1, epoch_after=2, first_acknowledged=2.9
)


def kept(**changes: Any) -> VaultReconciliation:
    """Ten errands, one of them a reveal that was refused after an erasure."""
    usual: dict[str, Any] = {
        "attempted": 10,
        "acknowledged": 9,
        "tokens": 5,
        "reveals": 3,
        "erasures": 1,
        "refused": 1,
        "declined": 0,
        "unresolved": 0,
        "strangers": 0,
        "harms": {},
        "findings": (),
        "digests": DIGESTS,
        "defects": (),
    }
    return VaultReconciliation(**{**usual, **changes})


def aftermath(**changes: Any) -> VaultAftermath:
    """How a vault stands after such a run."""
    return VaultAftermath(reconciliation=kept(**changes), writer_after="gcp", epoch_after=2)
