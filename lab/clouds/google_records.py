"""What Cloud DNS takes as a record set, how two are compared, and how its name servers answer one.

Source: Cloud DNS API v1, ResourceRecordSet and RRSetRoutingPolicy; "DNS routing policies and health checks" (weights are not
negative; health-checked items of public zones name external endpoints and need a health check). CNAME stands alone: RFC 1034 3.6.2.
"""

import ipaddress
import math
from collections.abc import Iterable, Mapping
from typing import Any

from lab.clouds.google_errors import ApiError
from lab.clouds.zone import Record

RecordSet = dict[str, Any]
Key = tuple[str, str]
"""Name and type."""

TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT"})
LONGEST_TTL = 2**31 - 1
OUTPUT_ONLY = frozenset({"kind", "signatureRrdatas"})


def key(record: Mapping[str, Any]) -> Key:
    """What tells record sets of one zone apart."""
    return str(record.get("name", "")).lower(), str(record.get("type", ""))


def plain(value: Any) -> Any:
    """A record set without what only the server writes, for comparing; order of addresses and items does not matter."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items() if name not in OUTPUT_ONLY}
    if isinstance(value, list):
        return sorted((plain(part) for part in value), key=repr)
    return float(value) if isinstance(value, int | float) else value


def check(record: Mapping[str, Any], where: str, origin: str, health_checks: Mapping[str, str]) -> None:
    """Raise ApiError for a record set that Cloud DNS would not take; `where` names it, as in `entity.change.additions[0]`."""
    name, kind = key(record)
    if not name.endswith(".") or not (name == origin or name.endswith("." + origin)):
        raise _invalid(f"{where}.name", record.get("name"))
    if kind not in TYPES:
        raise _invalid(f"{where}.type", kind)
    ttl = record.get("ttl")
    if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 <= ttl <= LONGEST_TTL:
        raise _invalid(f"{where}.ttl", ttl)
    policy = record.get("routingPolicy")
    if bool(policy) == bool(record.get("rrdatas")):
        raise _invalid(where, "rrdatas and routingPolicy: exactly one of them")
    if not policy:
        check_data(kind, record["rrdatas"], f"{where}.rrdatas")
        return
    if len({"geo", "wrr", "primaryBackup"} & policy.keys()) != 1:
        raise _invalid(f"{where}.routingPolicy", "exactly one policy")
    if "wrr" in policy:
        _check_weighted(kind, policy, f"{where}.routingPolicy", health_checks)


def _check_weighted(kind: str, policy: Mapping[str, Any], where: str, health_checks: Mapping[str, str]) -> None:
    items, check_name = policy["wrr"].get("items") or [], policy.get("healthCheck")
    if not items:
        raise _invalid(f"{where}.wrr.items", "none")
    if check_name is not None and str(check_name).rpartition("/")[2] not in health_checks:
        raise _invalid(f"{where}.healthCheck", check_name)
    for index, item in enumerate(items):
        place, weight = f"{where}.wrr.items[{index}]", item.get("weight", 0)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
            raise _invalid(f"{place}.weight", weight)
        checked = (item.get("healthCheckedTargets") or {}).get("externalEndpoints")
        if bool(checked) == bool(item.get("rrdatas")):
            raise _invalid(place, "rrdatas and healthCheckedTargets: exactly one of them")
        if checked and check_name is None:
            raise _invalid(f"{place}.healthCheckedTargets", "no health check in the policy")
        check_data(kind, item.get("rrdatas") or checked, place)


def check_data(kind: str, values: object, where: str) -> None:
    """Raise ApiError for values that are no texts, twice the same, or no IPv4 address where one belongs."""
    if (
        not isinstance(values, list)
        or not all(isinstance(value, str) and value for value in values)
        or len(set(values)) != len(values)
    ):
        raise _invalid(where, values)
    for value in values if kind == "A" else ():
        try:
            ipaddress.IPv4Address(value)
        except ValueError as error:
            raise _invalid(where, value) from error


def check_alone(records: Mapping[Key, RecordSet], changed: Iterable[tuple[Key, str]]) -> None:
    """Raise ApiError when a CNAME stands beside another type of the same name."""
    for (name, kind), where in changed:
        others = {other for known, other in records if known == name and other != kind}
        if others and "CNAME" in {kind, *others}:
            raise ApiError(
                400,
                "cnameResourceRecordSetConflict",
                f"The resource record set '{where}' is invalid because the DNS name '{name}' has records of {', '.join(sorted(others))}",
            )


def published(record: Mapping[str, Any], health_checks: Mapping[str, str]) -> tuple[Record, ...]:
    """As the name servers answer it: one choice per weighted item, with what its health check asks."""
    name, kind = key(record)
    policy = record.get("routingPolicy")
    if not policy:
        return (Record(name=name, type=kind, ttl=record["ttl"], values=tuple(record["rrdatas"])),)
    asked = health_checks.get(str(policy.get("healthCheck", "")).rpartition("/")[2])
    return tuple(
        Record(
            name=name,
            type=kind,
            ttl=record["ttl"],
            values=tuple(item.get("rrdatas") or item["healthCheckedTargets"]["externalEndpoints"]),
            set_identifier=str(index),
            weight=float(item.get("weight", 0)),
            health=asked if item.get("healthCheckedTargets") else None,
        )
        for index, item in enumerate(policy.get("wrr", {}).get("items", ()))
    )


def _invalid(where: str, value: object) -> ApiError:
    return ApiError(400, "invalid", f"Invalid value for '{where}': '{value}'")
