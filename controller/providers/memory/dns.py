"""An authority held in memory, with the promises of the real ones and a switch for each way they fail."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from controller.core.model import Group, Site
from controller.errors import Denied, Refused, Transient, Unsupported
from controller.ports import Clock, Shift, SteeringReport
from controller.providers.ratios import superseded, to_shares, usable
from controller.providers.records import GroupRecords

PAUSE = timedelta(milliseconds=100)

Ratios = Mapping[Site, float]


@dataclass(slots=True, kw_only=True)
class MemoryZone:
    """What the authority itself holds, whoever asks it, and how it fails."""

    propagation: timedelta = timedelta()
    """How long a change takes until all name servers answer it."""
    delay: timedelta = timedelta()
    """How long a change is on its way; whoever gives up waiting does not stop it."""
    foreign_records: dict[str, float] = field(default_factory=dict)
    """Records beside ours that somebody else made, by identifier."""
    taken: set[Group] = field(default_factory=set)
    """Groups in whose place somebody else's record stands."""
    requests: int = 0
    """Requests that arrived."""
    changes_sent: int = 0
    """Changes that were carried out."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next changes are carried out without an answer."""
    idle_changes: int = 0
    """How many of the next changes are answered as if they had been carried out, and are not."""
    hanging: bool = False
    """Nothing is answered and nothing is carried out."""
    lying: bool = False
    """Everything is answered at once, with nonsense, and nothing is carried out."""
    denied: bool = False
    """Credentials or permissions are missing."""
    denied_changes: bool = False
    """Reading is permitted, changing is not."""
    failing_after: int = 0
    """After so many more changes every request is turned away; 0: never."""
    missing: bool = False
    """There is no such zone."""
    groups: dict[Group, dict[Site, float]] = field(default_factory=dict)
    synced_at: timedelta = timedelta()
    changing: int = 0
    """Changes that are on their way."""


