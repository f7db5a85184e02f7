"""What Route 53 refuses in a batch, as far as records of a public zone with weights, aliases and health checks go.

Source: Route 53 API reference, ChangeResourceRecordSets and ResourceRecordSet (as in botocore's description of it), Developer Guide,
"Maximums on API requests"; RFC 1034 3.6.2 for CNAME. Measured on moto 5.2.5, which refuses none of these but the number of records:
weights above 255, a name of another zone that ends alike, values that do not fit or are there twice, a deletion of what is there no
longer, a simple record beside weighted ones, anything beside a CNAME, 32,000 characters of values.
"""

import ipaddress
from collections import Counter
from xml.etree import ElementTree

from moto.route53.models import FakeZone, RecordSet

NAMESPACE = "{https://route53.amazonaws.com/doc/2013-04-01/}"
MOST_CHARACTERS = 32_000
"""In all values of one request; an UPSERT's count twice, as its records do."""
MOST_WEIGHTED = 100
"""Record sets of one name and type."""

Identity = tuple[str, str, str | None]
"""Name, type, SetIdentifier."""


class InvalidBatchError(Exception):
    """The batch would be refused by Route 53; carries the message and the code for the client."""

    def __init__(self, message: str, code: str = "InvalidChangeBatch") -> None:
        super().__init__(message)
        self.code = code


def check_batch(body: bytes, zone: FakeZone) -> set[Identity]:
    """Raise InvalidBatchError for what Route 53 refuses in a batch; answers the records it touches."""
    try:
        batch = ElementTree.fromstring(body)  # noqa: S314  expat as in Python 3.11 refuses entity bombs; loopback only
    except ElementTree.ParseError as error:
        raise InvalidBatchError(f"not XML: {error}") from error
    present = {identity(record): record for record in zone.rrsets}
    origin, done, characters = str(zone.name).lower().rstrip(".") + ".", dict[Identity, str](), 0
    for change in batch.iter(f"{NAMESPACE}Change"):
        action, record = change.findtext(f"{NAMESPACE}Action"), change.find(f"{NAMESPACE}ResourceRecordSet")
        if record is None:
            raise InvalidBatchError("a change without a record set")
        name = (record.findtext(f"{NAMESPACE}Name") or "").lower().rstrip(".") + "."
        one = (name, record.findtext(f"{NAMESPACE}Type") or "", record.findtext(f"{NAMESPACE}SetIdentifier"))
        there = done[one] != "DELETE" if one in done else one in present
        if one in done and (done[one], action) != ("DELETE", "CREATE"):
            raise InvalidBatchError(f"{one} is changed twice in one batch")
        if (action == "CREATE" and there) or (action == "DELETE" and not there):
            raise InvalidBatchError(
                f"Tried to {str(action).lower()} {one}, but it {'already exists' if there else 'was not found'}"
            )
        check_record(record, one, origin)
        if action == "DELETE":
            check_deletion(record, present[one], one, origin)
        characters += sum(map(len, _values(record))) * (2 if action == "UPSERT" else 1)
        done[one] = str(action)
    if characters > MOST_CHARACTERS:
        raise InvalidBatchError(f"{characters} characters of values, at most {MOST_CHARACTERS}")
    return set(done)


def check_record(record: ElementTree.Element, one: Identity, origin: str) -> None:
    """Raise InvalidBatchError unless name, weight, identifier, TTL and values are what Route 53 accepts in the zone `origin`."""
    weight, ttl = record.findtext(f"{NAMESPACE}Weight"), record.findtext(f"{NAMESPACE}TTL")
    if one[0] != origin and not one[0].endswith("." + origin):
        raise InvalidBatchError(f"RRSet with DNS name {one[0]} is not permitted in zone {origin}")
    if weight is not None and not (weight.isdigit() and int(weight) <= 255):
        raise InvalidBatchError(f"{one}: weight {weight}, allowed 0 to 255")
    if (weight is None) != (one[2] is None):
        raise InvalidBatchError(f"{one}: weight and SetIdentifier go together")
    if one[2] is not None and not 1 <= len(one[2]) <= 128:
        raise InvalidBatchError(f"{one}: SetIdentifier of 1 to 128 characters")
    if record.find(f"{NAMESPACE}AliasTarget") is not None:
        if ttl is not None or record.find(f"{NAMESPACE}ResourceRecords") is not None:
            raise InvalidBatchError(f"{one}: an alias has neither TTL nor values of its own")
        return
    if ttl is None or not (ttl.isdigit() and int(ttl) < 2**31):
        raise InvalidBatchError(f"{one}: TTL {ttl}")
    _check_values(_values(record), one)


