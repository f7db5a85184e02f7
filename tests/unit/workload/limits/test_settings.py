"""The `[limits]` table: what it refuses, and that its defaults refuse nobody by rate."""

from typing import Any

import pytest
from pydantic import ValidationError

from workload.limits.settings import LimitTable


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"first": 4}, "lowest <= first <= highest"),
        ({"first": 500}, "lowest <= first <= highest"),
        ({"client": {"per_second": 1, "burst": 1}}, "client_header"),
        ({"checkers": ["controller"]}, "client_header"),
        ({"client_header": "Client-Cert"}, "client_header"),
        ({"overall": {"per_second": 0, "burst": 1}}, "per_second"),
        ({"overall": {"per_second": 1, "burst": 0.5}}, "burst"),
        ({"longest_retry_after": 0}, "longest_retry_after"),
        ({"limit": 3}, "limit"),
    ],
)
def test_what_cannot_work_is_refused(table: dict[str, Any], expected: str) -> None:
    """With the key's name: a bucket that holds less than one token, or a limit for clients that nobody can name."""
    with pytest.raises(ValidationError, match=expected):
        LimitTable.model_validate(table)


def test_by_default_only_what_cannot_be_served_is_refused() -> None:
    """Rates are the operator's to set."""
    table = LimitTable()
    assert (table.client, table.overall, table.client_header) == (None, None, None)
    assert (table.law().first, table.law().lowest, table.law().highest) == (32, 8, 256)
