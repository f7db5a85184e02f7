"""The three services as the fuzzer finds them: put together as their processes are, over real databases, with a real door."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lab.workspace import Workspace
from tests.contract.access_worlds import served
from tests.contract.openapi_worlds import LOCAL, Issuer
from tests.protocol import payments_site, vault_site
from workload.access.operations import Operation
from workload.payments import wiring as payments
from workload.payments.description import ACCOUNT, OTHER, SUBJECT, TOKEN
from workload.payments.model import Order
from workload.payments.operations import OPERATIONS as PAYMENTS
from workload.payments.service import Payments
from workload.payments.settings import Settings as PaymentsSettings
from workload.problems import Problem, render
from workload.screening import wiring as screening
from workload.screening.operations import OPERATIONS as SCREENING
from workload.screening.settings import Settings as ScreeningSettings
from workload.vault import wiring as vault
from workload.vault.callers import OPERATIONS as VAULT
from workload.vault.service import Vault
from workload.vault.settings import Settings as VaultSettings

Known = Mapping[str, UUID]
"""By path, an id that leads to something there: a published example cannot."""


THEIRS = UUID(int=8)
WHOSE = {THEIRS: SUBJECT, UUID(TOKEN): UUID(int=7)}
"""Tokens that the vault knows: of the subject whom the examples have forgotten, and of somebody who pays on."""

PATIENT = {"statement_deadline": 5, "session_patience": 5, "barrier_deadline": 8, "request_deadline": 9}
"""A service that gives up early answers 503 on a busy machine, as documented; then nothing is seen of what is asked here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A service that can be served at `port`, and a token that may do everything there."""

    app: ASGIApp
    port: int
    token: str
    known: Known = field(default_factory=dict)


@asynccontextmanager
async def screening_alone(folder: Path) -> AsyncIterator[Ready]:
    """It needs nobody."""
    issuer = Issuer(folder=folder)
    with Workspace("openapi-screening") as workspace:
        port = workspace.port()
        told = {**_told("screening", port, issuer), "site": payments_site.AWS}
        assembly = screening.Assembly(ScreeningSettings.model_validate(told))
        async with assembly.layers.running():
            yield _ready(assembly.application, port, issuer, "screening", SCREENING)


@asynccontextmanager
async def payments_beside_the_follower(folder: Path) -> AsyncIterator[Ready]:
    """Azure writes, aws follows and serves. In place of screening and the vault somebody who says of every order and token the same
    each time, so that payments are made, held and refused in every run."""
    issuer = Issuer(folder=folder)
    async with payments_site.two_sites("openapi-payments") as sites:
        port, others = sites.workspace.port(), sites.workspace.port()
        callee = {"callee": {"instances": {payments_site.AWS: {"host": LOCAL, "port": others}}}, "deadline": 0.3}
        told = {
            **_told("payments", port, issuer),
            "site": payments_site.AWS,
            "databases": {site: {"host": LOCAL, "port": server.port} for site, server in sites.servers.items()},
            "tuning": PATIENT,
            "screening": callee,
            "vault": callee,
        }
        assembly = payments.Assembly(PaymentsSettings.model_validate(told), payments_site.PASSWORD)
        async with served(_others(), others, None), assembly.running():
            await payments_site.eventually(lambda: _works(assembly))
            ready = _ready(assembly.application, port, issuer, "payments", PAYMENTS)
            yield replace(ready, known=await _paid(assembly.payments))


@asynccontextmanager
async def vault_beside_the_follower(folder: Path) -> AsyncIterator[Ready]:
    """Azure writes, aws follows and serves; the three clouds' key services are in memory."""
    issuer = Issuer(folder=folder)
    async with vault_site.two_sites("openapi-vault") as sites:
        port = sites.workspace.port()
        told = {
            **vault_site.UNUSED,
            **_told("vault", port, issuer),
            "site": vault_site.AWS,
            "databases": {site: {"host": LOCAL, "port": server.port} for site, server in sites.servers.items()},
            "tuning": PATIENT,
            "keys": {"key_patience": 5, "key_deadline": 6},
        }
        assembly = vault.Assembly(VaultSettings.model_validate(told), vault_site.PASSWORD, tuple(sites.clouds.values()))
        async with assembly.running():
            await vault_site.eventually(lambda: _works(assembly))
            yield replace(_ready(assembly.application, port, issuer, "vault", VAULT), known=await _kept(assembly.vault))


async def _paid(service: Payments) -> Known:
    """One payment that is made, from a token of whoever the examples have forgotten, and one that is held."""

    async def pay(key: str, amount: int, source: UUID | None = None) -> UUID:
        order = Order(key=key, debtor=ACCOUNT, creditor=OTHER, amount=amount, currency="EUR", source=source)
        payment = (await service.pay(order)).payment
        assert payment
        return payment.id

    return {"/v1/payments/{id}": await pay("made", 2, THEIRS), "/v1/reviews/{id}": await pay("held", 1)}


async def _kept(service: Vault) -> Known:
    """A token, and the proof of somebody else's erasure."""
    tokens = [await service.tokenize(vault_site.order()) for _ in range(2)]
    kept, gone = (one.token for one in tokens)
    assert kept and gone
    erased = await service.erase(gone.subject, vault_site.GROUNDS)
    assert erased.proof
    return {
        "/v1/tokens/{token}": kept.id,
        "/v1/tokens/{token}/reveal": kept.id,
        "/v1/tokens/{token}/subject": kept.id,
        "/v1/subjects/{id}": kept.subject,
        "/v1/erasures/{id}": erased.proof.id,
    }


async def _works(assembly: Any) -> bool:
    try:
        await assembly.database.answers.prove_write_path()
    except Exception:  # noqa: BLE001  not yet; whoever asks gives up after a while
        return False
    return True


def _told(service: str, port: int, issuer: Issuer) -> Mapping[str, Any]:
    return {"service": service, "listen": {"host": LOCAL, "port": port}, "access": issuer.access(service)}


def _ready(app: ASGIApp, port: int, issuer: Issuer, service: str, operations: Sequence[Operation]) -> Ready:
    return Ready(app=app, port=port, token=issuer.token(service, frozenset(one.scope for one in operations)))


def _others() -> Starlette:
    """Holds odd amounts, and knows two tokens."""

    async def judge(request: Request) -> Response:
        odd = (await request.json())["order"]["amount"] % 2 == 1
        return JSONResponse(
            {"score": 7.5 if odd else 0.0, "reasons": ["odd"] if odd else [], "advice": "hold" if odd else "pass"}
        )

    async def name_subject(request: Request) -> Response:
        token = UUID(request.path_params["token"])
        if token not in WHOSE:
            return render(Problem(status=404, kind="unknown-token", detail="there is no such token"), request.url.path)
        return JSONResponse({"token": str(token), "subject": str(WHOSE[token])})

    return Starlette(routes=[Route("/v1/scores", judge, methods=["POST"]), Route("/v1/tokens/{token}/subject", name_subject)])
