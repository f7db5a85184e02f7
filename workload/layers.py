"""The layers around one service's application, put together from its settings in the one order that there is.

From outside: being seen (refusals too) · paths (the vault's) · who tells of certificates · the request's deadline · the gate with its
limits · who asks, and may they · the application.

A deadline counts from the arrival, waiting at the gate included. The gate is before the door because a place costs less than a
signature: behind it, a flood of invented tokens would be verified one by one.
"""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp

from workload import process
from workload.access import wiring as access
from workload.access.everybody import Everybody
from workload.access.identity import Identity, server_context
from workload.access.operations import Operation
from workload.access.settings import AccessSettings
from workload.access.told import Told
from workload.calls.deadline import LONGEST, Deadlines
from workload.layer_settings import LayerSettings
from workload.metrics import ServiceMetrics
from workload.telemetry.observation import Observation

log = structlog.get_logger()

Layer = Callable[[ASGIApp], ASGIApp]
"""Puts one layer around an application."""


def nothing(app: ASGIApp) -> ASGIApp:
    """No layer."""
    return app


class Layers:
    """Everything around one service's application, and the work beside it that this takes."""

    def __init__(
        self,
        settings: LayerSettings,
        operations: Sequence[Operation],
        metrics: ServiceMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`operations`: all that may be asked of the service. `now`: Unix seconds, by which tokens are judged. Raises CannotBegin when a
        certificate cannot be used."""
        self._settings, self._operations = settings, operations
        self.context = None if settings.identity is None else _context(settings.identity)
        """For whoever listens."""
        self._access = None if settings.access is None else _access(settings.access, now)
        self._observation = (
            None if settings.telemetry is None else Observation(settings.telemetry, site=settings.site, metrics=metrics)
        )
        help = "Requests by whom nobody believed or who may not, by what was wrong."
        self._refused = Counter(f"{metrics.service}_access_refused", help, ["kind"], registry=metrics.registry)

    def around(
        self, application: ASGIApp, *, gate: Layer = nothing, paths: Layer = nothing, longest: timedelta = LONGEST
    ) -> ASGIApp:
        """The application with its layers. `longest`: what any request may take, from its arrival on, all trips together."""
        guarded = Deadlines(gate(self._door(application)), monotonic=time.monotonic, longest=longest)
        app = paths(self._told(guarded))
        return app if self._observation is None else self._observation.around(app)

    def situation(self) -> Mapping[str, object]:
        """What is to be seen of it, for people and probes."""
        if self._access is None:
            return {"open_to_everybody": True}
        age = self._access.ring.age
        return {"issuer_keys_age_seconds": None if age is None else round(age.total_seconds(), 1)}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the issuer's keys fresh and send traces for the length of the block. Raises what ended one of these."""
        keepers = () if self._access is None else (self._access.keep,)
        if self._access is None:
            listen = self._settings.listen
            log.warning(
                "OPEN TO EVERYBODY: whoever reaches this address may do everything", address=f"{listen.host}:{listen.port}"
            )
        with nullcontext() if self._observation is None else self._observation.running():
            async with process.beside(*keepers):
                yield

    def _door(self, app: ASGIApp) -> ASGIApp:
        if self._access is None:
            return Everybody(app, self._operations)
        return self._access.door(app, self._operations, self._count)

    def _told(self, app: ASGIApp) -> ASGIApp:
        if self._access is None:
            return app
        settings = self._access.settings
        return Told(app, edges=settings.edges, realm=settings.audience, on_refusal=self._count)

    def _count(self, kind: str) -> None:
        self._refused.labels(kind).inc()


def _context(identity: Identity) -> ssl.SSLContext:
    try:
        return server_context(identity)
    except (OSError, ssl.SSLError) as error:
        expected = f"a certificate with its key in {identity.certificate} and an authority in {identity.authority}, PEM"
        raise process.CannotBegin(f"identity: expected {expected}: {error}") from error


def _access(settings: AccessSettings, now: Callable[[], float]) -> access.Access:
    try:
        return access.build(settings, now)
    except (OSError, ssl.SSLError) as error:
        raise process.CannotBegin(f"access: expected an authority in {settings.authority}, PEM: {error}") from error
