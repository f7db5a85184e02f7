"""Problem documents of decisions against an order."""

from collections.abc import Mapping

from workload.payments.model import Outcome
from workload.problems import Problem

REFUSALS: Mapping[Outcome, str] = {
    Outcome.KEY_REUSED: "this Idempotency-Key already belongs to a payment with another body",
    Outcome.REJECTED: "this payment was held, and a person turned it down; another attempt needs another Idempotency-Key",
    Outcome.UNKNOWN_DEBTOR: "there is no account with the debtor's id",
    Outcome.UNKNOWN_CREDITOR: "there is no account with the creditor's id",
    Outcome.SAME_ACCOUNT: "debtor and creditor are the same account",
    Outcome.CURRENCY_MISMATCH: "both accounts must be in the payment's currency",
    Outcome.INSUFFICIENT_FUNDS: "the debtor's balance is below the amount and the account allows no overdraft",
    Outcome.BALANCE_LIMIT: "a balance would leave the range of a 64-bit integer",
}


def describe_refusal(outcome: Outcome) -> Problem:
    """A decision against the order, 422 throughout: the request is well formed and cannot be carried out.

    For a reused key that is also what draft-ietf-httpapi-idempotency-key-header asks for; its 409, for a twin still under way,
    does not occur: the twin waits for the first and is answered like any replay.
    """
    return Problem(status=422, kind=outcome.value.replace("_", "-"), detail=REFUSALS[outcome], members={"outcome": "refused"})
