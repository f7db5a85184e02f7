"""Route 53's weighted records as values: which are ours, what they weigh, and the one batch that makes them weigh otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from controller.core.model import Site
from controller.errors import Refused
from controller.providers.ratios import refuse_unusable

if TYPE_CHECKING:
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

    AnyRecord = ResourceRecordSetOutputTypeDef | ResourceRecordSetTypeDef

TOTAL = 240
"""What the weights of one name add up to. Below Route 53's limit of 255 per record, and divisible by 2, 3, 4, 5, 6, 8, 10 and
12, so that the usual shares come out exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedName:
    """One name that is answered by weight, and how long resolvers may keep an answer when this adapter has to make the record."""

    name: str
    ttl: int
    """Seconds. A record that exists keeps the TTL it has: who made it decides."""

    @property
    def absolute(self) -> str:
        """As Route 53 spells it: lower case, with the final dot."""
        return self.name.lower().rstrip(".") + "."


def mark(service: str, site: Site) -> str:
    """SetIdentifier of a record that is ours."""
    return f"{service}/{site}"


def marked_site(service: str, record: "AnyRecord") -> Site | None:
    """Whose record this is, or None when it is not one of ours."""
    head, slash, site = record.get("SetIdentifier", "").rpartition("/")
    return Site(site) if slash and head == service and site else None


def to_weights(ratios: Mapping[Site, float]) -> dict[Site, int]:
    """Ratios as Route 53 weights that add up to TOTAL, by largest remainder; a ratio above 0 never becomes 0.

    A site at one in a thousand gets 1 rather than 0, taken from the heaviest: with 0 it would stop serving altogether, which is
    a drain that nobody ordered. Raises Refused for ratios that cannot be used.
    """
    refuse_unusable(ratios)
    heaviest = max(ratios.values())
    relative = {site: ratio / heaviest for site, ratio in ratios.items()}  # the sum of large ratios must not overflow
    whole = sum(relative.values())
    exact = {site: ratio / whole * TOTAL for site, ratio in relative.items()}
    weights = {site: max(int(share), 1 if ratios[site] > 0 else 0) for site, share in exact.items()}
    while (missing := TOTAL - sum(weights.values())) != 0:
        if missing > 0:
            site = max((s for s in weights if ratios[s] > 0), key=lambda s: (exact[s] - weights[s], s))
            weights[site] += 1
        else:
            site = max(weights, key=lambda s: (weights[s], -ratios[s], s))
            weights[site] -= 1
    return weights


def to_shares(weights: Mapping[Site, int]) -> dict[Site, float]:
    """Weights as ratios that add up to 1; all 0 stays all 0."""
    total = sum(weights.values())
    return {site: weight / total if total else 0.0 for site, weight in weights.items()}


def average_shares(names: Sequence[Mapping[Site, int]]) -> dict[Site, float]:
    """One answer for all names: the mean of their shares, so that a name left behind shows up as a difference."""
    shares = [to_shares(weights) for weights in names]
    sites = {site for share in shares for site in share}
    return {site: sum(share.get(site, 0.0) for share in shares) / len(shares) for site in sorted(sites)}


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
