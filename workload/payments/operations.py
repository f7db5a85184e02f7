"""All that may be asked of payments, with the scope that each needs. Whoever adds a route adds it here, or nobody may use it."""

from workload.access.operations import Operation
from workload.payments.reviews import SCOPE as REVIEW

WRITE, READ, ACCOUNTS, ERASE = "payments:write", "payments:read", "payments:accounts", "payments:erase"
"""The word before the colon is the service: issuers make a token's audience of it."""

OPERATIONS = (
    Operation(method="POST", path="/v1/payments", scope=WRITE),
    Operation(method="GET", path="/v1/payments/{id}", scope=READ),
    Operation(method="GET", path="/v1/accounts/{id}", scope=ACCOUNTS),
    Operation(method="GET", path="/v1/reviews", scope=REVIEW),
    Operation(method="GET", path="/v1/reviews/{id}", scope=REVIEW),
    Operation(method="POST", path="/v1/reviews/{id}", scope=REVIEW),
    Operation(method="DELETE", path="/v1/subjects/{id}", scope=ERASE),
)
