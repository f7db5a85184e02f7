"""Puts the service together. Names concrete classes; which key services there are is passed in.

There is no setting that turns the barrier off, and none that keeps a data key with fewer wraps than one.
"""

import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from starlette.types import ASGIApp

from workload import process
from workload.access.door import caller_of
from workload.calls.lasting import Lasting
from workload.durable.database import Database, Durably, Tenant
from workload.durable.errors import Unanswered
from workload.gate import Gate
from workload.identifiers import uuid7
from workload.layers import Layers
from workload.limits.assembly import build_limits
from workload.schema.outlook import process_name
from workload.vault import app as http
from workload.vault.callers import OPERATIONS, PARTS
from workload.vault.clouds import Clouds
from workload.vault.errors import KeyLost, KeysOutOfReach
from workload.vault.keyring import Keyring
from workload.vault.metrics import Metrics
from workload.vault.model import DataKey
from workload.vault.paths import Paths
from workload.vault.repair import Repairs
from workload.vault.service import Vault
from workload.vault.settings import Settings
from workload.vault.store import AWAIT_HELD
from workload.vault.wrapping import Wrapper


def random_token() -> UUID:
    """A UUIDv4 (RFC 9562 section 5.4) of 122 random bits: a token that tells neither its number nor its time."""
    return UUID(bytes=os.urandom(16), version=4)


class Assembly:
    """Every part of one process, put together and not yet running."""

    def __init__(
        self,
        settings: Settings,
        password: str,
        wrappers: Sequence[Wrapper],
        *,
        durably: Durably = lambda durability: durability,
    ) -> None:
        """Raises CannotBegin when a certificate cannot be used."""
        self.settings, self.site = settings, settings.site
        self.metrics = Metrics()
        name = process_name("vault", settings.service)
        tenant = Tenant(service=settings.service, password=password, name=name, await_held=AWAIT_HELD, durably=durably)
        self.database = Database(settings, tenant, self.metrics)
        self.clouds = Clouds(sorted(wrappers, key=lambda one: one.cloud != settings.site), self.metrics)
        self.keyring = Keyring(self.clouds, tuning=settings.keys, entropy=os.urandom, monotonic=time.monotonic)
        self.vault = self._vault()
        self.repairs = Repairs(
            answers=self.database.answers,
            compass=self.database.finder,
            site=self.site,
            clouds=self.clouds,
            keyring=self.keyring,
            tuning=settings.keys,
            meter=self.metrics,
        )
        self.metrics.watch("cached_keys", "Data keys in memory.", lambda: self.keyring.cached)
        self.layers = Layers(settings, OPERATIONS, self.metrics)
        application = http.build(
            self.vault,
            self.database.answers,
            who=caller_of,
            site=self.site,
            metrics=self.metrics.render,
            situation=self.situation,
        )
        # Paths before everything that tells where a request went which it turns away.
        longest = settings.keys.key_patience + settings.tuning.request_deadline
        self.application = self.layers.around(application, gate=self._gate, paths=Paths, longest=longest)
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)

    def _vault(self) -> Vault:
        keys = self.settings.keys
        tasks: Lasting[DataKey | None] = Lasting(
            longest=keys.key_deadline, monotonic=time.monotonic, crowded=KeysOutOfReach, expected=(KeyLost, Unanswered)
        )
        self.metrics.watch("key_tasks", "Data keys that are being founded or opened.", lambda: len(tasks))
        return Vault(
            answers=self.database.answers,
            keyring=self.keyring,
            metrics=self.metrics,
            new_id=uuid7,
            new_token=random_token,
            entropy=os.urandom,
            key_patience=keys.key_patience,
            key_tasks=tasks,
            monotonic=time.monotonic,
        )

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        mine = {"in_flight": self.gate.inside, "cached_keys": self.keyring.cached}
        return {**self.database.situation(), **mine, **self.layers.situation()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep sessions warm, the writer known, old keys out and wraps whole for the length of the block. Raises what ended a
        background task, if anything did."""
        async with self.layers.running(), self.database.running(), process.beside(self.keyring.tend, self.repairs.tend):
            yield

    def _gate(self, app: ASGIApp) -> ASGIApp:
        settings = self.settings
        self.gate = Gate(
            app,
            limits=build_limits(settings.limits, self.metrics, parts=PARTS),
            deadline=settings.tuning.request_deadline,
            on_refusal=self.metrics.overloaded,
            inconclusive=("keys-out-of-reach",),
        )
        return self.gate


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    async with assembly.running():
        await process.serve(assembly.application, listener, site=assembly.site, context=assembly.layers.context)
