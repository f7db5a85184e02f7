"""Route 53's weighted records as values: which are ours, what they weigh, and the changes that make them weigh otherwise."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.ratios import average_shares
from controller.providers.records import GroupRecords, WeightedName

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

    AnyRecord = ResourceRecordSetOutputTypeDef | ResourceRecordSetTypeDef
    Zone = Mapping[str, Sequence[ResourceRecordSetOutputTypeDef]]
    """Records by absolute name, of the names that were asked for."""

TOTAL = 240
"""What the weights of one name add up to. Below Route 53's limit of 255 per record, and divisible by 2, 3, 4, 5, 6, 8, 10 and
12, so that the usual shares come out exact."""
MOST_CHANGES = 500
"""UPSERTs in one batch. A request may hold 1,000 resource records, and one that is upserted counts twice.
Source: Route 53 Developer Guide, "Maximums on API requests"."""


def mark(group: Group, site: Site) -> str:
    """SetIdentifier of a record that is ours."""
    return f"{group}/{site}"


def marked_site(group: Group, record: "AnyRecord") -> Site | None:
    """Whose record this is, or None when it is not one of this group's."""
    head, slash, site = record.get("SetIdentifier", "").rpartition("/")
    return Site(site) if slash and head == group and site and record["Type"] == "A" else None


def owned_weights(group: Group, records: "Iterable[AnyRecord]") -> dict[Site, int]:
    """Weight per site of the records that are ours."""
    return {site: record.get("Weight", 0) for record in records if (site := marked_site(group, record)) is not None}


def strangers(group: Group, records: "Iterable[AnyRecord]") -> tuple[str, ...]:
    """Weighted A records beside ours that are not ours, by name and SetIdentifier. They draw traffic that nobody steers."""
    return tuple(
        f"{record['Name']} {record.get('SetIdentifier', '')}"
        for record in records
        if record["Type"] == "A" and "Weight" in record and marked_site(group, record) is None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one group comes from where it was found to where it is wanted."""

    group: Group
    wanted: Mapping[Site, int]
    found: tuple[Mapping[Site, int], ...]
    """Weights by name, as they were found."""
    changes: "tuple[ChangeTypeDef, ...]"
    """An UPSERT for every record of the group, those included that weigh this already."""

    @property
    def before(self) -> dict[Site, float]:
        """Shares as they were found, over all names."""
        return average_shares(self.found)

    @property
    def after(self) -> dict[Site, float]:
        """Shares once the changes stand."""
        return average_shares(self._targets())

    @property
    def stands(self) -> bool:
        """Would the changes change nothing?"""
        return list(self.found) == self._targets()

    def concerned(self, refusal: str) -> bool:
        """Is Route 53's refusal of a batch about this group's records, by one of their names or health checks?"""
        records = [change["ResourceRecordSet"] for change in self.changes]
        spoken = {record["Name"].rstrip(".") for record in records} | {record.get("HealthCheckId", "") for record in records}
        words = {word.strip("'\"[](),;:=").rstrip(".") for word in refusal.replace("=", " ").split()}
        return bool(spoken - {""} & words)

    def _targets(self) -> list[dict[Site, int]]:
        by_name: dict[str, list[AnyRecord]] = {}
        for change in self.changes:
            by_name.setdefault(change["ResourceRecordSet"]["Name"].lower(), []).append(change["ResourceRecordSet"])
        return [owned_weights(self.group, records) for records in by_name.values()]


def plot(group: Group, given: GroupRecords, zone: "Zone", wanted: Mapping[Site, int]) -> Course:
    """The course of one group. Raises Refused when somebody else's record stands in the place of ours, or a site is unknown."""
    for name in given.names:
        _refuse_taken(group, name, zone[name.absolute])
    return Course(
        group=group,
        wanted=wanted,
        found=tuple(owned_weights(group, zone[name.absolute]) for name in given.names),
        changes=tuple(
            change for name in given.names for change in _changes(group, name, zone[name.absolute], wanted, given.addresses)
        ),
    )


def batches(courses: Sequence[Course]) -> Iterator[list[Course]]:
    """Courses in as few change batches as Route 53 takes; one group is never split, so that its names change together."""
    batch: list[Course] = []
    for course in courses:
        if batch and sum(len(one.changes) for one in [*batch, course]) > MOST_CHANGES:
            yield batch
            batch = []
        batch.append(course)
    if batch:
        yield batch


def _refuse_taken(group: Group, name: WeightedName, records: "Sequence[ResourceRecordSetOutputTypeDef]") -> None:
    """A CNAME, or an A record that is not weighted: Route 53 would refuse ours beside it, and with ours the whole batch."""
    for record in records:
        if record["Type"] == "CNAME" or (record["Type"] == "A" and "Weight" not in record):
            raise Refused(
                guard="record-owner",
                value=f"{group}: {record['Type']} {record['Name']} {record.get('SetIdentifier', '(simple)')} is not ours",
                limit="weighted A records only",
                way_out=f"Remove it, or take {name.name} out of the group.",
            )


def _changes(
    group: Group,
    name: WeightedName,
    records: "Sequence[ResourceRecordSetOutputTypeDef]",
    weights: Mapping[Site, int],
    addresses: Mapping[Site, str],
) -> "Iterator[ChangeTypeDef]":
    """UPSERTs that make our records of one name weigh `weights`; ours that `weights` does not name become 0.

    An UPSERT replaces the whole record, so one that exists is sent back as it was read, weight apart: otherwise steering would
    drop the health check or the address that the deployment gave it. A missing record of a site that is to serve is made.
    """
    present = {site: record for record in records if (site := marked_site(group, record)) is not None}
    for site in sorted({*present, *(site for site, weight in weights.items() if weight > 0)}):
        if site in present:
            record = cast("ResourceRecordSetTypeDef", {**present[site], "Weight": weights.get(site, 0)})
        else:
            record = _new_record(group, name, site, weights[site], addresses)
        yield {"Action": "UPSERT", "ResourceRecordSet": record}


def _new_record(
    group: Group, name: WeightedName, site: Site, weight: int, addresses: Mapping[Site, str]
) -> "ResourceRecordSetTypeDef":
    if site not in addresses:
        raise Refused(
            guard="known-site",
            value=f"{group}: {site} has no record of {name.name} and no address is known",
            limit="a record or an address for every site that is to serve",
            way_out="Deploy the site's record, or take the site out of the weights.",
        )
    return {
        "Name": name.absolute,
        "Type": "A",
        "SetIdentifier": mark(group, site),
        "Weight": weight,
        "TTL": name.ttl,
        "ResourceRecords": [{"Value": addresses[site]}],
    }