def _check_values(values: list[str], one: Identity) -> None:
    if not values:
        raise InvalidBatchError(f"{one}: no value")
    if len(set(values)) != len(values):
        raise InvalidBatchError(f"{one}: Duplicate Resource Record")
    if len(values) > 1 and (one[1] == "CNAME" or one[2] is not None):
        raise InvalidBatchError(f"{one}: one value only")
    for value in values if one[1] == "A" else ():
        try:
            ipaddress.IPv4Address(value)
        except ValueError as error:
            raise InvalidBatchError(f"{one}: {error}") from error


def check_deletion(record: ElementTree.Element, present: RecordSet, one: Identity, origin: str) -> None:
    """Raise InvalidBatchError unless the record is given as it is, or it is one that every zone keeps."""
    if one[1] in ("NS", "SOA") and one[0] == origin:
        raise InvalidBatchError("A HostedZone must contain at least one NS record for the zone itself and one SOA record")
    target = record.find(f"{NAMESPACE}AliasTarget")
    given = (
        record.findtext(f"{NAMESPACE}Weight"),
        record.findtext(f"{NAMESPACE}TTL"),
        record.findtext(f"{NAMESPACE}HealthCheckId"),
        None if target is None else (target.findtext(f"{NAMESPACE}DNSName") or "").lower().rstrip(".") + ".",
        sorted(_values(record)),
    )
    held = (
        None if present.weight is None else str(int(present.weight)),
        str(present.ttl) if present.ttl else None,
        present.health_check_id,
        alias_of(present) if present.alias_target else None,
        sorted(values_of(present)),
    )
    if given != held:
        raise InvalidBatchError(
            f"Tried to delete resource record set {one} but the values provided do not match the current values"
        )


def check_zone(zone: FakeZone) -> None:
    """Raise InvalidBatchError for records that cannot stand beside each other, and for an alias that leads nowhere."""
    kinds: dict[str, set[str]] = {}
    simple, weighted = set[tuple[str, str]](), Counter[tuple[str, str]]()
    for name, kind, identifier in map(identity, zone.rrsets):
        kinds.setdefault(name, set()).add(kind)
        if identifier is None:
            simple.add((name, kind))
        else:
            weighted[name, kind] += 1
    for key in simple & weighted.keys():
        raise InvalidBatchError(f"{key}: a simple record beside weighted ones")
    for key, times in weighted.items():
        if times > MOST_WEIGHTED:
            raise InvalidBatchError(f"{key}: {times} weighted records, at most {MOST_WEIGHTED}")
    for name, known in kinds.items():
        if "CNAME" in known and len(known) > 1:
            raise InvalidBatchError(
                f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records"
            )
    there = simple | weighted.keys()
    for record in zone.rrsets:
        if record.alias_target and (alias_of(record), record.type) not in there:
            raise InvalidBatchError(
                f"Tried to create an alias that targets {alias_of(record)}, type {record.type} in zone {zone.id}, "
                "but that target was not found"
            )


def identity(record: RecordSet) -> Identity:
    """What tells records of one zone apart."""
    return str(record.name).lower(), str(record.type), record.set_identifier


def alias_of(record: RecordSet) -> str:
    """Name that an alias stands for."""
    return str((record.alias_target or {})["DNSName"]).lower().rstrip(".") + "."


def values_of(record: RecordSet) -> tuple[str, ...]:
    """As moto keeps them: in one way or another."""
    return tuple(value["Value"] if isinstance(value, dict) else str(value) for value in record.records)


def _values(record: ElementTree.Element) -> list[str]:
    return [value.text or "" for value in record.iter(f"{NAMESPACE}Value")]
