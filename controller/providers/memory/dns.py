"""An authority held in memory, with the promises of the real ones and a switch for each way they fail."""

from collections.abc import Mapping
from datetime import timedelta

from controller.core.model import Site
from controller.errors import Transient
from controller.ports import Clock, SteeringReport
from controller.providers.ratios import refuse_unusable

PAUSE = timedelta(milliseconds=100)


class MemoryDns:
    """`ports.Dns` without a network. Several controllers share one zone by sharing the object."""

    def __init__(self, *, clock: Clock, name: str = "memory", propagation: timedelta = timedelta()) -> None:
        """`propagation`: how long a change takes until all name servers answer it."""
        self._clock, self._name = clock, name
        self._ratios: dict[Site, float] = {}
        self._synced_at = timedelta()
        self.propagation = propagation
        self.foreign_records: dict[str, float] = {}
        """Records of the same name that somebody else made, by identifier."""
        self.changes_sent = 0
        """Change batches that the authority carried out."""
        self.throttled = 0
        """How many of the next requests are turned away."""
        self.lost_answers = 0
        """How many of the next changes are carried out without an answer."""
        self.hanging = False
        """Nothing is answered and nothing is carried out."""

    @property
    def name(self) -> str:
        """As it was given."""
        return self._name

    def set_by_hand(self, ratios: Mapping[Site, float]) -> None:
        """Somebody changed some of the records past this port; sites not named keep what they have."""
        self._ratios |= ratios
        self._synced_at = self._clock.monotonic()

    async def read(self) -> Mapping[Site, float]:
        """Ratios now, adding up to 1; sites without a record are absent."""
        await self._request(self._clock.monotonic() + timedelta(seconds=2))
        return _shares(self._ratios)

    async def foreign(self) -> tuple[str, ...]:
        """Records of the same name that are not ours."""
        return tuple(self.foreign_records)

    async def steer(self, weights: Mapping[Site, float], deadline: timedelta) -> SteeringReport:
        """All of it in one change or nothing; tries again on throttling and lost answers until the deadline."""
        refuse_unusable(weights)
        ends = self._clock.monotonic() + deadline
        before: Mapping[Site, float] | None = None
        while True:
            try:
                await self._request(ends)
                before = _shares(self._ratios) if before is None else before
                await self._change(weights, ends)
                break
            except Transient:
                if ends - self._clock.monotonic() <= PAUSE:
                    raise
                await self._clock.sleep(PAUSE)
        after = _shares(self._ratios)
        await self._clock.sleep(max(timedelta(), min(self._synced_at, ends) - self._clock.monotonic()))
        return SteeringReport(before=before, after=after, changed=before != after, in_sync=self._synced_at <= ends)

    async def _change(self, weights: Mapping[Site, float], ends: timedelta) -> None:
        wanted = {site: weights.get(site, 0.0) for site in {*self._ratios, *(s for s, r in weights.items() if r > 0)}}
        if _shares(wanted) == _shares(self._ratios):
            return
        await self._request(ends)
        self._ratios = wanted
        self._synced_at = self._clock.monotonic() + self.propagation
        self.changes_sent += 1
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise Transient(f"{self._name}: the answer was lost")

    async def _request(self, ends: timedelta) -> None:
        if self.hanging:
            await self._clock.sleep(max(timedelta(), ends - self._clock.monotonic()))
            raise Transient(f"{self._name}: no answer before the deadline")
        if self.throttled > 0:
            self.throttled -= 1
            raise Transient(f"{self._name}: throttled")


def _shares(ratios: Mapping[Site, float]) -> dict[Site, float]:
    heaviest = max(ratios.values(), default=0.0)
    if heaviest == 0:
        return dict.fromkeys(sorted(ratios), 0.0)
    whole = sum(ratio / heaviest for ratio in ratios.values())
    return {site: ratios[site] / heaviest / whole for site in sorted(ratios)}
