"""Traffic Manager profiles as values, spelt as on the wire: which are ours, what their endpoints weigh, and how they weigh otherwise.

Source: Azure Traffic Manager REST API, "Profiles - Create Or Update": weight 1 to 1000, and no weight 0: an endpoint that is to get
no traffic is disabled. Profile names: 1 to 63 letters, digits, hyphens and dots.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.records import WeightedName

Profile = Mapping[str, Any]
"""A profile as Azure Resource Manager spells it."""

TAG = "trimaran"
"""Tag of a profile that is ours; its value is the group."""
TOTAL = 840
"""What the weights of one profile add up to. Below the limit of 1000 per endpoint, and divisible by every number up to 8, so that
the usual shares come out exact."""
EXTERNAL = "Microsoft.Network/trafficManagerProfiles/externalEndpoints"
LONGEST_NAME = 63


def profile_name(name: WeightedName) -> str:
    """Profile that answers a weighted name: the name with hyphens for dots, `payments-g-trimaran-test`. Raises Refused when too long."""
    found = name.absolute.rstrip(".").replace(".", "-")
    if len(found) > LONGEST_NAME:
        raise Refused(
            guard="profile-name",
            value=f"{found} has {len(found)} characters",
            limit=f"at most {LONGEST_NAME}",
            way_out="Give the group a shorter name.",
        )
    return found


def readable(answered: Profile) -> Profile:
    """The profile, once everything that is read of it later is there. Raises whatever it stumbles over: the caller takes that for an
    answer that makes no sense, where a controller would stumble in the middle of a steering."""
    str(answered["id"]), answered["name"].lower(), answered["properties"].keys(), (answered.get("tags") or {}).keys()
    for endpoint in _endpoints(answered):
        endpoint["name"].lower(), endpoint["type"].lower(), int(endpoint["properties"].get("weight") or 1)
    return answered


def owner(profile: Profile) -> str | None:
    """The group whose profile this is by its tag; None: it is nobody's of ours."""
    return (profile.get("tags") or {}).get(TAG)


def problem(group: Group, name: WeightedName, profile: Profile | None) -> str | None:
    """Why this name cannot be steered, with the way out; None when it can be."""
    wanted = profile_name(name)
    if profile is None:
        return f"{name.name}: there is no Traffic Manager profile {wanted}. Deploy it"
    properties = profile.get("properties") or {}
    if (tag := owner(profile)) != group:
        return f"{name.name}: profile {wanted} carries the tag {TAG}={tag or '(none)'}, not {group}. Tag it, or name another"
    if (method := properties.get("trafficRoutingMethod")) != "Weighted":
        return f"{name.name}: profile {wanted} routes by {method}. Make it Weighted"
    if properties.get("profileStatus", "Enabled") != "Enabled":
        return f"{name.name}: profile {wanted} is disabled and answers nothing. Enable it"
    return None


def owned_weights(profile: Profile, sites: Mapping[Site, str]) -> dict[Site, int]:
    """Weight of each of our endpoints, 0 for a disabled one. Ours are the external endpoints that are named after a site."""
    found: dict[Site, int] = {}
    for endpoint in _endpoints(profile):
        site = _site(endpoint, sites)
        if site is not None:
            properties = endpoint.get("properties") or {}
            enabled = properties.get("endpointStatus", "Enabled") == "Enabled"
            found[site] = int(properties.get("weight") or 1) if enabled else 0
    return found


def foreign_endpoints(profile: Profile, sites: Mapping[Site, str]) -> tuple[str, ...]:
    """Names of the endpoints that are not ours."""
    return tuple(str(endpoint.get("name")) for endpoint in _endpoints(profile) if _site(endpoint, sites) is None)


def steered(profile: Profile, weights: Mapping[Site, int], addresses: Mapping[Site, str]) -> Profile | None:
    """The whole profile with our endpoints weighing `weights`, the rest of it as it was read; None when they weigh that already.

    A site that `weights` does not name, or names with 0, is disabled and keeps its weight. A missing endpoint of a site that is to
    serve is made.
    """
    present = owned_weights(profile, addresses)
    wanted = {site: weights.get(site, 0) for site in {*present, *(s for s, weight in weights.items() if weight > 0)}}
    if wanted == present:
        return None
    changed = deepcopy(dict(profile))
    for endpoint in _endpoints(changed):
        site = _site(endpoint, addresses)
        if site is not None:
            endpoint["properties"] = {**(endpoint.get("properties") or {}), **_weighing(wanted[site])}
    for site in sorted(wanted.keys() - present.keys()):
        properties = {"target": addresses[site], **_weighing(wanted[site])}
        changed["properties"].setdefault("endpoints", []).append({"name": site, "type": EXTERNAL, "properties": properties})
    return changed


def _weighing(weight: int) -> dict[str, object]:
    return {"endpointStatus": "Enabled", "weight": weight} if weight > 0 else {"endpointStatus": "Disabled"}


def _endpoints(profile: Profile) -> list[dict[str, Any]]:
    return list((profile.get("properties") or {}).get("endpoints") or ())


def _site(endpoint: Mapping[str, Any], sites: Mapping[Site, str]) -> Site | None:
    """Azure may answer names and types in another case than they were given in."""
    if str(endpoint.get("type", "")).lower() != EXTERNAL.lower():
        return None
    name = str(endpoint.get("name", "")).lower()
    return next((site for site in sites if site.lower() == name), None)
