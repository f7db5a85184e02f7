"""Route 53 as an authority for the zone: weighted records, one change batch, and proof that the name servers answer it.

Route 53 knows no compare-and-set, and the last batch it accepts wins as a whole. Who may steer is decided in etcd; a batch that
arrives late all the same shows up in the next `read`, and is corrected there. Source: Route 53 API reference (2013-04-01),
ChangeResourceRecordSets, GetChange, and "Values specific for weighted records".
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from controller.core.model import Site
from controller.errors import ProviderError, Transient
from controller.ports import SteeringReport
from controller.providers.aws.errors import ZoneBusy
from controller.providers.aws.records import TOTAL, changes, marked_site, owned_weights
from controller.providers.aws.errors import translated
from controller.providers.calls import Calls
from controller.providers.ratios import average_shares, refuse_superseded, to_weights
from controller.providers.records import WeightedName

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef

    Zone = Mapping[WeightedName, list[ResourceRecordSetOutputTypeDef]]

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=2)
"""Pauses double between tries: an account has five requests a second for everything."""
NEXT = ("NextRecordName", "NextRecordType", "NextRecordIdentifier")


class Route53:
    """One hosted zone, and in it the weighted A records of one service: `ports.Dns`."""

    def __init__(
        self,
        *,
        client: "Callable[[], Route53Client]",
        zone_id: str,
        service: str,
        names: Sequence[WeightedName],
        addresses: Mapping[Site, str],
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`client` is called once, in a worker thread. All `names` are steered alike, in the same batch."""
        self._make_client, self._client_lock = client, threading.Lock()
        self._made: Route53Client | None = None
        self._zone_id, self._service = zone_id, service
        self._names, self._addresses = tuple(names), dict(addresses)
        self._read_deadline = read_deadline
        self._calls = Calls(translated)
        self._change: tuple[Mapping[Site, int], str] | None = None
        self._proven: Mapping[Site, int] | None = None
        self._asked: Mapping[Site, int] = {}
        self._writing = asyncio.Lock()

    @property
    def name(self) -> str:
        """`route53`."""
        return "route53"

    async def read(self) -> Mapping[Site, float]:
        """Ratios of our records now, averaged over the names; sites without a record are absent. Raises ProviderError."""
        zone = await self._list(self._ends(self._read_deadline))
        return average_shares([owned_weights(self._service, records) for records in zone.values()])

    async def foreign(self) -> tuple[str, ...]:
        """A records of our names that are not ours, by name and SetIdentifier. They draw traffic that nobody steers."""
        return self._foreign(await self._list(self._ends(self._read_deadline)))

    async def steer(self, weights: Mapping[Site, float], deadline: timedelta) -> SteeringReport:
        """Make our records weigh `weights` in one batch, then wait until Route 53 reports it INSYNC or the deadline is over.

        Tries again on throttling, lost answers and a busy zone, each time from a fresh read. Nothing is sent when the records
        weigh this already and this adapter has seen these weights INSYNC. After a lost answer there is no change to ask about,
        so the same batch is sent once more. Other weights asked of this adapter meanwhile end it: the latest asked are meant.
        Raises Refused before anything is asked, Transient when the deadline is over before the batch was accepted (it may stand:
        ask again), Denied, Conflict.
        """
        wanted, ends = to_weights(weights, TOTAL), self._ends(deadline)
        self._asked = wanted
        before: Mapping[Site, float] | None = None
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._turn(ends):
                    zone = await self._list(ends)
                    found = [owned_weights(self._service, records) for records in zone.values()]
                    before = average_shares(found) if before is None else before
                    after = await self._apply(zone, wanted, ends)
                break
            except (Transient, ZoneBusy) as error:
                if self._left(ends) <= pause:
                    raise
                log.info("route53: trying again in %s: %s", pause, error)
                await asyncio.sleep(pause.total_seconds())
                pause = min(pause * 2, LONGEST_PAUSE)
        if strangers := self._foreign(zone):
            log.warning("route53: records of our names that are not ours, left alone: %s", ", ".join(strangers))
        in_sync = await self._await_sync(wanted, ends)
        return SteeringReport(before=before, after=after, changed=before != after, in_sync=in_sync)

    @asynccontextmanager
    async def _turn(self, ends: float) -> AsyncIterator[None]:
        """One reading and one batch at a time, or a zone would be read as it was before a batch that is still under way."""
        try:
            async with asyncio.timeout_at(ends):
                await self._writing.acquire()
        except TimeoutError as error:
            raise Transient("route53: not asked, an earlier steering still waits for its answer") from error
        try:
            yield
        finally:
            self._writing.release()

    async def _apply(self, zone: "Zone", wanted: Mapping[Site, int], ends: float) -> Mapping[Site, float]:
        """Send the batch unless the zone already weighs `wanted` and its change is known; answers the ratios that then hold."""
        batches = {name: changes(self._service, name, records, wanted, self._addresses) for name, records in zone.items()}
        targets = [owned_weights(self._service, (change["ResourceRecordSet"] for change in batch)) for batch in batches.values()]
        refuse_superseded(self.name, wanted, self._asked)
        stands = targets == [owned_weights(self._service, records) for records in zone.values()]
        if stands and (self._proven == wanted or (self._change is not None and self._change[0] == wanted)):
            return average_shares(targets)
        self._change = self._proven = None
        self._change = (wanted, await self._send([change for batch in batches.values() for change in batch], ends))
        return average_shares(targets)

    async def _send(self, batch: "list[ChangeTypeDef]", ends: float) -> str:
        """All of it or nothing; answers the id of the change."""

        def call() -> str:
            answer = self._client().change_resource_record_sets(
                HostedZoneId=self._zone_id, ChangeBatch={"Comment": f"trimaran {self._service}", "Changes": batch}
            )
            return answer["ChangeInfo"]["Id"].rpartition("/")[2]

        return await self._calls.run("ChangeResourceRecordSets", call, self._left(ends))

    async def _await_sync(self, wanted: Mapping[Site, int], ends: float) -> bool:
        """Has Route 53 said INSYNC for the change to `wanted`? False when it did not, or could not be asked, in time, and when
        other weights were asked for meanwhile."""
        pause = FIRST_PAUSE
        while self._asked == wanted and self._proven != wanted:
            try:
                if await self._is_in_sync(wanted, ends):
                    self._proven = wanted
                    break
            except ProviderError as error:
                log.info("route53: cannot ask for the change: %s", error)
            if self._left(ends) <= pause:
                return False
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)
        return self._asked == wanted

    async def _is_in_sync(self, wanted: Mapping[Site, int], ends: float) -> bool:
        change = self._change
        if change is None or change[0] != wanted:
            return False

        def call() -> bool:
            return self._client().get_change(Id=change[1])["ChangeInfo"]["Status"] == "INSYNC"

        return await self._calls.run("GetChange", call, self._left(ends))

    async def _list(self, ends: float) -> "Zone":
        """A records of each of our names, ours and foreign."""
        return {
            name: await self._calls.run("ListResourceRecordSets", partial(self._list_name, name), self._left(ends))
            for name in self._names
        }

    def _list_name(self, name: WeightedName) -> "list[ResourceRecordSetOutputTypeDef]":
        """Blocking. Starts at the name and stops behind it: a zone of ten thousand records is a hundred pages."""
        found: list[ResourceRecordSetOutputTypeDef] = []
        start: dict[str, str] = {"StartRecordName": name.absolute, "StartRecordType": "A"}
        while start:
            page = self._client().list_resource_record_sets(HostedZoneId=self._zone_id, **start)  # type: ignore[arg-type]
            ours = [record for record in page["ResourceRecordSets"] if record["Name"].lower() == name.absolute]
            found += [record for record in ours if record["Type"] == "A"]
            more = page["IsTruncated"] and len(ours) == len(page["ResourceRecordSets"])
            start = {f"Start{key[4:]}": page[key] for key in NEXT if more and key in page}  # type: ignore[literal-required]
        return found

    def _foreign(self, zone: "Zone") -> tuple[str, ...]:
        return tuple(
            f"{name.name} {record.get('SetIdentifier', '(simple)')}"
            for name, records in zone.items()
            for record in records
            if marked_site(self._service, record) is None
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
