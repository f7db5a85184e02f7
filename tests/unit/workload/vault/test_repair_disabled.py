"""Repairs of what a key-encryption key wrapped that opens nothing any more."""

import pytest

from tests.unit.workload.vault.test_repair import Stage
from workload.vault.errors import WrapDenied, WrapRefused

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(("failure", "ends"), [(WrapRefused, "v2"), (WrapDenied, "v1")], ids=["disabled", "not allowed"])
async def test_a_version_that_was_disabled_at_once_is_left_by_its_wraps(failure: type[WrapRefused], ends: str) -> None:
    """It is thought to be known to others: its cloud opens none of its wraps again, and says so. Each is made anew from what another cloud
    opens. Of what nobody may look at nobody knows that, and it stays, however long."""
    stage = Stage()
    (id,) = await stage.found()
    stage.clouds[0].kek, stage.clouds[0].shut["v1"] = "v2", lambda: failure("for good")
    for _ in range(4):
        await stage.repairs.look_through()
    assert stage.wraps(id)["aws"] == ends
