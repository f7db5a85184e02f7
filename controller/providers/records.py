"""What every authority is told about the steering groups it serves."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.core.model import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedName:
    """One name that is answered by weight, and how long resolvers may keep an answer when the adapter has to make the record."""

    name: str
    ttl: int
    """Seconds. A record that exists keeps the TTL it has: who made it decides."""

    @property
    def absolute(self) -> str:
        """Lower case, with the final dot, as authorities spell it."""
        return self.name.lower().rstrip(".") + "."


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecords:
    """The weighted names of one group, all steered alike, and where each site is reached."""

    names: tuple[WeightedName, ...]
    addresses: Mapping[Site, str]
    """IPv4 address of each site's edge, for records that the adapter has to make."""
