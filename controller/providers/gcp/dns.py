"""Cloud DNS as an authority for the zone: weighted record sets, one change for all groups, and proof that it was carried out.

A change deletes exactly the record sets that were read and adds the new ones, as a whole or not at all: whoever wrote in between makes
it fail, and it begins again with reading. One that arrives after its deadline, and still fits the zone, shows up in the next `read`, and
is corrected there. Source: Cloud DNS API v1, resourceRecordSets.list, changes.create, changes.get, and "Error
messages" (412 conditionNotMet, 404 and 409 for parts of a change that no longer fit the zone).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.model import Group, Site
from controller.errors import Conflict, ProviderError, Refused, Transient, Unsupported
from controller.ports import Ratios, Shift, SteeringReport
from controller.providers.gcp.errors import RefusedChange
from controller.providers.gcp.records import TOTAL, Change, Edit, RecordSet, changes, edit, shares
from controller.providers.gcp.session import FIRST_PAUSE, LONGEST_PAUSE, Client, end_of, left
from controller.providers.gcp.zone import ChangeState, ManagedZone
from controller.providers.ratios import superseded, to_weights, usable
from controller.providers.records import GroupRecords
from controller.providers.turns import Turn, Turns

log = logging.getLogger(__name__)

Goal = Mapping[Site, int]
"""Weights that a group is to have."""


@dataclass(slots=True, kw_only=True)
class Errand:
    """One steering under way."""

    goals: Mapping[Group, Goal]
    refused: dict[Group, str]
    before: dict[Group, Ratios] = field(default_factory=dict)
    after: dict[Group, Ratios] = field(default_factory=dict)
    """Groups that stand as asked."""

    @property
    def open(self) -> dict[Group, Goal]:
        """What is still to be done."""
        return {group: goal for group, goal in self.goals.items() if group not in self.after and group not in self.refused}

    @property
    def standing(self) -> dict[Group, Goal]:
        """What was asked and is done."""
        return {group: self.goals[group] for group in self.after}

    def give_up(self, error: ProviderError) -> None:
        """Raise `error` when no group stands; otherwise tell those apart that do not."""
        if not self.after:
            raise error
        for group in self.open:
            self.refused[group] = f"not done before the deadline, steer again: {error}"


class CloudDns:
    """One managed zone, and in it the weighted A record sets of our groups: `ports.Dns`."""

    def __init__(
        self,
        *,
        client: Callable[[], Client],
        project: str,
        zone: str,
        groups: Mapping[Group, GroupRecords],
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`client` makes one for `dns` `v1`, once, in a worker thread. `zone`: the managed zone's name in `project`."""
        self._zone = ManagedZone(client=client, project=project, zone=zone)
        self._groups, self._read_deadline = dict(groups), read_deadline
        self._asked: dict[Group, Goal] = {}
        self._proofs: dict[Group, tuple[Goal, ChangeState]] = {}
        """Which change made a group weigh what, and how far it was when last asked."""
        self._turns = Turns(self.name)

    @property
    def name(self) -> str:
        """`clouddns`."""
        return "clouddns"

    @property
    def calls(self) -> int:
        """Requests sent to the API so far."""
        return self._zone.calls

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios of every group whose record sets are ours; a group without any is empty, a foreign one absent. Raises ProviderError."""
        ratios, foreign = await self._read()
        for group, refusal in foreign.items():
            log.warning("clouddns: %s is not read: %s", group, refusal)
        return ratios

    async def foreign(self) -> tuple[str, ...]:
        """Groups whose record sets are not ours, with what is wrong. They draw traffic that nobody steers."""
        _, foreign = await self._read()
        return tuple(f"{group}: {refusal.value}" for group, refusal in foreign.items())

    async def _read(self) -> tuple[dict[Group, Ratios], dict[Group, Refused]]:
        ratios: dict[Group, Ratios] = {}
        foreign: dict[Group, Refused] = {}
        found = await self._list(self._groups, end_of(self._read_deadline))
        for group, records in self._groups.items():
            try:
                ratios[group] = shares(records, found)
            except Refused as refusal:
                foreign[group] = refusal
        return ratios, foreign

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """Make our record sets weigh `wanted`: one question, one change, then wait until Cloud DNS reports it done.

        Tries again on throttling, lost answers and changes of others, each time from a fresh read. Groups that stand already are not
        sent. When the deadline is over with some groups done and others not, those are `refused` with the reason, and the next
        steering repairs them. Raises as `ports.Dns.steer` says.
        """
        ratios, refused = usable(wanted, self._groups)
        errand = Errand(goals={group: to_weights(one, TOTAL) for group, one in ratios.items()}, refused=refused)
        self._asked |= errand.goals
        ends = end_of(deadline)
        pause = FIRST_PAUSE
        while errand.open:
            try:
                async with self._turns.take(errand.open, ends) as turn:
                    await self._round(errand, turn, ends)
            except RefusedChange:
                continue  # the group it was about is refused by now; the others go without it
            except (Transient, Conflict) as error:
                if left(ends) <= pause:
                    errand.give_up(error)
                    break
                log.info("clouddns: trying again in %s: %s", pause, error)
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, LONGEST_PAUSE)
        if errand.refused:
            log.warning("clouddns: left out: %s", "; ".join(f"{group}: {why}" for group, why in errand.refused.items()))
        in_sync = await self._await_done(errand.standing, ends)
        shifts = {group: Shift(before=errand.before[group], after=after) for group, after in errand.after.items()}
        return SteeringReport(shifts=shifts, refused=errand.refused, in_sync=in_sync)

    async def _list(self, groups: Mapping[Group, object], ends: float) -> Mapping[str, RecordSet]:
        return await self._zone.list((name.absolute for group in groups for name in self._groups[group].names), ends)

    async def _round(self, errand: Errand, turn: Turn, ends: float) -> None:
        """Read the zone once and send what has to change. Every change that is accepted settles its groups."""
        found = await self._list(errand.open, ends)
        errand.refused |= superseded(errand.open, self._asked)
        edits: list[Edit] = []
        for group, goal in errand.open.items():
            try:
                errand.before.setdefault(group, shares(self._groups[group], found))
                one = edit(group, self._groups[group], found, goal)
            except Refused as refusal:
                errand.refused[group] = str(refusal)
                continue
            if one.additions:
                edits.append(one)
            else:
                errand.after[group] = one.after
        for change in changes(edits):
            await self._send(change, errand, turn, ends)

    async def _send(self, change: Change, errand: Errand, turn: Turn, ends: float) -> None:
        """All of it or nothing. Raises RefusedChange after its group is refused."""
        for one in change.edits:
            self._proofs.pop(one.group, None)
        try:
            state = await turn.see_through(self._zone.change(change.body, ends))
        except RefusedChange as error:
            blamed = change.blame(error.part, error.index)
            if blamed is None:
                raise Unsupported(str(error)) from error
            errand.refused[blamed.group] = str(error)
            raise
        for one in change.edits:
            errand.after[one.group] = one.after
            self._proofs[one.group] = errand.goals[one.group], state

    async def _await_done(self, goals: Mapping[Group, Goal], ends: float) -> bool:
        """Does Cloud DNS say that the changes to `goals` are done? False when it did not, or could not be asked, in time, and when
        other ratios were asked for meanwhile, or nothing stands."""
        pause = FIRST_PAUSE
        while goals and not superseded(goals, self._asked):
            try:
                if await self._are_done(goals, ends):
                    return not superseded(goals, self._asked)
            except ProviderError as error:
                log.info("clouddns: cannot ask for the change: %s", error)
            if left(ends) <= pause:
                return False
            await asyncio.sleep(pause.total_seconds())
            pause *= 2
        return False

    async def _are_done(self, goals: Mapping[Group, Goal], ends: float) -> bool:
        """Asks for each change once. Groups whose change is not known (its answer was lost, or another controller sent it) are done
        when the newest change of the zone is."""
        states = {group: known[1] for group, goal in goals.items() if (known := self._proofs.get(group)) and known[0] == goal}
        if unknown := [group for group in goals if group not in states]:
            states.update(dict.fromkeys(unknown, await self._zone.newest(ends)))
        for id in sorted({state.id for state in states.values() if not state.done}):
            state = await self._zone.state(id, ends)
            states.update({group: state for group, known in states.items() if known.id == id})
            if not state.done:
                break
        self._proofs.update(
            {group: (goals[group], state) for group, state in states.items() if self._asked[group] == goals[group]}
        )
        return all(state.done for state in states.values())
