"""The Traffic Manager profiles of one resource group: what there is, what of it is ours, and one put of one of them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from controller.core.model import Group
from controller.errors import Refused
from controller.providers.azure.records import Profile, foreign_endpoints, owned_weights, owner, profile_name, readable
from controller.providers.azure.session import Client
from controller.providers.ratios import average_shares
from controller.providers.records import GroupRecords, WeightedName

if TYPE_CHECKING:
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

    from controller.core.model import Site

Found = Mapping[str, Profile]
"""Profiles by name, lower case."""


class Profiles:
    """What is asked of Traffic Manager. Every call raises ProviderError, and is over by `ends` on the loop's clock."""

    def __init__(
        self, client: "Client[TrafficManagerManagementClient]", resource_group: str, groups: Mapping[Group, GroupRecords]
    ) -> None:
        """Raises Refused when two weighted names would share a profile, which would then follow whichever was steered last."""
        self._client, self._resource_group, self._groups = client, resource_group, groups
        _refuse_shared(groups)

    async def list(self, ends: float) -> dict[str, Profile]:
        """Every profile of the resource group, by name."""
        found = await self._client.collect(
            "Profiles_ListByResourceGroup",
            lambda client: client.profiles.list_by_resource_group(self._resource_group),
            lambda profile: readable(profile.as_dict(exclude_readonly=True)),
            ends,
        )
        return {profile["name"].lower(): profile for profile in found}

    async def put(self, body: Profile, ends: float) -> None:
        """Replace one profile as a whole."""
        await self._client.ask(
            "Profiles_CreateOrUpdate",
            lambda client: client.profiles.create_or_update(self._resource_group, body["name"], cast("Any", body)),
            ends,
        )

    def owned(self, group: Group, found: Found) -> "Iterator[tuple[WeightedName, Profile | None]]":
        """The group's names, and the profile of each that is ours."""
        for name in self._groups[group].names:
            profile = found.get(profile_name(name))
            yield name, profile if profile is not None and owner(profile) == group else None

    def shares(self, group: Group, found: Found) -> "dict[Site, float]":
        """Ratios over all names of the group; a name without a profile of ours has none, so that it shows up as a difference."""
        sites = self._groups[group].addresses
        return average_shares([owned_weights(profile, sites) if profile else {} for _, profile in self.owned(group, found)])

    def foreign(self, found: Found) -> tuple[str, ...]:
        """Endpoints of our profiles that are not ours, by name."""
        return tuple(
            f"{profile['name']} {endpoint}"
            for group, records in self._groups.items()
            for _, profile in self.owned(group, found)
            if profile is not None
            for endpoint in foreign_endpoints(profile, records.addresses)
        )


def _refuse_shared(groups: Mapping[Group, GroupRecords]) -> None:
    names: dict[str, WeightedName] = {}
    for name in (name for records in groups.values() for name in records.names):
        other = names.setdefault(profile_name(name), name)
        if other is not name:
            raise Refused(
                guard="one-profile-per-name",
                value=f"{other.name} and {name.name} both belong to profile {profile_name(name)}",
                limit="a profile for each weighted name",
                way_out="Rename one of them.",
            )
