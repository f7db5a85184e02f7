"""Route 53's weighted records as values: which are ours, what they weigh, and the one batch that makes them weigh otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from controller.core.model import Site
from controller.errors import Refused
from controller.providers.records import WeightedName

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

    AnyRecord = ResourceRecordSetOutputTypeDef | ResourceRecordSetTypeDef

TOTAL = 240
"""What the weights of one name add up to. Below Route 53's limit of 255 per record, and divisible by 2, 3, 4, 5, 6, 8, 10 and
12, so that the usual shares come out exact."""


def mark(service: str, site: Site) -> str:
    """SetIdentifier of a record that is ours."""
    return f"{service}/{site}"


def marked_site(service: str, record: "AnyRecord") -> Site | None:
    """Whose record this is, or None when it is not one of ours."""
    head, slash, site = record.get("SetIdentifier", "").rpartition("/")
    return Site(site) if slash and head == service and site else None


def owned_weights(service: str, records: Iterable["AnyRecord"]) -> dict[Site, int]:
    """Weight per site of the records that are ours."""
    return {site: record.get("Weight", 0) for record in records if (site := marked_site(service, record)) is not None}


def changes(
    service: str,
    name: WeightedName,
    records: Sequence["ResourceRecordSetOutputTypeDef"],
    weights: Mapping[Site, int],
    addresses: Mapping[Site, str],
) -> list["ChangeTypeDef"]:
    """UPSERTs that make our records of one name weigh `weights`; ours that `weights` does not name become 0.

    An UPSERT replaces the whole record, so one that exists is sent back as it was read, weight apart: otherwise steering would
    drop the health check or the address that the deployment gave it. A missing record of a site that is to serve is made.
    """
    present = {site: record for record in records if (site := marked_site(service, record)) is not None}
    batch: list[ChangeTypeDef] = []
    for site in sorted({*present, *(site for site, weight in weights.items() if weight > 0)}):
        if site in present:
            record = cast("ResourceRecordSetTypeDef", {**present[site], "Weight": weights.get(site, 0)})
        else:
            record = _new_record(service, name, site, weights[site], addresses)
        batch.append({"Action": "UPSERT", "ResourceRecordSet": record})
    return batch


def _new_record(
    service: str, name: WeightedName, site: Site, weight: int, addresses: Mapping[Site, str]
) -> "ResourceRecordSetTypeDef":
    if site not in addresses:
        raise Refused(
            guard="known-site",
            value=f"{site} has no record of {name.name} and no address is known",
            limit="a record or an address for every site that is to serve",
            way_out="Deploy the site's record, or take the site out of the weights.",
        )
    return {
        "Name": name.absolute,
        "Type": "A",
        "SetIdentifier": mark(service, site),
        "Weight": weight,
        "TTL": name.ttl,
        "ResourceRecords": [{"Value": addresses[site]}],
    }
