"""The applications that have a document. They are built to be read: nobody stands behind them, and nobody may ask them anything."""

from collections.abc import Mapping
from typing import Any, cast

from detection.score import Limits
from workload.openapi.document import Service, document
from workload.openapi.shared import Document
from workload.payments import app as payments
from workload.payments import description as payments_described
from workload.payments.operations import OPERATIONS as PAYMENTS
from workload.screening import app as screening
from workload.screening import description as screening_described
from workload.screening.operations import OPERATIONS as SCREENING
from workload.vault import app as vault
from workload.vault import description as vault_described
from workload.vault.callers import OPERATIONS as VAULT

NOBODY = cast(Any, None)
SITE = "aws"


def documents() -> Mapping[str, Document]:
    """Every document by the name of its service. Raises NotDescribed."""
    return {"payments": document(_payments()), "screening": document(_screening()), "vault": document(_vault())}


def _nothing() -> bytes:
    return b""


def _payments() -> Service:
    app = payments.build(NOBODY, NOBODY, site=SITE, metrics=_nothing, situation=dict, identify=lambda request: NOBODY)
    return Service(
        app=app,
        descriptions=payments_described.DESCRIPTIONS,
        operations=PAYMENTS,
        says=payments_described.SAYS,
        tags=payments_described.TAGS,
    )


def _vault() -> Service:
    app = vault.build(NOBODY, NOBODY, who=NOBODY, site=SITE, metrics=_nothing, situation=dict)
    return Service(
        app=app,
        descriptions=vault_described.DESCRIPTIONS,
        operations=VAULT,
        says=vault_described.SAYS,
        tags=vault_described.TAGS,
    )


def _screening() -> Service:
    app = screening.build(Limits(), site=SITE, metrics=_nothing, counted=NOBODY)
    return Service(
        app=app,
        descriptions=screening_described.DESCRIPTIONS,
        operations=SCREENING,
        says=screening_described.SAYS,
        tags=screening_described.TAGS,
    )
