"""Traffic Manager, emulated: weighted profiles with external endpoints, checked as the vendor checks them.

Source: Azure Traffic Manager REST API, "Profiles - Create Or Update", and "Traffic Manager endpoint monitoring": probing every 10 or
30 seconds, timeout 5 to 9 or 5 to 10, 0 to 9 tolerated failures, weight 1 to 1000.
"""

from copy import deepcopy
from typing import Any

from lab.clouds.azure_arm import Answer, ArmError, Document, Question, Resources, merged, refuse

PROFILE = "Microsoft.Network/trafficManagerProfiles"
ENDPOINT = f"{PROFILE}/externalEndpoints"
METHODS = ("Performance", "Priority", "Weighted", "Geographic", "MultiValue", "Subnet")
PROTOCOLS = ("HTTP", "HTTPS", "TCP")
STATUS = ("Enabled", "Disabled")
MOST_PROFILES, MOST_ENDPOINTS = 200, 200
"""Of a subscription, and of a profile. Source: Azure subscription and service limits, Traffic Manager; codes and wording are ours."""
TIMEOUTS = {10: range(5, 10), 30: range(5, 11)}
"""Seconds of a probe's timeout, by seconds between probes."""


class TrafficManager:
    """Profiles and their endpoints."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def answer(self, asked: Question) -> Answer:
        """Carry one request out. Raises ArmError."""
        if asked.collection and len(asked.types) == 1:
            return Answer(body={"value": list(self._resources.under(asked.path))})
        return self._profile(asked) if len(asked.types) == 1 else self._endpoint(asked)

    def _profile(self, asked: Question) -> Answer:
        match asked.method:
            case "GET":
                return Answer(body=self._resources.get(asked.path))
            case "PUT":
                known = self._resources.find(asked.path)
                return Answer(status=200 if known else 201, body=self._write(asked, asked.body))
            case "PATCH":
                return Answer(body=self._write(asked, merged(self._resources.get(asked.path), asked.body)))
            case "DELETE":
                return Answer(status=200 if self._resources.delete(asked.path) else 204)
        raise ArmError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _endpoint(self, asked: Question) -> Answer:
        """One endpoint of a profile: it lives in the profile's list."""
        if asked.types[1] != "externalendpoints" or asked.collection:
            raise refuse(f"only single external endpoints are emulated, not {asked.path}")
        place, name = asked.parent(), asked.names[1].lower()
        profile = deepcopy(self._resources.get(place))
        endpoints: list[Document] = profile["properties"].setdefault("endpoints", [])
        found = next((endpoint for endpoint in endpoints if str(endpoint.get("name", "")).lower() == name), None)
        if asked.method in ("GET", "PATCH") and found is None:
            raise ArmError(404, "ResourceNotFound", f"The endpoint '{asked.names[1]}' was not found.")
        if asked.method == "GET":
            return Answer(body=found)
        left = [endpoint for endpoint in endpoints if endpoint is not found]
        if asked.method != "DELETE":
            written = merged(found, asked.body) if asked.method == "PATCH" else dict(asked.body)
            left.append({**written, "name": asked.names[1], "type": ENDPOINT})
        profile["properties"]["endpoints"] = left
        whole = Question(
            method="PUT",
            path=place,
            subscription=asked.subscription,
            group=asked.group,
            provider=asked.provider,
            types=asked.types[:1],
            names=asked.names[:1],
        )
        kept = self._write(whole, profile)["properties"]["endpoints"]
        if asked.method == "DELETE":
            return Answer(status=200 if found else 204)
        return Answer(status=200 if found else 201, body=kept[-1])

    def _write(self, asked: Question, body: Document) -> Document:
        document = deepcopy(body)
        check_profile(document)
        self._check_others(asked, document)
        properties = document["properties"]
        properties.setdefault("profileStatus", "Enabled")
        properties["dnsConfig"]["fqdn"] = f"{properties['dnsConfig']['relativeName']}.trafficmanager.net"
        for endpoint in properties.setdefault("endpoints", []):
            endpoint["id"] = f"{asked.path}/externalEndpoints/{endpoint['name']}"
            endpoint["properties"].setdefault("endpointStatus", "Enabled")
            endpoint["properties"].setdefault("weight", 1)
        document["type"] = PROFILE
        return self._resources.put(asked, document)

    def _check_others(self, asked: Question, profile: Document) -> None:
        """Raise ArmError when there is no room for one more profile, or its name in DNS is another's: it is one for all customers."""
        others = [one for one in self._resources.of_type(PROFILE) if str(one["id"]).lower() != asked.path.lower()]
        if len(others) >= MOST_PROFILES:
            raise ArmError(409, "QuotaExceeded", f"A subscription has at most {MOST_PROFILES} profiles.")
        name = str(profile["properties"]["dnsConfig"]["relativeName"]).lower()
        if any(str(one["properties"]["dnsConfig"]["relativeName"]).lower() == name for one in others):
            raise ArmError(
                409, "Conflict", f"The domain name {name}.trafficmanager.net is taken. Please choose a different DNS prefix."
            )


