"""Which scope is needed for what: everything that is not listed is closed."""

import pytest

from workload.access.operations import Operation, Operations

OPERATIONS = Operations(
    [
        Operation(method="POST", path="/v1/payments", scope="payments:write"),
        Operation(method="GET", path="/v1/payments/{id}", scope="payments:read"),
        Operation(method="POST", path="/v1/held/{key}/approve", scope="payments:review"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/payments", "payments:write"),
        ("GET", "/v1/payments/7", "payments:read"),
        ("HEAD", "/v1/payments/7", "payments:read"),
        ("POST", "/v1/held/a.b/approve", "payments:review"),
        ("GET", "/v1/payments", None),
        ("DELETE", "/v1/payments/7", None),
        ("POST", "/v1/payments/", None),
        ("POST", "/V1/payments", None),
        ("GET", "/v1/payments/7/8", None),
        ("GET", "/v1/payments/", None),
        ("POST", "/v1/payments\n", None),
        ("POST", "/v1/held/a/b/approve", None),
        ("GET", "/v1/new", None),
    ],
)
def test_only_what_is_listed_has_a_scope(method: str, path: str, scope: str | None) -> None:
    """Braces stand for one segment; everything else is compared as it is."""
    assert OPERATIONS.scope(method, path) == scope
