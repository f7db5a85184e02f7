"""What stands in the zone, wherever it is served: the same records at all three authorities, because a resolver may ask any.

One weighted name is steered and nothing else: `everywhere` is answered with the addresses of all sites by weight, and clients' names stand
for it. A thousand services more would be a thousand names more, and none to steer.

The zone is not signed. Three authorities would have to publish each other's keys (RFC 8901), and none of the three takes a foreign one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pulumi

from infra.topology import Cloud

GROUP = "everywhere"
"""Of services that run at all three sites: the controllers steer it as one."""
TTL = 10
"""Seconds that a weighted answer is kept. Whoever obeys it waits as long for a move of traffic. Less buys little: what obeys nothing is
moved by the edges, which need no DNS, and without any API the answers change at the pace of vendors' checks, 10 to 30 seconds. It costs:
2 seconds are five times as many questions, each of which is billed."""
LASTING_TTL = 300
"""Seconds, of what is not steered: aliases, and proofs for certificates."""
NAMESERVERS_TTL = 3600
"""Seconds. An authority that dies is left out by resolvers themselves."""

DOORS = ("api", "vault")
"""What clients come to. The first is the name that health checks ask by."""
BEACON = "/beacon"
"""Answers 200 only while the site is to serve and is well."""
PORT = 443
INTERVAL, MISSES = 10, 3
"""Seconds between two questions of a health check, and how many in a row have to fail."""

APEX = "@"


class Kind(StrEnum):
    """Types of records that sites ask for."""

    A = "A"
    CNAME = "CNAME"
    TXT = "TXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSet:
    """Everything of one name and type."""

    name: str
    """Absolute, small letters, without the dot at the end."""
    kind: Kind
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Names of the zone."""

    domain: str

    @property
    def weighted(self) -> str:
        """The name that is steered."""
        return f"{GROUP}.{self.domain}"

    @property
    def doors(self) -> tuple[str, ...]:
        """Clients' names, each of which stands for the weighted one."""
        return tuple(f"{door}.{self.domain}" for door in DOORS)

    @property
    def asked_by(self) -> str:
        """Name in the health checks' handshake and `Host` header: the site has a certificate for it."""
        return self.doors[0]

    @property
    def profile(self) -> str:
        """Traffic Manager's profile of the weighted name. The controllers look for it by this name."""
        return self.weighted.replace(".", "-")

    def mark(self, cloud: Cloud) -> str:
        """Which site's record it is, at Route 53. The controllers leave alone what has no such mark."""
        return f"{GROUP}/{cloud}"

    def relative(self, name: str) -> str:
        """As Azure wants it. Raises ValueError for a name of another zone."""
        if name == self.domain:
            return APEX
        if not name.endswith(f".{self.domain}"):
            raise ValueError(f"{name} is not in {self.domain}")
        return name.removesuffix(f".{self.domain}")


def asked_for(plan: Plan, records: Iterable[Mapping[str, str]]) -> tuple[RecordSet, ...]:
    """What sites ask for to have certificates, put together by name and type: an authority takes one set of each.

    Raises RunError for what cannot stand in the zone, by name: a site whose proof is missing at one authority gets its first certificate,
    and no second one when that authority happens to be asked.
    """
    found: dict[tuple[str, Kind], list[str]] = {}
    for record in records:
        name, kind = record["name"].lower().rstrip("."), record["type"].upper()
        if kind not in tuple(Kind):
            raise pulumi.RunError(f"{name}: records of type {kind} are asked for, and this zone knows {', '.join(Kind)}")
        try:
            plan.relative(name)
        except ValueError as error:
            raise pulumi.RunError(f"{error}: the site that asks for this record has another domain in its settings") from error
        values = found.setdefault((name, Kind(kind)), [])
        value = record["value"].strip('"')
        if value not in values:
            values.append(value)
    sets = tuple(RecordSet(name=name, kind=kind, values=tuple(values)) for (name, kind), values in sorted(found.items()))
    _refuse_beside_cname(plan, sets)
    return sets


def stand(plan: Plan, asked: pulumi.Input[Sequence[RecordSet]], record: Callable[[RecordSet], None]) -> None:
    """Have an authority record what is not steered: clients' names, and what sites asked for."""
    for door in plan.doors:
        record(RecordSet(name=door, kind=Kind.CNAME, values=(absolute(plan.weighted),)))

    def each(sets: Sequence[RecordSet]) -> None:
        for one in sets:
            record(one)

    pulumi.Output.from_input(asked).apply(each)


def _refuse_beside_cname(plan: Plan, sets: tuple[RecordSet, ...]) -> None:
    """A CNAME stands alone (RFC 1034 3.6.2): two of the three authorities would refuse the second record, in the middle of an update."""
    kinds: dict[str, list[Kind]] = {name: [Kind.CNAME] for name in plan.doors} | {plan.weighted: [Kind.A]}
    for one in sets:
        kinds.setdefault(one.name, []).append(one.kind)
        if Kind.CNAME in kinds[one.name] and (len(kinds[one.name]) > 1 or len(one.values) > 1):
            raise pulumi.RunError(f"{one.name}: a CNAME stands alone, and {', '.join(kinds[one.name])} are asked for")


def absolute(name: str) -> str:
    """With the dot at the end: without it some authorities append the zone, and the proof is looked for where nothing is."""
    return f"{name.rstrip('.')}."
