"""One managed zone of Cloud DNS as its API tells and changes it, in as few requests as it allows."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.errors import Unsupported
from controller.providers.gcp.errors import Missing
from controller.providers.gcp.records import RecordSet, parents
from controller.providers.gcp.session import Api, Client

log = logging.getLogger(__name__)

PAGE = 1000
MOST_PAGES = 3
"""Of one question. Where weighted names lie among thousands of other addresses, they are asked for one by one instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeState:
    """How far Cloud DNS is with a change. `done` is the most it says: the name servers were told (Cloud DNS API v1, Change)."""

    id: str
    done: bool


class ManagedZone:
    """What is asked of the zone. Every method raises ProviderError, and is over by `ends` on the loop's clock."""

    def __init__(self, *, client: Callable[[], Client], project: str, zone: str) -> None:
        self._api, self._place = Api(client), {"project": project, "managedZone": zone}

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._api.calls

    async def list(self, names: Iterable[str], ends: float) -> dict[str, RecordSet]:
        """A record sets of these absolute names; those that have none are absent. Names with the same parent take one question."""
        wanted, found = set(names), dict[str, RecordSet]()
        for parent, below in parents(wanted).items():
            if len(below) == 1 or not await self._list_below(parent, below, found, ends):
                for name in below:
                    await self._page({"name": name, "type": "A"}, found, ends)
        return {name: record for name, record in found.items() if name in wanted}

    async def change(self, body: Mapping[str, Any], ends: float) -> ChangeState:
        """Carry out a change, as a whole or not at all. Raises RefusedChange, Conflict when the zone is no longer as it was read."""

        def question(dns: Any) -> Any:
            return dns.changes().create(**self._place, body=body)

        return await self._api.ask("changes.create", question, ends, _state)

    async def state(self, change: str, ends: float) -> ChangeState:
        """How far a change is."""

        def question(dns: Any) -> Any:
            return dns.changes().get(**self._place, changeId=change)

        return await self._api.ask("changes.get", question, ends, _state)

    async def newest(self, ends: float) -> ChangeState:
        """How far the zone's newest change is: changes are carried out in their order, so it speaks for all before it."""

        def question(dns: Any) -> Any:
            return dns.changes().list(**self._place, sortBy="changeSequence", sortOrder="descending", maxResults=1)

        def take(answer: dict[str, Any]) -> ChangeState:
            _refuse_other(answer, "dns#changesListResponse")
            return next(map(_state, answer.get("changes", ())), ChangeState(id="", done=True))

        return await self._api.ask("changes.list", question, ends, take)

    async def _list_below(self, parent: str, names: Sequence[str], found: dict[str, RecordSet], ends: float) -> bool:
        """A record sets of one domain into `found`; False when they have to be asked for one by one."""
        question: dict[str, Any] = {"filter": f'name=has_suffix("{parent}") AND type="A"', "maxResults": PAGE}
        for _ in range(MOST_PAGES):
            try:
                more = await self._page(question, found, ends)
            except Missing:
                raise
            except Unsupported as error:
                log.warning("clouddns: asking for every name by itself: %s", error)
                return False
            if more is None:
                return True
            question["pageToken"] = more
        return all(name in found for name in names)

    async def _page(self, asked: Mapping[str, Any], found: dict[str, RecordSet], ends: float) -> str | None:
        """One page into `found`; answers where the next one begins."""

        def question(dns: Any) -> Any:
            return dns.resourceRecordSets().list(**self._place, **asked)

        def take(answer: dict[str, Any]) -> tuple[dict[str, RecordSet], str | None]:
            _refuse_other(answer, "dns#resourceRecordSetsListResponse")
            return {record["name"].lower(): record for record in answer.get("rrsets", ())}, answer.get("nextPageToken")

        page, more = await self._api.ask("resourceRecordSets.list", question, ends, take)
        found.update(page)
        return more


def _state(answer: dict[str, Any]) -> ChangeState:
    return ChangeState(id=str(answer["id"]), done=answer["status"] == "done")


def _refuse_other(answer: dict[str, Any], kind: str) -> None:
    """An empty object from a proxy would read as an empty zone, and every group's record sets would be made anew."""
    if answer.get("kind") != kind:
        raise ValueError(f"expected {kind}, got {answer.get('kind')}")
