"""Azure as an authority for the zone: Azure DNS answers each weighted name as an alias of a Traffic Manager profile, and that by weight.

Traffic Manager knows neither a batch nor a compare-and-set: each profile is put as a whole, and the last put of a profile wins. So
some groups may stand while others do not; each is told by name, and the next steering writes only what still differs. Source: Azure
Traffic Manager REST API, "Profiles"; Azure DNS, "Alias records overview".
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from controller.core.model import Group, Site
from controller.errors import Conflict, ProviderError, Transient
from controller.ports import Ratios, Shift, SteeringReport
from controller.providers.azure.alias import Aliases
from controller.providers.azure.errors import Busy, Throttled, translated
from controller.providers.azure.profiles import Found, Profiles
from controller.providers.azure.records import TOTAL, Profile, owned_weights, problem, profile_name, steered
from controller.providers.azure.session import FIRST_PAUSE, LONGEST_PAUSE, Client, ends_after, left, repeated, settled
from controller.providers.calls import Calls
from controller.providers.ratios import average_shares, superseded, to_weights, usable
from controller.providers.records import GroupRecords
from controller.providers.turns import Turn, Turns

if TYPE_CHECKING:
    from azure.mgmt.dns import DnsManagementClient
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

log = logging.getLogger(__name__)

Weights = Mapping[Site, int]

AT_ONCE = 4
"""Profiles put at the same time: Azure Resource Manager counts writes per subscription."""


class Superseded(Conflict):
    """Other weights were asked for while this put waited for its turn."""


@dataclass(slots=True, kw_only=True)
class Round:
    """One reading of the profiles and what was put after it."""

    turn: Turn
    ends: float
    found: Found
    shifts: dict[Group, Shift] = field(default_factory=dict)
    refused: dict[Group, str] = field(default_factory=dict)
    failed: dict[Group, ProviderError] = field(default_factory=dict)
    wrote: bool = False
    throttled: Throttled | None = None
    """Said to one put; those that wait behind it are not sent in this round."""

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
        self._groups, self._read_deadline = dict(groups), read_deadline
        self._profiles = Profiles(Client(profiles, self._calls), resource_group, self._groups)
        self._aliases = Aliases(Client(records, self._calls), resource_group, zone)
        self._asked: dict[Group, Weights] = {}
        self._turns = Turns(self.name)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @property
    def name(self) -> str:
        """`azure`."""
        return "azure"

    @property
    def calls(self) -> int:
        """Requests sent to Azure so far."""
        return self._calls.count

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios of our endpoints now, averaged over a group's names; empty where there is no profile of ours. Raises ProviderError.

        Until every name is proven, the zone is looked at too: a controller that steers for the first time fails over, and must not
        look for its aliases among those of a thousand services in that very second.
        """
        found = await self._look(self._groups, ends_after(self._read_deadline))
        for group in self._groups:
            for name, profile in self._profiles.owned(group, found):
                if profile is not None and (wrong := self._aliases.problem(name, profile)) is not None:
                    log.warning("azure: %s", wrong)
        return {group: self._profiles.shares(group, found) for group in self._groups}

    async def foreign(self) -> tuple[str, ...]:
        """Endpoints of our profiles that are not ours, by name. They draw traffic that nobody steers. Raises ProviderError."""
        return self._profiles.foreign(await self._profiles.list(ends_after(self._read_deadline)))

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
        rounds: list[Round] = []
        pause, error, standing = FIRST_PAUSE, None, 0
        while True:
            try:
                async with self._turns.take(aims, ends) as turn:
                    rounds.append(await self._round(aims, before, turn, ends))
                error = rounds[-1].hopeful
                if len(rounds[-1].shifts) > standing:  # turned away in the middle of many: the next tokens are there soon
                    standing, pause = len(rounds[-1].shifts), FIRST_PAUSE
            except (Transient, Busy) as stumbled:
                error = stumbled
            if error is None or left(ends) <= pause:
                break
            log.info("azure: trying again in %s: %s", pause, error)
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)
        error = error or next(iter(rounds[-1].failed.values()), None)
        if error is not None and not (rounds and rounds[-1].shifts):
            raise error
        return rounds[-1]

    async def _round(self, aims: Mapping[Group, Weights], before: dict[Group, Ratios], turn: Turn, ends: float) -> Round:
        """Read once, put what differs. Raises ProviderError when nothing can be read."""
        outcome = Round(turn=turn, ends=ends, found=await self._look(aims, ends))
        outcome.refused |= superseded(aims, self._asked)
        if strangers := self._profiles.foreign(outcome.found):
            log.warning("azure: endpoints of our profiles that are not ours, left alone: %s", ", ".join(strangers))
        await asyncio.gather(
            *(self._move(group, aim, before, outcome) for group, aim in aims.items() if group not in outcome.refused)
        )
        return outcome

    async def _move(self, group: Group, aim: Weights, before: dict[Group, Ratios], outcome: Round) -> None:
        """Have one group stand as wished, or say in `outcome` what is in the way."""
        records = self._groups[group]
        if (wrong := self._problem(group, aim, outcome.found)) is not None:
            outcome.refused[group] = wrong
            return
        before.setdefault(group, self._profiles.shares(group, outcome.found))
        ours = [outcome.found[profile_name(name)] for name in records.names]
        bodies = [steered(profile, aim, records.addresses) for profile in ours]
        pending = [body for body in bodies if body is not None]
        outcome.wrote = outcome.wrote or bool(pending)
        try:
            await settled(self._put(group, aim, body, outcome) for body in pending)
        except Superseded as error:
            outcome.refused[group] = str(error)
            return
        except ProviderError as error:
            outcome.failed[group] = error
            return
        after = [body or profile for body, profile in zip(bodies, ours, strict=True)]
        shares = average_shares([owned_weights(profile, records.addresses) for profile in after])
        outcome.shifts[group] = Shift(before=before[group], after=shares)

    def _problem(self, group: Group, aim: Weights, found: Found) -> str | None:
        """Why the group cannot be steered, by name and with the way out; None when it can be."""
        records = self._groups[group]
        if unknown := sorted(site for site, weight in aim.items() if weight > 0 and site not in records.addresses):
            return (
                f"known-site: {group}: no address of {', '.join(unknown)} is known. Name it, or take the site out of the weights."
            )
        for name in records.names:
            profile = found.get(profile_name(name))
            if (wrong := problem(group, name, profile)) is not None:
                return wrong
            if profile is not None and (wrong := self._aliases.problem(name, profile)) is not None:
                return wrong
        return None

    async def _put(self, group: Group, aim: Weights, body: Profile, outcome: Round) -> None:
        async with self._at_once:
            if gave_up := superseded({group: aim}, self._asked):
                raise Superseded(gave_up[group])
            if outcome.throttled is not None:
                raise outcome.throttled
            try:
                await outcome.turn.see_through(self._profiles.put(body, outcome.ends))
            except Throttled as error:
                outcome.throttled = error
                raise

    async def _in_sync(self, standing: Mapping[Group, Weights], wrote: bool, ends: float) -> bool:
        """Does a reading after the last put show these weights, in profiles that the zone answers? False when nobody can say in time.

        A reading that shows other weights is not fought: another controller put its own, and whoever owns the plan asks again.
        """
        if not standing:
            return False
        seen = all(self._aliases.proven(name) for group in standing for name in self._groups[group].names)
        if wrote or not seen:
            try:
                found = await repeated(lambda: self._look(standing, ends), ends)
            except ProviderError as error:
                log.info("azure: cannot read back: %s", error)
                return False
            if not all(self._holds(group, weights, found) for group, weights in standing.items()):
                return False
        return not superseded(standing, self._asked)

    def _holds(self, group: Group, weights: Weights, found: Found) -> bool:
        """Does every profile of the group weigh this, and was the zone seen to answer from it?"""
        return all(
            profile is not None
            and steered(profile, weights, self._groups[group].addresses) is None
            and self._aliases.problem(name, profile) is None
            and self._aliases.proven(name)
            for name, profile in self._profiles.owned(group, found)
        )

    async def _look(self, groups: Iterable[Group], ends: float) -> Found:
        """The profiles; the zone's aliases beside them, as long as one is not proven, and for half of the time that is left."""
        names = [name for group in groups for name in self._groups[group].names]
        looking = self._aliases.look(names, ends_after(left(ends) / 2))
        found, _ = await asyncio.gather(self._profiles.list(ends), looking)
        return found
