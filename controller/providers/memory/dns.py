"""An authority held in memory, with the promises of the real ones and a switch for each way they fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from controller.core.model import Site
from controller.errors import Transient
from controller.ports import Clock, SteeringReport
from controller.providers.ratios import refuse_superseded, refuse_unusable

PAUSE = timedelta(milliseconds=100)


@dataclass(slots=True, kw_only=True)
class MemoryZone:
    """What the authority itself holds, whoever asks it, and how it fails."""

    propagation: timedelta = timedelta()
    """How long a change takes until all name servers answer it."""
    foreign_records: dict[str, float] = field(default_factory=dict)
    """Records of the same name that somebody else made, by identifier."""
    changes_sent: int = 0
    """Change batches that were carried out."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next changes are carried out without an answer."""
    hanging: bool = False
    """Nothing is answered and nothing is carried out."""
    lying: bool = False
    """Everything is answered at once, with nonsense, and nothing is carried out."""
    ratios: dict[Site, float] = field(default_factory=dict)
    synced_at: timedelta = timedelta()


class MemoryDns:
    """`ports.Dns` without a network: one controller's adapter. Several controllers share one authority by sharing the zone."""

    __slots__ = ("_asked", "_clock", "_name", "zone")

    def __init__(self, *, clock: Clock, name: str = "memory", zone: MemoryZone | None = None) -> None:
        """Without a `zone`, it gets an empty one of its own."""
        self._clock, self._name, self.zone = clock, name, zone or MemoryZone()
        self._asked: Mapping[Site, float] = {}

    def another(self, clock: Clock) -> Self:
        """Another controller's adapter on the same zone."""
        return type(self)(clock=clock, name=self._name, zone=self.zone)

    def set_by_hand(self, ratios: Mapping[Site, float]) -> None:
        """Somebody changed some of the records past every adapter; sites not named keep what they have."""
        self.zone.ratios = {**self.zone.ratios, **ratios}
        self.zone.synced_at = self._clock.monotonic()

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    async def read(self) -> Mapping[Site, float]:
        """Ratios now, adding up to 1; sites without a record are absent."""
        await self._request(self._clock.monotonic() + timedelta(seconds=2))
        return _shares(self.zone.ratios)

    async def foreign(self) -> tuple[str, ...]:
        """Records of the same name that are not ours."""
        return tuple(self.zone.foreign_records)

    async def steer(self, weights: Mapping[Site, float], deadline: timedelta) -> SteeringReport:
        """All of it in one change or nothing; tries again on throttling and lost answers until the deadline."""
        refuse_unusable(weights)
        self._asked = weights
        ends = self._clock.monotonic() + deadline
        before: Mapping[Site, float] | None = None
        while True:
            try:
                await self._request(ends)
                before = _shares(self.zone.ratios) if before is None else before
                await self._change(weights, ends)
                break
            except Transient:
                if ends - self._clock.monotonic() <= PAUSE:
                    raise
                await self._clock.sleep(PAUSE)
        after, synced_at = _shares(self.zone.ratios), self.zone.synced_at
        await self._clock.sleep(max(timedelta(), min(synced_at, ends) - self._clock.monotonic()))
        in_sync = synced_at <= ends and self._asked == weights
        return SteeringReport(before=before, after=after, changed=before != after, in_sync=in_sync)

    async def _change(self, weights: Mapping[Site, float], ends: timedelta) -> None:
        ratios = self.zone.ratios
        wanted = {site: weights.get(site, 0.0) for site in {*ratios, *(s for s, r in weights.items() if r > 0)}}
        refuse_superseded(self._name, weights, self._asked)
        if _shares(wanted) == _shares(ratios):
            return
        await self._request(ends)
        refuse_superseded(self._name, weights, self._asked)
        self.zone.ratios = wanted
        self.zone.synced_at = self._clock.monotonic() + self.zone.propagation
        self.zone.changes_sent += 1
        if self.zone.lost_answers > 0:
            self.zone.lost_answers -= 1
            raise Transient(f"{self._name}: the answer was lost")

    async def _request(self, ends: timedelta) -> None:
        if self.zone.hanging:
            await self._clock.sleep(max(timedelta(), ends - self._clock.monotonic()))
            raise Transient(f"{self._name}: no answer before the deadline")
        if self.zone.lying:
            raise Transient(f"{self._name}: an answer that makes no sense")
        if self.zone.throttled > 0:
            self.zone.throttled -= 1
            raise Transient(f"{self._name}: throttled")


def _shares(ratios: Mapping[Site, float]) -> dict[Site, float]:
    heaviest = max(ratios.values(), default=0.0)
    if heaviest == 0:
        return dict.fromkeys(sorted(ratios), 0.0)
    whole = sum(ratio / heaviest for ratio in ratios.values())
    return {site: ratios[site] / heaviest / whole for site in sorted(ratios)}
