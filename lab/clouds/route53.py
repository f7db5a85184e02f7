"""What moto's Route 53 lacks: batches that are all or nothing, checked records, changes that take time, and what is published.

Measured on moto 5.2.5: a batch with one bad change keeps the good ones; weight 999 and an A record with no address are accepted;
every change has the same id and is INSYNC; DELETE by SetIdentifier removes that identifier under every name; names are listed in
another order than the vendor's wherever a character sorts before the dot.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from moto.route53 import models
from moto.route53.models import FakeZone, HealthCheck, RecordSet, Route53Backend

from lab.clouds.publication import Publication, Published
from lab.clouds.route53_rules import InvalidBatchError, alias_of, check_batch, check_zone, identity, values_of
from lab.clouds.zone import Record


@dataclass(slots=True)
class Batch:
    """What became of a batch; undone unless it is accepted."""

    accepted: bool = False


class Zones:
    """Changes of all zones and what the name servers know of them. The caller holds moto's lock while it changes anything."""

    def __init__(self, backend: Route53Backend, propagation: float, monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from an accepted change until it is INSYNC and answered."""
        setattr(models, "reverse_domain_name", listed_as)  # noqa: B010  a function of moto's: no other way in
        self._backend, self._monotonic = backend, monotonic
        self._publication = Publication(propagation, monotonic)
        self._changes: dict[str, float] = {}

    @contextmanager
    def whole_batch(self, zone_id: str, body: bytes) -> Iterator[Batch]:
        """Everything in the block happens to the zone, or nothing does. Raises InvalidBatchError."""
        zone, batch = self._backend.zones.get(zone_id), Batch()
        if zone is None:
            yield batch  # moto answers NoSuchHostedZone
            return
        touched = check_batch(body, zone)
        records, journal = list(zone.rrsets), list(zone.rr_changes)
        stands = False
        try:
            yield batch
            kept = {id(record) for record in zone.rrsets}
            zone.rrsets += [r for r in records if identity(r) not in touched and id(r) not in kept]
            check_zone(zone)
            self._check_health(zone)
            stands = batch.accepted
        finally:
            if not stands:
                zone.rrsets[:] = records
                zone.rr_changes[:] = journal

    def _check_health(self, zone: FakeZone) -> None:
        """Raise InvalidBatchError for a health check that does not exist."""
        for record in zone.rrsets:
            if record.health_check_id and record.health_check_id not in self._backend.health_checks:
                raise InvalidBatchError(
                    f"No health check exists with the specified ID {record.health_check_id}", "NoSuchHealthCheck"
                )

    def publish(self, zone_id: str) -> str:
        """Have the zone as it is now answered after the propagation time; answers the id of the change."""
        change = f"C{uuid.uuid4().hex[:20].upper()}"
        self._changes[change] = self._publication.publish(zone_id, self._records(self._backend.zones[zone_id]))
        return change

    def in_sync(self, change: str) -> bool | None:
        """Do all name servers answer this change? None: there never was such a change."""
        due = self._changes.get(change)
        return None if due is None else self._monotonic() >= due

    def zone_ids(self) -> Mapping[str, str]:
        """Id of each zone by its name."""
        return {zone.name.rstrip("."): zone_id for zone_id, zone in self._backend.zones.items()}

    def await_news(self, zone_id: str, after: int, patience: float) -> Published | None:
        """What the name servers answer, once its revision is above `after`; None when `patience` seconds brought nothing."""
        return self._publication.await_news(zone_id, after, patience)

    def _records(self, zone: FakeZone) -> tuple[Record, ...]:
        return tuple(_record(record, self._backend.health_checks.get(record.health_check_id or "")) for record in zone.rrsets)


def listed_as(name: str) -> str:
    """What Route 53 sorts names by: labels reversed, with the final dot, which a hyphen sorts before.

    Source: Route 53 API reference, ListResourceRecordSets.
    """
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


def _record(record: RecordSet, check: HealthCheck | None) -> Record:
    return Record(
        name=str(record.name).lower().rstrip(".") + ".",
        type=str(record.type),
        ttl=int(record.ttl or 0),
        values=values_of(record),
        alias=alias_of(record) if record.alias_target else None,
        set_identifier=record.set_identifier,
        weight=None if record.weight is None else int(record.weight),
        health=None if check is None else _question(check),
    )


def _question(check: HealthCheck) -> str:
    """The URL that a health check asks; one that names no host asks the record's own address."""
    path, host = check.resource_path or "/", check.fqdn or check.ip_address
    scheme = str(check.type_).lower().partition("_")[0]
    place = host if (scheme, int(check.port)) == ("http", 80) else f"{host}:{check.port}"
    return f"{scheme}://{place}{path}" if host else path
