"""Problem documents of decisions against an order."""

from collections.abc import Mapping

from fastapi import FastAPI, Request, Response

from workload.payments.model import Outcome
from workload.payments.sources import NoTimeLeft, VaultOutOfReach
from workload.problems import Problem, render, soon

REFUSALS: Mapping[Outcome, str] = {
    Outcome.KEY_REUSED: "this Idempotency-Key already belongs to a payment with another body",
    Outcome.REJECTED: "this payment was held, and turned down; another attempt needs another Idempotency-Key",
    Outcome.UNKNOWN_DEBTOR: "there is no account with the debtor's id",
    Outcome.UNKNOWN_CREDITOR: "there is no account with the creditor's id",
    Outcome.SAME_ACCOUNT: "debtor and creditor are the same account",
    Outcome.CURRENCY_MISMATCH: "both accounts must be in the payment's currency",
    Outcome.INSUFFICIENT_FUNDS: "the debtor's balance is below the amount and the account allows no overdraft",
    Outcome.BALANCE_LIMIT: "a balance would leave the range of a 64-bit integer",
    Outcome.UNKNOWN_SOURCE: "the vault has no token with the source's id",
    Outcome.ERASED_SOURCE: "the source's subject was forgotten; nobody pays from it any more",
}


def describe_refusal(outcome: Outcome) -> Problem:
    """A decision against the order, 422 throughout: the request is well formed and cannot be carried out.

    For a reused key that is also what draft-ietf-httpapi-idempotency-key-header asks for; its 409, for a twin still under way,
    does not occur: the twin waits for the first and is answered like any replay.
    """
    return Problem(status=422, kind=outcome.value.replace("_", "-"), detail=REFUSALS[outcome], members={"outcome": "refused"})


def describe_out_of_reach(error: VaultOutOfReach) -> Problem:
    """A source that only the vault could tell of, and it does not. Nothing happened, and the same request may well succeed."""
    members = {"outcome": "nothing-happened"}
    if isinstance(error, NoTimeLeft):
        return Problem(status=504, kind="deadline-over", detail=str(error), members=members)
    return Problem(status=503, kind="vault-out-of-reach", detail=str(error), retry_after=soon(), members=members)


def refuse_without_vault(app: FastAPI) -> None:
    """Answer payments whose source nobody can tell of."""

    async def on_out_of_reach(request: Request, error: Exception) -> Response:
        assert isinstance(error, VaultOutOfReach)
        return render(describe_out_of_reach(error), request.url.path)

    app.add_exception_handler(VaultOutOfReach, on_out_of_reach)