def check_profile(profile: Document) -> None:
    """Raise ArmError for what Traffic Manager refuses in a profile."""
    properties = profile.get("properties") or {}
    if str(profile.get("location", "")).lower() != "global":
        raise refuse(
            f"The location of a profile is global, not {profile.get('location')}.", "LocationNotAvailableForResourceType"
        )
    _one_of("trafficRoutingMethod", properties.get("trafficRoutingMethod"), METHODS)
    _one_of("profileStatus", properties.get("profileStatus", "Enabled"), STATUS)
    dns = properties.get("dnsConfig") or {}
    if not dns.get("relativeName"):
        raise refuse("dnsConfig.relativeName is required.")
    _whole("dnsConfig.ttl", dns.get("ttl"), range(2**31))
    _check_monitor(properties.get("monitorConfig") or {})
    endpoints = properties.get("endpoints") or []
    if len(endpoints) > MOST_ENDPOINTS:
        raise refuse(f"A profile has at most {MOST_ENDPOINTS} endpoints.")
    for endpoint in endpoints:
        _check_endpoint(endpoint)
    for key in ("name", "target"):
        values = [str((e if key == "name" else e["properties"])[key]).lower() for e in endpoints]
        if len(set(values)) != len(values):
            raise ArmError(409, "Conflict", f"Two endpoints of the profile share a {key}.")


def _check_monitor(monitor: Document) -> None:
    protocol, interval = monitor.get("protocol"), monitor.get("intervalInSeconds", 30)
    _one_of("monitorConfig.protocol", protocol, PROTOCOLS)
    _whole("monitorConfig.port", monitor.get("port"), range(1, 65536))
    if protocol != "TCP" and not str(monitor.get("path", "")).startswith("/"):
        raise refuse("monitorConfig.path has to begin with '/'.")
    if interval not in TIMEOUTS:
        raise refuse(f"monitorConfig.intervalInSeconds is 10 or 30, not {interval}.")
    _whole("monitorConfig.timeoutInSeconds", monitor.get("timeoutInSeconds", 9), TIMEOUTS[interval])
    _whole("monitorConfig.toleratedNumberOfFailures", monitor.get("toleratedNumberOfFailures", 3), range(10))


def _check_endpoint(endpoint: Document) -> None:
    properties = endpoint.get("properties") or {}
    if not endpoint.get("name") or not properties.get("target"):
        raise refuse("An endpoint needs a name and a target.")
    if str(endpoint.get("type", "")).lower() != ENDPOINT.lower():
        raise refuse(f"only external endpoints are emulated, not {endpoint.get('type')}")
    _whole("weight", properties.get("weight", 1), range(1, 1001))
    _one_of("endpointStatus", properties.get("endpointStatus", "Enabled"), STATUS)
    _one_of("alwaysServe", properties.get("alwaysServe", "Disabled"), STATUS)


def _one_of(what: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise refuse(f"{what} is one of {', '.join(allowed)}, not {value}.")


def _whole(what: str, value: Any, allowed: range) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise refuse(f"{what} is a whole number from {allowed.start} to {allowed.stop - 1}, not {value}.")
