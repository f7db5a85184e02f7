"""How one process is put together."""

from pathlib import Path

from tests.unit.workload.vault.clouds_double import three
from tests.unit.workload.vault.test_settings import GOOD, read
from workload.limits.rank import Rank
from workload.limits.request import Asked
from workload.vault.wiring import Assembly


def test_payments_question_whose_a_token_is_goes_before_new_numbers_and_nothing_else_does(tmp_path: Path) -> None:
    """A payment waits for the answer; without that, it would wait behind everybody who hands in a number."""
    limits = Assembly(read(tmp_path, GOOD), "secret", three()).gate.limits
    asked = {path: limits.admit(Asked(method="GET", path=path)) for path in ("/v1/tokens/4f/subject", "/v1/tokens/4f")}
    assert [*asked.values()] == [Rank.PART, Rank.READ]
    assert limits.admit(Asked(method="POST", path="/v1/tokens")) is Rank.NEW
