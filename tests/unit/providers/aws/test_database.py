"""What an RDS instance's own state says about its promotion."""

from typing import Any

import pytest

from controller.ports import PromotionState
from controller.providers.aws.database import told


@pytest.mark.parametrize(
    ("state", "source", "expected"),
    [
        ("available", "primary", PromotionState.RUNNING),
        ("modifying", "primary", PromotionState.RUNNING),
        ("modifying", None, PromotionState.RUNNING),
        ("rebooting", None, PromotionState.RUNNING),
        ("stopped", None, PromotionState.FAILED),
        ("configuring-log-exports", None, PromotionState.DONE),
        ("backing-up", None, PromotionState.DONE),
        ("available", None, PromotionState.DONE),
        ("available", "", PromotionState.DONE),
        ("storage-full", "primary", PromotionState.FAILED),
        ("incompatible-parameters", None, PromotionState.FAILED),
    ],
)
def test_a_promotion_is_over_when_the_instance_follows_nobody_and_takes_writes(
    state: str, source: str | None, expected: PromotionState
) -> None:
    """Until then it runs, unless the instance is in a state that it does not leave by itself."""
    found: dict[str, Any] = {"DBInstanceStatus": state, "ReadReplicaSourceDBInstanceIdentifier": source}
    promotion = told("replica", found)
    assert (promotion.operation, promotion.state) == ("replica", expected)
    assert state in promotion.detail
