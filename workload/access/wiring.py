"""Puts the door together from its settings. A service calls this once and keeps the ring's keys with `Access.keep`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from workload.access.door import Door
from workload.access.fetch import fetch_from
from workload.access.operations import Operation, Operations
from workload.access.ring import Ring
from workload.access.settings import AccessSettings
from workload.access.shelf import FileShelf
from workload.access.token import Terms
from workload.access.verifier import Verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everything by which one process tells who calls."""

    settings: AccessSettings
    ring: Ring
    verifier: Verifier

    def door(self, app: ASGIApp, operations: Sequence[Operation], on_refusal: Callable[[str], None] = lambda kind: None) -> Door:
        """The middleware in front of `app`."""
        return Door(
            app,
            self.verifier,
            operations=Operations(operations),
            edges=self.settings.edges,
            services=self.settings.services,
            realm=self.settings.audience,
            on_refusal=on_refusal,
        )

    async def keep(self) -> None:
        """Keep the issuer's keys fresh, for ever: a background task of the process."""
        await self.ring.keep(self.settings.refresh)


def build(settings: AccessSettings, now: Callable[[], float] = time.time) -> Access:
    """`now`: Unix seconds, by which tokens and kept keys are judged. Raises OSError, ssl.SSLError when the authority's file cannot be
    used."""
    ring = Ring(
        fetch_from(settings.keys_url, authority=settings.authority, deadline=settings.deadline),
        algorithms=settings.algorithms,
        longest_age=settings.longest_age,
        spacing=settings.spacing,
        patience=settings.patience,
        monotonic=time.monotonic,
        shelf=FileShelf(settings.keys_file, now) if settings.keys_file is not None else None,
    )
    terms = Terms(issuer=settings.issuer, audience=settings.audience, leeway=settings.leeway)
    verifier = Verifier(terms, ring, now=now, remembered=settings.remembered, unbound=settings.unbound)
    return Access(settings=settings, ring=ring, verifier=verifier)
