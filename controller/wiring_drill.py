"""Puts together what marks a drill in the journal, from a controller's settings. Part of `wiring`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.settings import Settings
from controller.wiring import known_to_etcd

ACTOR = "drill"
"""Who wrote a drill's entries; by whose order they say themselves."""


@asynccontextmanager
async def journal_of(settings: Settings, deadline: timedelta) -> AsyncIterator[Store]:
    """etcd, for somebody who is no controller; closed at the end. Nobody is asked yet. Raises ProviderError for papers that cannot be
    used."""
    etcd = Etcd(settings.etcd, call_deadline=deadline / 3, deadline=deadline, context=known_to_etcd(settings))
    try:
        yield Store(etcd, controller=ACTOR, clock=SystemClock())
    finally:
        await etcd.close()
