"""Cloud DNS, emulated: zones whose changes are carried out as a whole, take time to be done, and are then answered by name servers.

A deletion has to match the record set that is there, else nothing of the change happens: 412, or 404 when there is none; an addition
of one that is there is 409 (Cloud DNS documentation, "Error messages"; the ids and times are strings, as in the API).
"""

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.clouds.google_errors import ApiError
from lab.clouds.google_records import Key, RecordSet, check, check_alone, key, plain, published
from lab.clouds.publication import Publication, Published

MOST_PARTS = 1000
MOST_BYTES = 100_000
LARGEST_PAGE = 1000
FILTER = re.compile(r'name=(?:"([^"]+)"|has_suffix\("([^"]+)"\))(?:\s+AND\s+type="([A-Z]+)")?')


@dataclass(slots=True, kw_only=True)
class Zone:
    """One managed zone."""

    name: str
    origin: str
    """Its DNS name, with the final dot."""
    records: dict[Key, RecordSet]
    changes: list[tuple[float, dict[str, Any]]]
    """When each is done, and the change."""


class CloudDns:
    """All managed zones of one project. The caller sends one request at a time; only `await_news` may wait beside it."""

    def __init__(self, propagation: float, health_checks: Mapping[str, str], monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from an accepted change until it is done and answered. `health_checks`: path by name."""
        self._health_checks, self._monotonic = dict(health_checks), monotonic
        self._zones: dict[str, Zone] = {}
        self._publication = Publication(propagation, monotonic)

    def found(self, origin: str) -> None:
        """Make a zone with the records that the vendor gives every zone."""
        origin = origin.rstrip(".").lower() + "."
        zone = Zone(name=origin.rstrip(".").replace(".", "-"), origin=origin, records={}, changes=[])
        servers = [f"ns-cloud-{letter}1.{origin}" for letter in "ab"]
        soa = f"{servers[0]} hostmaster.{origin} 1 21600 3600 259200 300"
        for kind, values in (("NS", servers), ("SOA", [soa])):
            record = {"kind": "dns#resourceRecordSet", "name": origin, "type": kind, "ttl": 21600, "rrdatas": values}
            zone.records[origin, kind] = record
        self._zones[zone.name] = zone
        self._publish(zone)

    def zone_ids(self) -> Mapping[str, str]:
        """Name of each managed zone by its DNS name."""
        return {zone.origin.rstrip("."): name for name, zone in self._zones.items()}

    def get_zone(self, zone: str) -> dict[str, Any]:
        """`managedZones.get`."""
        found = self._zone(zone)
        names = found.records[found.origin, "NS"]["rrdatas"]
        return {"kind": "dns#managedZone", "name": zone, "dnsName": found.origin, "nameServers": names, "visibility": "public"}

    def list_records(self, zone: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """`resourceRecordSets.list`."""
        records, chosen = self._zone(zone).records, _filter(asked)
        names = sorted(known for known in records if chosen(known))
        begin = _offset(asked.get("pageToken"))
        size = min(int(asked.get("maxResults", 100)), LARGEST_PAGE)
        answer: dict[str, Any] = {
            "kind": "dns#resourceRecordSetsListResponse",
            "rrsets": [copy.deepcopy(records[name]) for name in names[begin : begin + size]],
        }
        if begin + size < len(names):
            answer["nextPageToken"] = base64.urlsafe_b64encode(str(begin + size).encode()).decode()
        return answer

    def patch_record(self, zone: str, name: str, kind: str, body: Mapping[str, Any], *, effect: bool) -> dict[str, Any]:
        """`resourceRecordSets.patch`: the fields given replace those that are there."""
        found = self._zone(zone)
        present = found.records.get((name.lower(), kind))
        if present is None:
            raise ApiError(404, "notFound", f"The 'parameters.name' resource named '{name} ({kind})' does not exist.")
        record = {**present, **body, "name": present["name"], "type": kind, "kind": "dns#resourceRecordSet"}
        check(record, "entity.resourceRecordSet", found.origin, self._health_checks)
        if effect:
            found.records[name.lower(), kind] = copy.deepcopy(record)
            self._publish(found)
        return record

    def change(self, zone: str, body: Mapping[str, Any], *, effect: bool) -> dict[str, Any]:
        """`changes.create`: all of it or nothing."""
        found = self._zone(zone)
        deletions, additions = body.get("deletions") or [], body.get("additions") or []
        if not deletions and not additions:
            raise ApiError(400, "required", "The 'entity.change' parameter is required but was missing.")
        if max(len(deletions), len(additions)) > MOST_PARTS or len(json.dumps(body)) > MOST_BYTES:
            raise ApiError(
                403, "quotaExceeded", f"A change has at most {MOST_PARTS} additions or deletions and {MOST_BYTES} bytes."
            )
        after = self._carried_out(found, deletions, additions)
        if effect:
            found.records = after
        change = {
            "kind": "dns#change",
            "id": str(len(found.changes) + 1),
            "startTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "additions": additions,
            "deletions": deletions,
        }
        found.changes.append((self._publish(found), change))
        return self._told(found.changes[-1])

    def get_change(self, zone: str, change: str) -> dict[str, Any]:
        """`changes.get`."""
        changes = self._zone(zone).changes
        if not change.isdigit() or not 1 <= int(change) <= len(changes):
            raise ApiError(404, "notFound", f"The 'parameters.changeId' resource named '{change}' does not exist.")
        return self._told(changes[int(change) - 1])

    def list_changes(self, zone: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """`changes.list`."""
        changes = [self._told(change) for change in self._zone(zone).changes]
        if asked.get("sortOrder") == "descending":
            changes.reverse()
        return {"kind": "dns#changesListResponse", "changes": changes[: int(asked.get("maxResults", 100))]}

    def await_news(self, zone: str, after: int, patience: float) -> Published | None:
        """What the name servers answer, once its revision is above `after`; None when `patience` seconds brought nothing."""
        return self._publication.await_news(self._zone(zone).name, after, patience)

    def _carried_out(self, zone: Zone, deletions: Sequence[RecordSet], additions: Sequence[RecordSet]) -> dict[Key, RecordSet]:
        after = dict(zone.records)
        for index, record in enumerate(deletions):
            where, present = f"entity.change.deletions[{index}]", after.pop(key(record), None)
            if present is None:
                raise ApiError(404, "notFound", f"The '{where}' resource named '{' ('.join(key(record))})' does not exist.")
            if plain(present) != plain(record):
                raise ApiError(412, "conditionNotMet", f"Precondition not met for '{where}'")
        for index, record in enumerate(additions):
            where = f"entity.change.additions[{index}]"
            check(record, where, zone.origin, self._health_checks)
            if key(record) in after:
                raise ApiError(409, "alreadyExists", f"The resource '{where}' named '{' ('.join(key(record))})' already exists")
            after[key(record)] = {**copy.deepcopy(record), "kind": "dns#resourceRecordSet"}
        check_alone(after, ((key(record), f"entity.change.additions[{i}]") for i, record in enumerate(additions)))
        if missing := {(zone.origin, "NS"), (zone.origin, "SOA")} - after.keys():
            raise ApiError(400, "invalid", f"Invalid value for 'entity.change.deletions': the zone needs {sorted(missing)}")
        return after

    def _publish(self, zone: Zone) -> float:
        """Have the zone as it is now answered after the propagation time; answers when that is."""
        records = tuple(part for record in zone.records.values() for part in published(record, self._health_checks))
        return self._publication.publish(zone.name, records)

    def _told(self, change: tuple[float, dict[str, Any]]) -> dict[str, Any]:
        return {**change[1], "status": "done" if self._monotonic() >= change[0] else "pending"}

    def _zone(self, zone: str) -> Zone:
        if zone not in self._zones:
            raise ApiError(404, "notFound", f"The 'parameters.managedZone' resource named '{zone}' does not exist.")
        return self._zones[zone]


def _filter(asked: Mapping[str, str]) -> Callable[[Key], bool]:
    name, kind, suffix = asked.get("name", "").lower(), asked.get("type", ""), ""
    if "filter" in asked:
        parsed = FILTER.fullmatch(asked["filter"].replace("`", "").strip())
        if parsed is None or name or kind:
            raise ApiError(400, "invalid", f"Invalid value for 'parameters.filter': '{asked['filter']}'")
        name, suffix, kind = ((part or "").lower() for part in parsed.groups())
        kind = kind.upper()
    elif kind and not name:
        raise ApiError(400, "required", "The 'parameters.name' parameter is required but was missing.")
    return lambda known: (not name or known[0] == name) and known[0].endswith(suffix) and kind in ("", known[1])


def _offset(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise ApiError(400, "invalid", f"Invalid value for 'parameters.pageToken': '{token}'") from error
