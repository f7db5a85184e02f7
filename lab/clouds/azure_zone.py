"""Azure DNS, emulated: zones, A and CNAME record sets, aliases, and the zone as its name servers answer it.

Source: Azure DNS REST API 2018-05-01, "Record Sets - Create Or Update"; Azure DNS, "Alias records overview": an alias of a Traffic
Manager profile answers one external endpoint of an IPv4 address with the profile's TTL, and nothing when no endpoint is enabled.
"""

import ipaddress
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from lab.clouds.azure_arm import Answer, ArmError, Document, Question, Resources, merged, refuse
from lab.clouds.azure_traffic import PROFILE
from lab.clouds.zone import Record

ZONE = "Microsoft.Network/dnsZones"
KINDS = {"a": "A", "cname": "CNAME"}
ALL = ("recordsets", "all")
PAGE = 100
NAMESERVER = "ns1-01.azure-dns.com."
SOA = "azuredns-hostmaster.microsoft.com. 1 3600 300 2419200 300"


class DnsZones:
    """Zones and their record sets."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._answered: dict[str, tuple[str, tuple[Record, ...]]] = {}
        """Etag and answers of each record set that is no alias: a thousand of them are not made anew for every change."""

    def answer(self, asked: Question) -> Answer:
        """Carry one request out. Raises ArmError."""
        if asked.collection:
            return Answer(body=_page(asked, self._list(asked)))
        document = self._zone_document if len(asked.types) == 1 else self._record_set
        match asked.method:
            case "GET":
                return Answer(body=self._resources.get(asked.path))
            case "DELETE":
                self._resources.check_conditions(asked)
                return Answer(status=200 if self._resources.delete(asked.path) else 204)
            case "PUT" | "PATCH":
                known = self._resources.find(asked.path)
                if asked.method == "PATCH":
                    known = self._resources.get(asked.path)
                self._resources.check_conditions(asked)
                body = merged(known, asked.body) if asked.method == "PATCH" else deepcopy(asked.body)
                written = self._resources.put(asked, document(asked, body))
                return Answer(status=200 if known else 201, body=written)
        raise ArmError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def zones(self) -> tuple[str, ...]:
        """Names of all zones."""
        return tuple(sorted(str(zone["name"]).lower() for zone in self._resources.of_type(ZONE)))

    def published(self, name: str) -> tuple[Record, ...]:
        """The zone as its name servers answer it."""
        zone = next(zone for zone in self._resources.of_type(ZONE) if str(zone["name"]).lower() == name)
        apex = f"{name}."
        records = [
            Record(name=apex, type="NS", ttl=172800, values=(NAMESERVER,)),
            Record(name=apex, type="SOA", ttl=3600, values=(f"{NAMESERVER} {SOA}",)),
        ]
        for kind in KINDS:
            for record_set in self._resources.under(f"{zone['id']}/{kind}"):
                relative = str(record_set["name"]).lower()
                records += self._kept(record_set, apex if relative == "@" else f"{relative}.{apex}")
        return tuple(records)

    def _kept(self, record_set: Document, name: str) -> tuple[Record, ...]:
        if record_set["properties"].get("targetResource"):
            return tuple(self._answers(record_set, name))
        etag, answers = self._answered.get(record_set["id"], ("", ()))
        if etag != record_set["etag"]:
            answers = tuple(self._answers(record_set, name))
            self._answered[record_set["id"]] = (record_set["etag"], answers)
        return answers

    def _list(self, asked: Question) -> list[Document]:
        if len(asked.types) == 1:
            return list(self._resources.under(asked.path))
        kinds = KINDS if asked.types[1] in ALL else (asked.types[1],)
        found = [document for kind in kinds for document in self._resources.under(f"{asked.parent()}/{kind}")]
        suffix = asked.query.get("$recordsetnamesuffix", "").lower()
        return [one for one in found if not suffix or str(one["name"]).lower().endswith(f".{suffix}")]

    def _zone_document(self, _: Question, body: Document) -> Document:
        if str(body.get("location", "")).lower() != "global":
            raise refuse(f"The location of a zone is global, not {body.get('location')}.", "LocationNotAvailableForResourceType")
        return {**body, "type": ZONE, "properties": {**(body.get("properties") or {}), "nameServers": [NAMESERVER]}}

    def _record_set(self, asked: Question, body: Document) -> Document:
        kind = KINDS.get(asked.types[1])
        if kind is None:
            raise refuse(f"only {' and '.join(KINDS.values())} record sets are emulated, not {asked.types[1]}")
        properties = body.setdefault("properties", {})
        target = (properties.get("targetResource") or {}).get("id")
        values = _values(kind, properties)
        if target and values:
            raise refuse("A record set has records or a target resource, not both.", "BadRequest")
        if target:
            self._check_target(kind, asked.parent(), target)
        else:
            _check_values(kind, values, properties.get("TTL"))
        beside = "a" if kind == "CNAME" else "cname"
        if self._resources.find(f"{asked.parent()}/{beside}/{asked.names[-1]}") is not None:
            raise refuse(f"A CNAME stands alone at its name: {asked.names[-1]}.", "CnameRecordConflict")
        zone = self._resources.get(asked.parent())["name"]
        properties["fqdn"] = f"{zone}." if asked.names[-1] == "@" else f"{asked.names[-1]}.{zone}."
        return {**body, "type": f"{ZONE}/{kind}"}

    def _check_target(self, kind: str, zone: str, target: str) -> None:
        found = self._resources.find(target)
        if found is None:
            raise refuse(f"The target resource {target} was not found.")
        if target.lower().startswith(f"{zone}/{kind}/".lower()):
            return
        if str(found["type"]).lower() != PROFILE.lower():
            raise refuse(f"An alias of a {found['type']} is not emulated.")
        for endpoint in found["properties"]["endpoints"]:
            if kind == "A" and not _is_address(endpoint["properties"]["target"]):
                raise refuse("An A record can be an alias of a profile only while all its endpoints are IPv4 addresses.")

    def _answers(self, record_set: Document, name: str) -> Iterator[Record]:
        """An alias inside the zone is answered as what it points at, under its own name."""
        properties = record_set["properties"]
        target = (properties.get("targetResource") or {}).get("id")
        kind = str(record_set["type"]).rpartition("/")[2]
        if target is None:
            yield Record(name=name, type=kind, ttl=int(properties["TTL"]), values=_values(kind, properties))
            return
        found = self._resources.find(target)
        if found is not None and str(found["type"]).lower() == PROFILE.lower():
            yield from _weighted(found, name)
        elif found is not None:
            yield from self._answers(found, name)


def _page(asked: Question, found: list[Document]) -> Document:
    """Azure DNS answers 100 at a time, and a link to the rest."""
    start, most = int(asked.query.get("$skiptoken", 0)), int(asked.query.get("$top", PAGE))
    rest = f"{asked.origin}{asked.path}?api-version={asked.query.get('api-version')}&$top={most}&$skiptoken={start + most}"
    return {"value": found[start : start + most], **({"nextLink": rest} if len(found) > start + most else {})}


def _weighted(profile: Document, name: str) -> Iterator[Record]:
    properties = profile["properties"]
    if properties["profileStatus"] != "Enabled":
        return
    for endpoint in properties["endpoints"]:
        if endpoint["properties"]["endpointStatus"] == "Enabled":
            yield Record(
                name=name,
                type="A",
                ttl=int(properties["dnsConfig"]["ttl"]),
                values=(endpoint["properties"]["target"],),
                set_identifier=endpoint["name"],
                weight=endpoint["properties"]["weight"],
                health=_health(properties["monitorConfig"], endpoint["properties"]),
            )


def _health(monitor: Document, endpoint: Document) -> str | None:
    if endpoint.get("alwaysServe") == "Enabled" or monitor["protocol"] == "TCP":
        return None
    if (monitor["protocol"], monitor["port"]) == ("HTTP", 80):
        return str(monitor["path"])
    return f"{monitor['protocol'].lower()}://{endpoint['target']}:{monitor['port']}{monitor['path']}"


def _values(kind: str, properties: Document) -> tuple[str, ...]:
    if kind == "CNAME":
        return tuple(filter(None, [(properties.get("CNAMERecord") or {}).get("cname")]))
    return tuple(str(record.get("ipv4Address")) for record in properties.get("ARecords") or ())


def _check_values(kind: str, values: tuple[str, ...], ttl: Any) -> None:
    if not isinstance(ttl, int) or not 1 <= ttl < 2**31:
        raise refuse(f"TTL is a whole number from 1 to 2147483647, not {ttl}.")
    if not values:
        raise refuse("A record set needs a record or a target resource.")
    if kind == "A" and not all(map(_is_address, values)):
        raise refuse(f"Not an IPv4 address among {', '.join(values)}.")


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
