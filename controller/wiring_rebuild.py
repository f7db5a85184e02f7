"""Puts together what rebuilds a control plane, from a controller's settings. Part of `wiring`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.journal_copy import REBUILT
from controller.rebuild import Patience, Rebuilder
from controller.settings import ServiceSettings, Settings
from controller.wiring import databases_of, first_posture, known_to_etcd


@asynccontextmanager
async def rebuilder(settings: Settings, service: ServiceSettings, deadline: timedelta) -> AsyncIterator[Rebuilder]:
    """For one service, with its connections closed at the end. Nobody is asked yet. Raises ProviderError for papers that cannot be used."""
    async with AsyncExitStack() as stack:
        etcd = Etcd(settings.etcd, call_deadline=deadline / 3, deadline=deadline, context=known_to_etcd(settings))
        stack.push_async_callback(etcd.close)
        databases = databases_of(service, settings, stack)
        yield Rebuilder(
            service=service.name,
            databases=databases,
            copies=databases,
            coordination=Store(etcd, controller=REBUILT, clock=SystemClock()),
            first=first_posture(service, settings),
            patience=Patience(facts=deadline),
        )
