"""Azure as an authority for the zone: Azure DNS answers each weighted name as an alias of a Traffic Manager profile, and that by weight.

Traffic Manager knows neither a batch nor a compare-and-set: each profile is put as a whole, and the last put of a profile wins. So
some groups may stand while others do not; each is told by name, and the next steering writes only what still differs. Source: Azure
Traffic Manager REST API, "Profiles"; Azure DNS, "Alias records overview".
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from controller.core.model import Group, Site
from controller.errors import Conflict, ProviderError, Refused, Transient
from controller.ports import Ratios, Shift, SteeringReport
from controller.providers.azure.alias import Aliases
from controller.providers.azure.errors import Busy, translated
from controller.providers.azure.records import (
    TOTAL,
    Profile,
    foreign_endpoints,
    owned_weights,
    owner,
    problem,
    profile_name,
    readable,
    steered,
)
from controller.providers.azure.session import FIRST_PAUSE, LONGEST_PAUSE, Client, acquire, ends_after, left, repeated, settled
from controller.providers.calls import Calls
from controller.providers.ratios import average_shares, superseded, to_weights, usable
from controller.providers.records import GroupRecords, WeightedName

if TYPE_CHECKING:
    from azure.mgmt.dns import DnsManagementClient
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

log = logging.getLogger(__name__)

Weights = Mapping[Site, int]
Profiles = Mapping[str, Profile]
"""Profiles by name, lower case."""

AT_ONCE = 4
"""Profiles put at the same time: Azure Resource Manager counts writes per subscription."""


class Superseded(Conflict):
    """Other weights were asked for while this put waited for its turn."""


@dataclass(slots=True, kw_only=True)
class Round:
    """One reading of the profiles and what was put after it."""

    shifts: dict[Group, Shift] = field(default_factory=dict)
    refused: dict[Group, str] = field(default_factory=dict)
    failed: dict[Group, ProviderError] = field(default_factory=dict)
    wrote: bool = False

    @property
    def hopeful(self) -> ProviderError | None:
        """What another try may mend."""
        return next((error for error in self.failed.values() if isinstance(error, Transient | Busy)), None)


class AzureDns:
    """One zone in Azure DNS and the Traffic Manager profiles of one resource group behind its weighted names: `ports.Dns`."""

    def __init__(
        self,
        *,
        profiles: "Callable[[], TrafficManagerManagementClient]",
        records: "Callable[[], DnsManagementClient]",
        resource_group: str,
        zone: str,
        groups: Mapping[Group, GroupRecords],
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """Zone and profiles are in the same resource group; each client is made once, in a worker thread.

        Raises Refused when two weighted names would share a profile, which would then follow whichever was steered last.
        """
        self._calls = Calls(translated)
        self._profiles_client = Client(profiles, self._calls)
        self._aliases = Aliases(Client(records, self._calls), resource_group, zone)
        self._resource_group, self._groups = resource_group, dict(groups)
        self._read_deadline = read_deadline
        self._asked: dict[Group, Weights] = {}
        self._writing = asyncio.Lock()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._ending: asyncio.Future[None] | None = None
        self._at_once = asyncio.Semaphore(AT_ONCE)
        _refuse_shared_profiles(self._groups)

    @property
    def name(self) -> str:
        """`azure`."""
        return "azure"

    @property
    def calls(self) -> int:
        """Requests sent to Azure so far."""
        return self._calls.count

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios of our endpoints now, averaged over a group's names; empty where there is no profile of ours. Raises ProviderError."""
        profiles = await self._list(ends_after(self._read_deadline))
        return {
            group: average_shares(
                [
                    owned_weights(profile, records.addresses)
                    for name in records.names
                    if (profile := self._owned(group, name, profiles)) is not None
                ]
            )
            for group, records in self._groups.items()
        }

    async def foreign(self) -> tuple[str, ...]:
        """Endpoints of our profiles that are not ours, by name. They draw traffic that nobody steers. Raises ProviderError."""
        return self._foreign(await self._list(ends_after(self._read_deadline)))

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """Put every profile that does not weigh as wanted, then read them back.

        Tries again on throttling, lost answers and busy profiles, each time from a fresh reading. In sync means that a reading
        after the last put shows every weight, and that the zone was once seen to answer each name from its profile. A group of
        which some profiles could not be put is refused by name; ask again. The rest is as `ports.Dns` promises.
        """
        ratios, refused = usable(wanted, self._groups)
        aims, ends = {group: to_weights(one, TOTAL) for group, one in ratios.items()}, ends_after(deadline)
        self._asked |= aims
        last = await self._rounds(aims, ends)
        refused |= last.refused | {group: f"{type(failure).__name__}: {failure}" for group, failure in last.failed.items()}
        standing = {group: aims[group] for group in last.shifts}
        return SteeringReport(shifts=last.shifts, refused=refused, in_sync=await self._in_sync(standing, last.wrote, ends))

    async def _rounds(self, aims: Mapping[Group, Weights], ends: float) -> Round:
        """The last round before `ends`, or the first that nothing would mend. Raises ProviderError when no group stands after it."""
        before: dict[Group, Ratios] = {}
        last, error, pause = Round(), None, FIRST_PAUSE
        while True:
            try:
                async with self._turn(ends):
                    last = await self._round(aims, before, ends)
                error = last.hopeful
            except (Transient, Busy) as stumbled:
                error = stumbled
            if error is None or left(ends) <= pause:
                break
            log.info("azure: trying again in %s: %s", pause, error)
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)
        error = error or next(iter(last.failed.values()), None)
        if error is not None and not last.shifts:
            raise error
        return last

    @asynccontextmanager
    async def _turn(self, ends: float) -> AsyncIterator[None]:
        """One reading and its puts at a time, or profiles would be read as they were before a put that is still under way."""
        await acquire(self._writing, ends)
        try:
            yield
        finally:
            if not self._under_way:
                self._writing.release()
            else:  # cancelled with puts on their way: the turn ends with their answers
                self._ending = asyncio.ensure_future(self._end_turn(frozenset(self._under_way)))

    async def _end_turn(self, puts: frozenset[asyncio.Future[Any]]) -> None:
        await asyncio.wait(puts)
        self._writing.release()

    async def _round(self, aims: Mapping[Group, Weights], before: dict[Group, Ratios], ends: float) -> Round:
        """Read once, put what differs. Raises ProviderError when nothing can be read."""
        profiles = await self._look(aims, ends)
        outcome = Round(refused=superseded(aims, self._asked))
        if strangers := self._foreign(profiles):
            log.warning("azure: endpoints of our profiles that are not ours, left alone: %s", ", ".join(strangers))
        moves = [
            self._move(group, aim, profiles, before, outcome, ends) for group, aim in aims.items() if group not in outcome.refused
        ]
        await asyncio.gather(*moves)
        return outcome

    async def _move(
        self, group: Group, aim: Weights, profiles: Profiles, before: dict[Group, Ratios], outcome: Round, ends: float
    ) -> None:
        """Have one group stand as wished, or say in `outcome` what is in the way."""
        records = self._groups[group]
        if (wrong := self._problem(group, aim, profiles)) is not None:
            outcome.refused[group] = wrong
            return
        ours = [profiles[profile_name(name)] for name in records.names]
        before.setdefault(group, average_shares([owned_weights(profile, records.addresses) for profile in ours]))
        bodies = [steered(profile, aim, records.addresses) for profile in ours]
        pending = [body for body in bodies if body is not None]
        outcome.wrote = outcome.wrote or bool(pending)
        try:
            await settled(self._put(group, aim, body, ends) for body in pending)
        except Superseded as error:
            outcome.refused[group] = str(error)
            return
        except ProviderError as error:
            outcome.failed[group] = error
            return
        after = [body or profile for body, profile in zip(bodies, ours, strict=True)]
        shares = average_shares([owned_weights(profile, records.addresses) for profile in after])
        outcome.shifts[group] = Shift(before=before[group], after=shares)

    def _problem(self, group: Group, aim: Weights, profiles: Profiles) -> str | None:
        """Why the group cannot be steered, by name and with the way out; None when it can be."""
        records = self._groups[group]
        if unknown := sorted(site for site, weight in aim.items() if weight > 0 and site not in records.addresses):
            return (
                f"known-site: {group}: no address of {', '.join(unknown)} is known. Name it, or take the site out of the weights."
            )
        for name in records.names:
            profile = profiles.get(profile_name(name))
            if (wrong := problem(group, name, profile)) is not None:
                return wrong
            if profile is not None and (wrong := self._aliases.problem(name, profile)) is not None:
                return wrong
        return None

    async def _put(self, group: Group, aim: Weights, body: Profile, ends: float) -> None:
        async with self._at_once:
            if gave_up := superseded({group: aim}, self._asked):
                raise Superseded(gave_up[group])
            put = asyncio.ensure_future(
                self._profiles_client.ask(
                    "Profiles_CreateOrUpdate",
                    lambda client: client.profiles.create_or_update(self._resource_group, body["name"], cast("Any", body)),
                    ends,
                )
            )
            # Cut off here, the put may still arrive: whoever steers next waits for its answer (see `_turn`).
            self._under_way.add(put)
            put.add_done_callback(self._under_way.discard)
            await asyncio.shield(put)

    async def _in_sync(self, standing: Mapping[Group, Weights], wrote: bool, ends: float) -> bool:
        """Does a reading after the last put show these weights, in profiles that the zone answers? False when nobody can say in time.

        A reading that shows other weights is not fought: another controller put its own, and whoever owns the plan asks again.
        """
        seen = all(self._aliases.proven(name) for group in standing for name in self._groups[group].names)
        if wrote or not seen:
            try:
                profiles = await repeated(lambda: self._look(standing, ends), ends)
            except ProviderError as error:
                log.info("azure: cannot read back: %s", error)
                return False
            if not all(self._holds(group, weights, profiles) for group, weights in standing.items()):
                return False
        return not superseded(standing, self._asked)

    def _holds(self, group: Group, weights: Weights, profiles: Profiles) -> bool:
        """Does every profile of the group weigh this, and was the zone seen to answer from it?"""
        records = self._groups[group]
        return all(
            (profile := self._owned(group, name, profiles)) is not None
            and steered(profile, weights, records.addresses) is None
            and self._aliases.problem(name, profile) is None
            and self._aliases.proven(name)
            for name in records.names
        )

    async def _look(self, groups: Iterable[Group], ends: float) -> Profiles:
        """The profiles; the zone's aliases beside them, as long as one is not proven, and for half of the time that is left."""
        names = [name for group in groups for name in self._groups[group].names]
        looking = self._aliases.look(names, ends_after(left(ends) / 2))
        profiles, _ = await asyncio.gather(self._list(ends), looking)
        return profiles

    async def _list(self, ends: float) -> Profiles:
        """Every profile of the resource group, by name."""
        found = await self._profiles_client.collect(
            "Profiles_ListByResourceGroup",
            lambda client: client.profiles.list_by_resource_group(self._resource_group),
            lambda profile: readable(profile.as_dict(exclude_readonly=True)),
            ends,
        )
        return {profile["name"].lower(): profile for profile in found}

    def _owned(self, group: Group, name: WeightedName, profiles: Profiles) -> Profile | None:
        profile = profiles.get(profile_name(name))
        return profile if profile is not None and owner(profile) == group else None

    def _foreign(self, profiles: Profiles) -> tuple[str, ...]:
        return tuple(
            f"{profile['name']} {endpoint}"
            for group, records in self._groups.items()
            for name in records.names
            if (profile := self._owned(group, name, profiles)) is not None
            for endpoint in foreign_endpoints(profile, records.addresses)
        )


def _refuse_shared_profiles(groups: Mapping[Group, GroupRecords]) -> None:
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
