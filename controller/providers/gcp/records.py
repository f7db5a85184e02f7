"""Cloud DNS record sets as values: which are ours, what they weigh, and the changes that make them weigh otherwise.

Source: Cloud DNS API v1, ResourceRecordSet, RRSetRoutingPolicy and Change ("deletions must match existing data exactly"), and
"Quotas and limits" (1,000 additions and 1,000 deletions, 100 kB a change).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.ratios import average_shares, to_shares
from controller.providers.records import GroupRecords, WeightedName

RecordSet = Mapping[str, Any]
"""One record set as the API spells it."""
Found = Mapping[str, RecordSet]
"""A record sets by absolute name."""

TOTAL = 240
"""What the weights of one name add up to. Cloud DNS takes any double; whole numbers with the same sum as at Route 53 make the
authorities' shares equal to the last digit, so that a comparison of the zones finds drift and no rounding."""
MOST_PARTS = 1000
"""Additions and deletions of one change, counted together to stay clear of either limit."""
MOST_BYTES = 90_000
"""Of one change as JSON; the vendor's limit is 100 kB."""
EXACT = 1e-9
"""Shares this close are the same: they come from dividing doubles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One group's part of a change; none where the record sets stand as wanted."""

    group: Group
    deletions: tuple[RecordSet, ...]
    additions: tuple[RecordSet, ...]
    after: Mapping[Site, float]
    """The group's ratios once it is done."""

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(json.dumps([self.deletions, self.additions]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is sent at once, and carried out as a whole or not at all."""

    edits: tuple[Edit, ...]

    @property
    def body(self) -> dict[str, Any]:
        """For `changes.create`."""
        return {
            "kind": "dns#change",
            "deletions": [record for edit in self.edits for record in edit.deletions],
            "additions": [record for edit in self.edits for record in edit.additions],
        }

    def blame(self, part: str, index: int) -> Edit | None:
        """Whose addition or deletion the vendor means by `index`."""
        owners = [edit for edit in self.edits for _ in (edit.additions if part == "additions" else edit.deletions)]
        return owners[index] if index < len(owners) else None


def shares(records: GroupRecords, found: Found) -> dict[Site, float]:
    """Ratios of one group, averaged over its names; empty when it has no record set at all. Raises Refused."""
    weights = [_weights(name, found.get(name.absolute), records.addresses) for name in records.names]
    return average_shares(weights) if any(weights) else {}


def edit(group: Group, records: GroupRecords, found: Found, wanted: Mapping[Site, int]) -> Edit:
    """What makes the group's record sets weigh `wanted`. Raises Refused.

    Sites that `wanted` does not name weigh 0. The TTL, the health check and whatever else a record set carries stay as they are.
    """
    deletions: list[RecordSet] = []
    additions: list[RecordSet] = []
    target: list[Mapping[Site, float]] = []
    for name in records.names:
        present = found.get(name.absolute)
        weights = _weights(name, present, records.addresses)
        goal = {site: wanted.get(site, 0) for site in sorted({*weights, *(s for s, weight in wanted.items() if weight > 0)})}
        target.append(goal)
        if present is not None and _same(weights, goal):
            continue
        additions.append(_record_set(name, present, goal, records.addresses))
        if present is not None:
            deletions.append(present)
    return Edit(group=group, deletions=tuple(deletions), additions=tuple(additions), after=average_shares(target))


def changes(edits: Iterable[Edit]) -> Iterator[Change]:
    """As few changes as the vendor's limits allow; a group's names are never torn apart, so they always answer alike."""
    batch: list[Edit] = []
    parts = size = 0
    for one in edits:
        more, longer = len(one.additions) + len(one.deletions), one.size
        if batch and (parts + more > MOST_PARTS or size + longer > MOST_BYTES):
            yield Change(edits=tuple(batch))
            batch, parts, size = [], 0, 0
        if more:
            batch.append(one)
            parts, size = parts + more, size + longer
    if batch:
        yield Change(edits=tuple(batch))


def parents(names: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Absolute names by the domain right above them: one question finds all of the same parent."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        found.setdefault(name.partition(".")[2], []).append(name)
    return found


def _weights(name: WeightedName, present: RecordSet | None, addresses: Mapping[Site, str]) -> dict[Site, float]:
    """Weight per site of one record set of ours. Cloud DNS record sets carry no mark, so their content says whose they are."""
    if present is None:
        return {}
    policy = present.get("routingPolicy") or {}
    if "wrr" not in policy:
        shape = next((kind for kind in ("geo", "primaryBackup") if kind in policy), "plain")
        raise _foreign(f"{name.name} is a {shape} record set", "a weighted one (wrr)")
    sites = {address: site for site, address in addresses.items()}
    weights: dict[Site, float] = {}
    for item in policy["wrr"].get("items", ()):
        answers = _answers(item)
        site = sites.get(answers[0]) if len(answers) == 1 else None
        if site is None or site in weights:
            raise _foreign(
                f"an item of {name.name} answers {', '.join(answers) or 'nothing'}", "one address of one site per item"
            )
        weights[site] = float(item.get("weight", 0))
    return weights


def _foreign(value: str, limit: str) -> Refused:
    return Refused(
        guard="owned-record",
        value=value,
        limit=limit,
        way_out="It was not made by this deployment: remove it, or give the group another name.",
    )


def _answers(item: Mapping[str, Any]) -> list[str]:
    checked = item.get("healthCheckedTargets") or {}
    inside = [str(target.get("ipAddress")) for target in checked.get("internalLoadBalancers", ())]
    return [*map(str, item.get("rrdatas", ())), *map(str, checked.get("externalEndpoints", ())), *inside]


def _same(weights: Mapping[Site, float], goal: Mapping[Site, float]) -> bool:
    if weights.keys() != goal.keys():
        return False
    found, wanted = to_shares(weights), to_shares(goal)
    return all(abs(found[site] - wanted[site]) < EXACT for site in wanted)


def _record_set(
    name: WeightedName, present: RecordSet | None, goal: Mapping[Site, int], addresses: Mapping[Site, str]
) -> RecordSet:
    policy = (present or {}).get("routingPolicy") or {}
    sites = {address: site for site, address in addresses.items()}
    items = {sites[_answers(item)[0]]: item for item in policy.get("wrr", {}).get("items", ())}
    fresh = [site for site in goal if site not in items]
    if missing := [site for site in fresh if site not in addresses]:
        raise Refused(
            guard="known-site",
            value=f"{name.name} has no record of {', '.join(missing)}, and no address is known",
            limit="a record or an address for every site that is to serve",
            way_out="Deploy the site's record, or take the site out of the weights.",
        )
    weighed = [{**_unsigned(item), "weight": goal[site]} for site, item in items.items()]
    weighed += [{**_target(addresses[site], policy), "weight": goal[site]} for site in fresh]
    return {
        **({"ttl": name.ttl} if present is None else _unsigned(present)),
        "name": name.absolute if present is None else present["name"],
        "type": "A",
        "routingPolicy": {**policy, "wrr": {**policy.get("wrr", {}), "items": weighed}},
    }


def _target(address: str, policy: Mapping[str, Any]) -> dict[str, Any]:
    """Under a health check the address is one that is checked; outside, one that is always answered."""
    return {"healthCheckedTargets": {"externalEndpoints": [address]}} if policy.get("healthCheck") else {"rrdatas": [address]}


def _unsigned(record: Mapping[str, Any]) -> dict[str, Any]:
    """Without DNSSEC signatures: they are the vendor's, of the data as it was."""
    return {key: value for key, value in record.items() if key != "signatureRrdatas"}
