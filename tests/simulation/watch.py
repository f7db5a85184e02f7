"""Looks at everything that takes effect, and notes which promise it breaks and what was reached."""

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from controller.coordination.codec import decode, encode
from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Txn
from controller.core.decide import Decision
from controller.core.guards import CLAIMING
from controller.core.invariants import (
    Acknowledged,
    Breach,
    epochs_only_grow,
    must_cut_is_superset,
    no_loss,
)
from controller.core.model import Epoch, JournalEntry, Mode, Observation, Posture, Role, Site, Trigger
from controller.core.plans import Plan, PlanKind
from controller.providers.memory.world import MemoryWorld

Line = tuple[float, str, str]


class Broken(AssertionError):
    """A promise did not hold."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(f"{breach.promise}: {breach.evidence}")
        self.breach = breach


class Watch:
    """The world's own record of one run."""

    def __init__(self, service: str, told: Callable[[Line], None] | None = None) -> None:
        self._loop, self._keys, self._tell = asyncio.get_running_loop(), Keys(service), told
        self.world: MemoryWorld
        self.posture: Posture | None = None
        self.plan: Plan | None = None
        self.plans: dict[str, Plan] = {}
        self.replaced: set[str] = set()
        self.journal: list[JournalEntry] = []
        self.spoken: dict[Site, list[tuple[float, str]]] = {}
        """When each vantage published what."""
        self.judge: Callable[[Plan, Site], None] = lambda plan, actor: None
        """Told of every automatic failover when it is claimed, and by whom."""
        self.acknowledged: list[Acknowledged] = []
        self.acknowledgers: dict[Epoch, Site] = {}
        self.last_acknowledged = 0.0
        self.breaches: list[Breach] = []
        self.phases: set[str] = set()
        self.verdicts: set[tuple[str, str]] = set()
        self.lines: list[Line] = []
        self._rows: dict[Site, tuple[object, ...]] = {}
        self.highest = Epoch(1)

    # ------------------------------------------------------------------------------------------------ the record

    def note(self, kind: str, text: str) -> None:
        """One line of the course."""
        line = (round(self._loop.time(), 6), kind, text)
        self.lines.append(line)
        if self._tell is not None:
            self._tell(line)

    def digest(self) -> str:
        """Of the whole course: equal courses, equal digests."""
        return sha256(repr(self.lines).encode()).hexdigest()

    def breach(self, *found: Breach) -> None:
        """A promise is broken; the first one ends the run."""
        for one in found:
            self.note("BROKEN", f"{one.promise}: {one.evidence}")
            self.breaches.append(one)

    # ------------------------------------------------------------------------------------------------ etcd

    def written(self, txn: Txn) -> None:
        """A transaction was applied."""
        puts = {write.key: write.value for write in txn.writes if isinstance(write, Put)}
        entries = [decode(JournalEntry, puts[key], key=key) for key in sorted(puts) if key.startswith(self._keys.journal)]
        if self._keys.plan in puts:
            self._planned(decode(Plan, puts[self._keys.plan], key=self._keys.plan), entries)
        if self._keys.posture in puts:
            self._postured(decode(Posture, puts[self._keys.posture], key=self._keys.posture), entries)
        for entry in entries:
            self.journal.append(entry)
            self.note("journal", f"{entry.sequence} {entry.actor} {entry.kind}: {entry.body.get('sentence', '')}")
        for key, value in puts.items():
            if key.startswith(self._keys.observations):
                vantage = Site(key.removeprefix(self._keys.observations))
                self.spoken.setdefault(vantage, []).append((self._loop.time(), value))

    def _planned(self, plan: Plan, entries: list[JournalEntry]) -> None:
        self.phases.add(str(plan.phase))
        if plan.id not in self.plans:
            replaced = [str(entry.body["replaces"]) for entry in entries if entry.body.get("replaces")]
            self._replace(plan, replaced)
            paused = self.posture is not None and self.posture.pause is not None and self.posture.pause.until is None
            if paused and plan.trigger is not Trigger.OPERATOR:
                self.breach(Breach(promise="no-surprise-return", evidence=f"plan {plan.id} began in a pause"))
            mode = self.posture.mode if self.posture is not None else Mode.AUTOMATIC
            asks = mode in {Mode.OBSERVE, Mode.MANUAL} or (mode is Mode.TRAFFIC_ONLY and plan.kind is PlanKind.FAILOVER)
            if asks and plan.trigger is not Trigger.OPERATOR:
                self.breach(Breach(promise="no-surprise-return", evidence=f"plan {plan.id} began in mode {mode}"))
            if plan.kind is PlanKind.FAILOVER and plan.trigger is Trigger.AUTOMATIC:
                self.judge(plan, Site(entries[-1].actor) if entries else Site(""))
        if self.plan is None or (plan.id, plan.phase) != (self.plan.id, self.plan.phase):
            self.note("plan", f"{plan.id}: {plan.phase}")
        self.plan = self.plans[plan.id] = plan

    def _replace(self, plan: Plan, replaced: list[str]) -> None:
        """Upkeep and steering may be replaced by anybody, because what they were for is still wanted; a claim only by another claim."""
        for gone in replaced:
            if self.plans[gone].kind in CLAIMING and plan.kind not in CLAIMING:
                self.breach(Breach(promise="always-finishes", evidence=f"plan {gone} gave way to {plan.id}"))
        self.replaced.update(replaced)

    def _postured(self, posture: Posture, entries: list[JournalEntry]) -> None:
        before, self.posture = self.posture, posture
        if before is not None:
            self.breach(*epochs_only_grow((before, posture)))
        if not entries:
            self.breach(Breach(promise="explained", evidence=f"nothing in the journal says why the posture became {posture}"))
        if not any(posture.weights.values()):
            self.breach(Breach(promise="no-orphan-drain", evidence="the posture gives traffic to nobody"))
        self.note("posture", _told(posture))
        self._look_at_row()

    def said_at(self, vantage: Site, observation: Observation) -> float | None:
        """When a vantage published this, last."""
        text = encode(observation)
        return next((at for at, said in reversed(self.spoken.get(vantage, [])) if said == text), None)

    # ------------------------------------------------------------------------------------------------ nodes

    def changed(self, site: Site) -> None:
        """Something may have changed on this node."""
        server = self.world.servers[site]
        row = (server.role, server.epoch, server.ack_slots, server.token, server.pinned, tuple(server.streams))
        if row == self._rows.get(site):
            return
        before, self._rows[site] = self._rows.get(site), row
        self.note("node", f"{site}: {server.role} of {server.epoch}, token {server.token}, acks {server.ack_slots}, {row[5]}")
        if server.role is Role.WRITER and (before is None or before[:2] != row[:2]):
            self._opened(site)
        self._look_at_row()

    def _opened(self, site: Site) -> None:
        """Whoever opens holds everything that was acknowledged before, and nobody opened a later epoch before it."""
        epoch = self.world.servers[site].epoch
        if epoch < self.highest:
            self.breach(Breach(promise="one-acknowledger", evidence=f"{site} opened epoch {epoch} after {self.highest} was open"))
        self.highest = max(self.highest, epoch)
        self.breach(*no_loss(self.acknowledged, self.world.ledgers(site)))

    def _look_at_row(self) -> None:
        """The ack set in the writer's row lies within the must-cut set, at every moment."""
        posture = self.posture
        if posture is None:
            return
        writer = self.world.servers[posture.writer]
        if writer.role is Role.WRITER and writer.epoch == posture.reign:
            members = frozenset(site for site in posture.weights if any(name.endswith(f"_{site}") for name in writer.ack_slots))
            self.breach(*must_cut_is_superset(posture, members))

    # ------------------------------------------------------------------------------------------------ clients

    def paid(self, told: Acknowledged) -> None:
        """A client was told."""
        self.acknowledged.append(told)
        self.last_acknowledged = self._loop.time()
        if self.acknowledgers.setdefault(told.epoch, told.writer) != told.writer:
            evidence = f"epoch {told.epoch} was acknowledged by {self.acknowledgers[told.epoch]} and {told.writer}"
            self.breach(Breach(promise="one-acknowledger", evidence=evidence))
        for site, server in self.world.servers.items():
            later = server.role is Role.WRITER and server.pinned and server.epoch > told.epoch
            if later:
                self.breach(*no_loss([told], self.world.ledgers(site)))

    def decided(self, site: Site, decision: Decision) -> None:
        """A controller looked and decided."""
        for reason in decision.reasons:
            self.verdicts.add((reason.guard.partition(":")[0], str(reason.verdict)))


def _told(posture: Posture) -> str:
    parts: dict[str, Any] = {
        "epoch": posture.epoch,
        "writer": posture.writer,
        "reign": posture.reign,
        "must_cut": sorted(posture.must_cut),
        "weights": {site: posture.weights[site] for site in sorted(posture.weights)},
        "mode": str(posture.mode),
        "paused": posture.pause is not None,
    }
    return json.dumps(parts)
