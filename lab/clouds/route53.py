"""What moto's Route 53 lacks: batches that are all or nothing, checked records, changes that take time, and what is published.

Measured on moto 5.2.5: a batch with one bad change keeps the good ones; weight 999 and an A record with no address are accepted;
every change has the same id and is INSYNC; DELETE by SetIdentifier removes that identifier under every name; names are listed in
another order than the vendor's wherever a character sorts before the dot.
"""

import ipaddress
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from xml.etree import ElementTree

from moto.route53 import models
from moto.route53.models import FakeZone, HealthCheck, RecordSet, Route53Backend

from lab.clouds.zone import Record

NAMESPACE = "{https://route53.amazonaws.com/doc/2013-04-01/}"


class InvalidBatchError(Exception):
    """The batch would be refused by Route 53; carries the message and the code for the client."""

    def __init__(self, message: str, code: str = "InvalidChangeBatch") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Batch:
    """What became of a batch; undone unless it is accepted."""

    accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The zone as its name servers answer it from `due` on."""

    revision: int
    due: float
    """Monotonic seconds."""
    records: tuple[Record, ...]


class Zones:
    """Changes of all zones and what the name servers know of them. The caller holds moto's lock while it changes anything."""

    def __init__(self, backend: Route53Backend, propagation: float, monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from an accepted change until it is INSYNC and answered."""
        setattr(models, "reverse_domain_name", listed_as)  # noqa: B010  a function of moto's: no other way in
        self._backend, self._propagation, self._monotonic = backend, propagation, monotonic
        self._published: dict[str, list[Published]] = {}
        self._changes: dict[str, float] = {}
        self._news = threading.Condition()
        self._revision = 0

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
            zone.rrsets += [r for r in records if _identity(r) not in touched and id(r) not in kept]
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
        due = self._monotonic() + self._propagation
        change = f"C{uuid.uuid4().hex[:20].upper()}"
        with self._news:
            self._revision += 1
            zone = self._backend.zones[zone_id]
            entry = Published(revision=self._revision, due=due, records=self._records(zone))
            self._published.setdefault(zone_id, []).append(entry)
            self._changes[change] = due
            self._news.notify_all()
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
        ends = self._monotonic() + patience
        with self._news:
            while True:
                now = self._monotonic()
                entries = self._published.get(zone_id, [])
                answered = [entry for entry in entries if entry.due <= now]
                if answered and answered[-1].revision > after:
                    del entries[: len(answered) - 1]
                    return answered[-1]
                if now >= ends:
                    return None
                self._news.wait(min([ends, *(entry.due for entry in entries if entry.due > now)]) - now)

    def _records(self, zone: FakeZone) -> tuple[Record, ...]:
        return tuple(_record(record, self._backend.health_checks.get(record.health_check_id or "")) for record in zone.rrsets)


def listed_as(name: str) -> str:
    """What Route 53 sorts names by: labels reversed, with the final dot, which a hyphen sorts before.

    Source: Route 53 API reference, ListResourceRecordSets.
    """
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


def check_batch(body: bytes, zone: FakeZone) -> set[tuple[str, str, str | None]]:
    """Raise InvalidBatchError for what Route 53 refuses in a batch; answers the records it touches."""
    try:
        batch = ElementTree.fromstring(body)  # noqa: S314  expat as in Python 3.11 refuses entity bombs; loopback only
    except ElementTree.ParseError as error:
        raise InvalidBatchError(f"not XML: {error}") from error
    present, touched = {_identity(record) for record in zone.rrsets}, set()
    for change in batch.iter(f"{NAMESPACE}Change"):
        action, record = change.findtext(f"{NAMESPACE}Action"), change.find(f"{NAMESPACE}ResourceRecordSet")
        if record is None:
            raise InvalidBatchError("a change without a record set")
        name = (record.findtext(f"{NAMESPACE}Name") or "").lower().rstrip(".") + "."
        identity = (name, record.findtext(f"{NAMESPACE}Type") or "", record.findtext(f"{NAMESPACE}SetIdentifier"))
        if identity in touched:
            raise InvalidBatchError(f"{identity} is changed twice in one batch")
        if (action == "CREATE" and identity in present) or (action == "DELETE" and identity not in present):
            raise InvalidBatchError(f"{action} of {identity}, which {'exists' if identity in present else 'does not exist'}")
        check_record(record, identity)
        touched.add(identity)
    return touched


def check_record(record: ElementTree.Element, identity: tuple[str, str, str | None]) -> None:
    """Raise InvalidBatchError unless weight, identifier, TTL and address are what Route 53 accepts."""
    weight, ttl = record.findtext(f"{NAMESPACE}Weight"), record.findtext(f"{NAMESPACE}TTL")
    if weight is not None and not (weight.isdigit() and int(weight) <= 255):
        raise InvalidBatchError(f"{identity}: weight {weight}, allowed 0 to 255")
    if (weight is None) != (identity[2] is None):
        raise InvalidBatchError(f"{identity}: weight and SetIdentifier go together")
    if identity[2] is not None and not 1 <= len(identity[2]) <= 128:
        raise InvalidBatchError(f"{identity}: SetIdentifier of 1 to 128 characters")
    alias = record.find(f"{NAMESPACE}AliasTarget")
    if alias is not None:
        if ttl is not None or record.find(f"{NAMESPACE}ResourceRecords") is not None:
            raise InvalidBatchError(f"{identity}: an alias has neither TTL nor values of its own")
        return
    if ttl is None or not (ttl.isdigit() and int(ttl) < 2**31):
        raise InvalidBatchError(f"{identity}: TTL {ttl}")
    values = [value.text or "" for value in record.iter(f"{NAMESPACE}Value")]
    if not values:
        raise InvalidBatchError(f"{identity}: no value")
    if identity[1] == "A":
        for value in values:
            try:
                ipaddress.IPv4Address(value)
            except ValueError as error:
                raise InvalidBatchError(f"{identity}: {error}") from error


def check_zone(zone: FakeZone) -> None:
    """Raise InvalidBatchError when a simple record stands beside weighted ones of the same name and type, or an alias leads nowhere."""
    simple = {(r.name, r.type) for r in zone.rrsets if r.set_identifier is None}
    weighted = {(r.name, r.type) for r in zone.rrsets if r.set_identifier is not None}
    if both := simple & weighted:
        raise InvalidBatchError(f"{sorted(both)[0]}: a simple record beside weighted ones")
    for record in zone.rrsets:
        if record.alias_target and (_alias(record), record.type) not in simple | weighted:
            raise InvalidBatchError(
                f"Tried to create an alias that targets {_alias(record)}, type {record.type} in zone {zone.id}, "
                "but that target was not found"
            )


def _identity(record: RecordSet) -> tuple[str, str, str | None]:
    return str(record.name).lower(), str(record.type), record.set_identifier


def _alias(record: RecordSet) -> str:
    return str((record.alias_target or {})["DNSName"]).lower().rstrip(".") + "."


def _record(record: RecordSet, check: HealthCheck | None) -> Record:
    return Record(
        name=str(record.name).lower().rstrip(".") + ".",
        type=str(record.type),
        ttl=int(record.ttl or 0),
        values=tuple(value["Value"] if isinstance(value, dict) else str(value) for value in record.records),
        alias=_alias(record) if record.alias_target else None,
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
