"""Does the zone answer a name from its profile? Without that a steering would stand, be read back, and move nobody.

Source: Azure DNS, "Alias records overview": an A record set whose `targetResource` is a Traffic Manager profile.
"""

import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from controller.errors import Transient
from controller.providers.azure.errors import Busy
from controller.providers.azure.records import Profile, profile_name
from controller.providers.azure.session import Client
from controller.providers.records import WeightedName

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged
    from azure.mgmt.dns import DnsManagementClient

log = logging.getLogger(__name__)


class Aliases:
    """A record sets of one zone, looked at until each name was seen once to be an alias of its profile."""

    def __init__(self, client: "Client[DnsManagementClient]", resource_group: str, zone: str) -> None:
        self._client, self._resource_group, self._zone = client, resource_group, zone.lower().rstrip(".")
        self._proven: set[str] = set()
        self._seen: dict[str, str] = {}
        """What names that are not proven were last seen to be aliases of, empty for none; one that could not be asked for is absent."""

    async def look(self, names: Iterable[WeightedName], ends: float) -> None:
        """A list of the A records beside the names that are not proven yet. A zone that cannot be asked just now is no error: the
        profiles may answer, and holding back their steering would leave payers on the dead site. Raises Denied, Unsupported."""
        unproven = [name for name in names if not self.proven(name)]
        if not unproven:
            return
        seen: dict[str, str] = {}
        try:
            for parent in sorted({self._parent(name) for name in unproven}):
                seen |= await self._client.collect("RecordSets_ListByType", partial(self._list, parent), self._alias, ends)
        except (Transient, Busy) as error:
            log.info("azure: cannot see whether the zone answers from the profiles: %s", error)
            for name in unproven:
                self._seen.pop(name.absolute, None)
        else:
            self._seen |= {name.absolute: seen.get(name.absolute, "") for name in unproven}

    def problem(self, name: WeightedName, profile: Profile) -> str | None:
        """Why the zone does not answer this name from this profile, with the way out; None when it does, or could not be asked."""
        seen = self._seen.get(name.absolute)
        if self.proven(name) or seen is None:
            return None
        if seen != str(profile["id"]).lower():
            return f"{name.name}: its A record in {self._zone} is no alias of profile {profile_name(name)}. Make it one"
        self._proven.add(name.absolute)
        return None

    def proven(self, name: WeightedName) -> bool:
        """Was it seen?"""
        return name.absolute in self._proven

    def _parent(self, name: WeightedName) -> str:
        """`g` for `payments.g.trimaran.test`: the names of a thousand services are not below it, and are no pages to be fetched."""
        relative = name.absolute.rstrip(".").removesuffix(self._zone).rstrip(".")
        return relative.partition(".")[2]

    def _list(self, parent: str, client: "DnsManagementClient") -> "ItemPaged[Any]":
        return client.record_sets.list_by_type(self._resource_group, self._zone, "A", recordsetnamesuffix=parent or None)

    def _alias(self, record: Any) -> tuple[str, str]:
        """Absolute name, and id of what it is an alias of; empty for a record that is none."""
        name = f"{self._zone}." if record.name == "@" else f"{record.name.lower()}.{self._zone}."
        return name, str(record.target_resource.id or "").lower() if record.target_resource else ""
