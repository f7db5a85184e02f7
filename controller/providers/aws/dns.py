"""Route 53 as an authority for the zone: weighted records, one change batch, and proof that the name servers answer it.

Route 53 knows no compare-and-set, and the last batch it accepts wins as a whole. Who may steer is decided in etcd; a batch that
arrives late all the same shows up in the next `read`, and is corrected there. Source: Route 53 API reference (2013-04-01),
ChangeResourceRecordSets, GetChange, and "Values specific for weighted records".
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from controller.core.model import Group, Site
from controller.errors import ProviderError, Refused, Transient
from controller.ports import Shift, SteeringReport
from controller.providers.aws.errors import BatchRefused, ZoneBusy, translated
from controller.providers.aws.listing import Listing
from controller.providers.aws.records import TOTAL, Course, batches, owned_weights, plot, strangers
from controller.providers.calls import Calls
from controller.providers.ratios import average_shares, superseded, to_weights, usable
from controller.providers.records import GroupRecords
from controller.providers.turns import Turn, Turns

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

    from controller.providers.aws.records import Zone

log = logging.getLogger(__name__)

Weights = Mapping[Site, int]

FIRST_PAUSE = timedelta(milliseconds=100)
FIRST_LOOK = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=2)
"""Pauses double between tries and between looks: an account has five requests a second for everything."""


LARGEST_PAGE = 300
"""Records that Route 53 lists at once."""


class Route53:
    """One hosted zone, and in it the weighted A records of every group: `ports.Dns`."""

    def __init__(
        self,
        *,
        client: "Callable[[], Route53Client]",
        zone_id: str,
        groups: Mapping[Group, GroupRecords],
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`client` is called once, in a worker thread. All names of a group are steered alike, in the same batch."""
        self._make_client, self._client_lock = client, threading.Lock()
        self._made: Route53Client | None = None
        self._zone_id, self._groups, self._read_deadline = zone_id, dict(groups), read_deadline
        self._calls = Calls(translated)
        self._asked: dict[Group, Weights] = {}
        self._changes: dict[Group, tuple[Weights, str]] = {}
        self._proven: dict[Group, Weights] = {}
        self._turns = Turns(self.name)

    @property
    def name(self) -> str:
        """`route53`."""
        return "route53"

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._calls.count

    async def read(self) -> Mapping[Group, Mapping[Site, float]]:
        """Ratios of our records now, averaged over the names; sites without a record are absent. Raises ProviderError."""
        zone = await self._list(self._groups, self._ends(self._read_deadline))
        return {
            group: average_shares([owned_weights(group, zone[name.absolute]) for name in given.names])
            for group, given in self._groups.items()
        }

    async def foreign(self) -> tuple[str, ...]:
        """Weighted records of our names that are not ours, by name and SetIdentifier. They draw traffic that nobody steers."""
        return self._foreign(await self._list(self._groups, self._ends(self._read_deadline)))

    async def steer(self, wanted: Mapping[Group, Mapping[Site, float]], deadline: timedelta) -> SteeringReport:
        """Make our records weigh this in one batch, then wait until Route 53 reports it INSYNC or the deadline is over.

        Tries again on throttling, lost answers and a busy zone, each time from a fresh read. Nothing is sent for a group whose
        records weigh this already and that this adapter has seen INSYNC so. After a lost answer there is no change to ask about,
        so the same batch is sent once more. Raises as `ports.Dns` says.
        """
        ratios, refused = usable(wanted, self._groups)
        aims, ends = {group: to_weights(one, TOTAL) for group, one in ratios.items()}, self._ends(deadline)
        self._asked |= aims
        before: dict[Group, Mapping[Site, float]] = {}
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._turns.take(aims, ends) as turn:
                    standing, wrong = await self._set_out(aims, before, turn, ends)
                break
            except (Transient, ZoneBusy) as error:
                if self._left(ends) <= pause:
                    raise
                log.info("route53: trying again in %s: %s", pause, error)
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, LONGEST_PAUSE)
        in_sync = await self._await_sync({course.group: course.wanted for course in standing}, ends)
        shifts = {course.group: Shift(before=before[course.group], after=course.after) for course in standing}
        return SteeringReport(shifts=shifts, refused=refused | wrong, in_sync=in_sync)

    async def _set_out(
        self, aims: Mapping[Group, Weights], before: dict[Group, Mapping[Site, float]], turn: Turn, ends: float
    ) -> tuple[list[Course], dict[Group, str]]:
        """One try: read, and send what is missing. Answers the groups that then stand, and what is wrong with the others."""
        zone = await self._list(aims, ends)
        if unsteered := self._foreign(zone):
            log.warning("route53: records of our names that are not ours, left alone: %s", ", ".join(unsteered))
        wrong = superseded(aims, self._asked)
        courses = []
        for group, wanted in aims.items():
            try:
                courses.append(plot(group, self._groups[group], zone, wanted))
            except Refused as refusal:
                wrong.setdefault(group, str(refusal))
        for course in courses:
            before.setdefault(course.group, course.before)
        for batch in batches([one for one in courses if one.group not in wrong and not self._stands(one)]):
            wrong |= await self._send(batch, turn, ends)
        return [course for course in courses if course.group not in wrong], wrong

    def _stands(self, course: Course) -> bool:
        """Do the records weigh this already, by a change that can be asked about or was seen INSYNC?"""
        known = self._changes.get(course.group)
        return course.stands and (
            self._proven.get(course.group) == course.wanted or (known is not None and known[0] == course.wanted)
        )

    async def _send(self, batch: Sequence[Course], turn: Turn, ends: float) -> dict[Group, str]:
        """All of it or nothing. Groups of which Route 53 will not take a record are left out and told, and the others sent.

        One health check that was deleted by hand makes it refuse the batch, and with it the drain of a hundred groups. Where it does
        not say whose record it is, each half is sent by itself until it does.
        """
        try:
            await turn.see_through(self._change(batch, ends))
        except BatchRefused as refusal:
            blamed = {one.group: str(refusal) for one in batch if len(batch) == 1 or one.concerned(str(refusal))}
            rest = [one for one in batch if one.group not in blamed]
            parts = [rest] if blamed else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
            for part in filter(None, parts):
                blamed |= await self._send(part, turn, ends)
            return blamed
        return {}

    async def _change(self, batch: Sequence[Course], ends: float) -> None:
        def call() -> str:
            changes = [change for course in batch for change in course.changes]
            answer = self._client().change_resource_record_sets(
                HostedZoneId=self._zone_id, ChangeBatch={"Comment": "trimaran", "Changes": changes}
            )
            return answer["ChangeInfo"]["Id"].rpartition("/")[2]

        for course in batch:
            self._changes.pop(course.group, None)
            self._proven.pop(course.group, None)
        change = await self._calls.run("ChangeResourceRecordSets", call, self._left(ends))
        self._changes |= {course.group: (course.wanted, change) for course in batch}

    async def _await_sync(self, aims: Mapping[Group, Weights], ends: float) -> bool:
        """Has Route 53 said INSYNC for all of it? False when it did not, or could not be asked, in time, when other weights were asked
        for meanwhile, and when nothing stands."""
        pause = FIRST_LOOK
        if not aims:
            return False
        while self._unproven(aims) and not superseded(aims, self._asked):
            if self._left(ends) <= pause:
                return False
            await asyncio.sleep(
                pause.total_seconds()
            )  # a change that was just sent is not in sync: asking at once is one call lost
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                for change in sorted({self._changes[group][1] for group in self._unproven(aims) if group in self._changes}):
                    if await self._is_in_sync(change, ends):
                        self._proven |= {group: aim for group, (aim, id) in self._changes.items() if id == change}
            except ProviderError as error:
                log.info("route53: cannot ask for the change: %s", error)
        return not superseded(aims, self._asked)

    def _unproven(self, aims: Mapping[Group, Weights]) -> list[Group]:
        return [group for group, aim in aims.items() if self._proven.get(group) != aim]

    async def _is_in_sync(self, change: str, ends: float) -> bool:
        def call() -> bool:
            return self._client().get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC"

        return await self._calls.run("GetChange", call, self._left(ends))

    async def _list(self, groups: Iterable[Group], ends: float) -> "Zone":
        given = [self._groups[group] for group in groups]
        listing = Listing(name.absolute for one in given for name in one.names)
        # Room for as many strangers as there are records of ours; the aliases of a thousand services behind them are not fetched.
        size = min(LARGEST_PAGE, 20 + 2 * sum(len(one.names) * len(one.addresses) for one in given))
        while (start := listing.start) is not None:
            await self._calls.run("ListResourceRecordSets", partial(self._page, listing, start, size), self._left(ends))
        return listing.zone

    def _page(self, listing: Listing, start: Mapping[str, str], size: int) -> None:
        """Blocking."""
        page = self._client().list_resource_record_sets(HostedZoneId=self._zone_id, MaxItems=str(size), **start)  # type: ignore[arg-type]
        listing.take(page)

    def _foreign(self, zone: "Zone") -> tuple[str, ...]:
        return tuple(
            stranger
            for group, given in self._groups.items()
            for name in given.names
            for stranger in strangers(group, zone.get(name.absolute, ()))
        )

    def _client(self) -> "Route53Client":
        with self._client_lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    @staticmethod
    def _ends(deadline: timedelta) -> float:
        return asyncio.get_running_loop().time() + deadline.total_seconds()

    @staticmethod
    def _left(ends: float) -> timedelta:
        return timedelta(seconds=ends - asyncio.get_running_loop().time())
