"""Puts the calls to one other service together; inside a running event loop."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from workload.access.identity import Identity, client_context
from workload.calls.callee import Callee
from workload.calls.instance import Connections
from workload.calls.settings import CalleeSettings


class NoIdentity(Exception):
    """A service that is asked by its name has to be shown who asks."""


@asynccontextmanager
async def calling(
    settings: CalleeSettings,
    identity: Identity | None,
    *,
    own_site: str,
    on_outcome: Callable[[str], None] = lambda outcome: None,
    outgoing: Callable[[], Mapping[str, str]] = dict,
) -> AsyncIterator[Callee]:
    """The service for the length of the block. Raises NoIdentity, OSError, ssl.SSLError."""
    context = None
    if settings.name is not None:
        if identity is None:
            raise NoIdentity(f"{settings.name}: expected an identity of one's own to call it with")
        context = client_context(identity, settings.name)
    connections = Connections(context, connect=settings.connect, most=settings.most)
    try:
        yield Callee(
            settings,
            connections,
            own_site=own_site,
            monotonic=time.monotonic,
            draw=random.random,
            pause=asyncio.sleep,
            on_outcome=on_outcome,
            outgoing=outgoing,
        )
    finally:
        await connections.close()