class MemoryDns:
    """`ports.Dns` without a network: one controller's adapter. Several controllers share one authority by sharing the zone."""

    __slots__ = ("_asked", "_clock", "_groups", "_name", "_under_way", "zone")

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "memory",
        zone: MemoryZone | None = None,
        groups: Mapping[Group, GroupRecords] | None = None,
    ) -> None:
        """Without a `zone`, it gets an empty one of its own; without `groups`, it takes any group and any site."""
        self._clock, self._name, self._groups = clock, name, groups
        self.zone = zone or MemoryZone()
        self._asked: dict[Group, Ratios] = {}
        self._under_way: dict[Group, asyncio.Future[None]] = {}

    def another(self, clock: Clock) -> Self:
        """Another controller's adapter on the same zone."""
        return type(self)(clock=clock, name=self._name, zone=self.zone, groups=self._groups)

    def set_by_hand(self, group: Group, ratios: Ratios) -> None:
        """Somebody changed some of a group's records past every adapter; sites not named keep what they have."""
        self.zone.groups[group] = {**self.zone.groups.get(group, {}), **ratios}
        self.zone.synced_at = self._clock.monotonic()

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    @property
    def calls(self) -> int:
        """Requests that reached the authority, from all adapters on its zone."""
        return self.zone.requests

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios now, adding up to 1; sites without a record are absent."""
        await self._request(self._clock.monotonic() + timedelta(seconds=2))
        return {group: to_shares(self.zone.groups.get(group, {})) for group in {**dict(self._groups or {}), **self.zone.groups}}

    async def foreign(self) -> tuple[str, ...]:
        """Records beside ours that are not ours."""
        return tuple(self.zone.foreign_records)

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """All of it in one change or nothing; tries again on throttling and lost answers until the deadline."""
        aims, refused = usable(wanted, wanted if self._groups is None else self._groups)
        self._asked |= aims
        ends = self._clock.monotonic() + deadline
        before: dict[Group, Ratios] = {}
        while True:
            try:
                if older := {self._under_way[group] for group in aims if group in self._under_way}:
                    await asyncio.wait(older)  # of a caller that gave up: it may still arrive
                await self._request(ends)
                for group in aims:
                    before.setdefault(group, to_shares(self.zone.groups.get(group, {})))
                standing, wrong = await self._set_out(aims, ends)
                break
            except Transient:
                if ends - self._clock.monotonic() <= PAUSE:
                    raise
                await self._clock.sleep(PAUSE)
        synced_at = self.zone.synced_at
        shifts = {group: Shift(before=before[group], after=after) for group, after in standing.items()}
        await self._clock.sleep(max(timedelta(), min(synced_at, ends) - self._clock.monotonic()))
        in_sync = bool(standing) and synced_at <= ends and not superseded({group: aims[group] for group in standing}, self._asked)
        return SteeringReport(shifts=shifts, refused=refused | wrong, in_sync=in_sync)

    async def _set_out(self, aims: Mapping[Group, Ratios], ends: timedelta) -> tuple[dict[Group, Ratios], dict[Group, str]]:
        """One try. Answers the shares of the groups that then stand, and what is wrong with the others."""
        wrong = superseded(aims, self._asked)
        targets = {}
        for group, ratios in aims.items():
            try:
                targets[group] = self._target(group, ratios)
            except Refused as refusal:
                wrong.setdefault(group, str(refusal))
        targets = {group: target for group, target in targets.items() if group not in wrong}
        missing = {group: one for group, one in targets.items() if to_shares(one) != to_shares(self.zone.groups.get(group, {}))}
        if missing:
            await self._request(ends)
            if self.zone.denied_changes:
                raise Denied(f"{self._name}: changing is not permitted")
            late = superseded(aims, self._asked)
            missing = {group: one for group, one in missing.items() if group not in late}
            wrong |= late
            change = asyncio.ensure_future(self._change(missing))
            self._under_way |= dict.fromkeys(missing, change)
            await asyncio.shield(change)
        return {group: to_shares(one) for group, one in targets.items() if group not in wrong}, wrong

    def _target(self, group: Group, ratios: Ratios) -> dict[Site, float]:
        """What the group's records are to hold; ours that `ratios` does not name are drained. Raises Refused."""
        present = self.zone.groups.get(group, {})
        if group in self.zone.taken:
            raise Refused(
                guard="record-owner",
                value=f"{group}: a record that is not ours",
                limit="our own records only",
                way_out="Remove it.",
            )
        serving = {site for site, ratio in ratios.items() if ratio > 0}
        known = serving if self._groups is None else self._groups[group].addresses
        if unknown := serving - {*present, *known}:
            raise Refused(
                guard="known-site",
                value=f"{group}: {', '.join(sorted(unknown))} has no record and no address is known",
                limit="a record or an address for every site that is to serve",
                way_out="Deploy the site's record, or take the site out of the weights.",
            )
        return {site: ratios.get(site, 0.0) for site in {*present, *serving}}

    async def _change(self, targets: Mapping[Group, dict[Site, float]]) -> None:
        self.zone.changing += 1
        try:
            await self._clock.sleep(self.zone.delay)
        finally:
            self.zone.changing -= 1
        if self.zone.idle_changes > 0:
            self.zone.idle_changes -= 1
            return
        self.zone.groups |= targets
        self.zone.synced_at = self._clock.monotonic() + self.zone.propagation
        self.zone.changes_sent += 1
        if self.zone.failing_after > 0:
            self.zone.failing_after -= 1
            self.zone.throttled = 0 if self.zone.failing_after else 1_000_000
        if self.zone.lost_answers > 0:
            self.zone.lost_answers -= 1
            raise Transient(f"{self._name}: the answer was lost")

    async def _request(self, ends: timedelta) -> None:
        self.zone.requests += 1
        if self.zone.hanging:
            await self._clock.sleep(max(timedelta(), ends - self._clock.monotonic()))
            raise Transient(f"{self._name}: no answer before the deadline")
        if self.zone.lying:
            raise Transient(f"{self._name}: an answer that makes no sense")
        if self.zone.throttled > 0:
            self.zone.throttled -= 1
            raise Transient(f"{self._name}: throttled")
        if self.zone.denied:
            raise Denied(f"{self._name}: credentials are missing")
        if self.zone.missing:
            raise Unsupported(f"{self._name}: there is no such zone")
