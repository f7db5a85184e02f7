"""Where the places are: read from what the stacks export, and checked. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from controller.errors import Refused
from controller.filling.plan import AWS, AZURE, GCP, SITES, Place, plan
from controller.filling.whose import Whose, accounts, refused, strangers
from controller.stacks.contract import CONTRACT, MARK, Stack

READ = (Stack.AWS, Stack.AZURE, Stack.GCP, Stack.EDGE, Stack.CONTROL)
SHAPES = {
    AWS: re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+"),
    AZURE: re.compile(r"https://[a-z0-9.:-]+/secrets/[A-Za-z0-9-]+"),
    GCP: re.compile(r"projects/[a-z0-9-]+/secrets/[A-Za-z0-9_-]+"),
}
"""How each vendor names a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Everything that is filled, and where it is."""

    domain: str
    """Whose environment it is."""
    places: tuple[Place, ...]
    ids: Mapping[str, str]
    """Of a place, as `SITE:READER/NAME`: what the vendor calls it."""

    def id(self, place: Place) -> str:
        """What the vendor calls it."""
        return self.ids[str(place)]


def understood(outputs: Mapping[Stack, Mapping[str, Any]], whose: Whose) -> Estate:
    """All places of all sites. Raises Refused with every problem at once, each with the stack and the output; then with every place that
    is not where it has to be."""
    problems = list(_unreadable(outputs))
    nodes, told = _nodes(outputs.get(Stack.CONTROL, {}))
    places = plan(nodes) if not told else ()
    found = {site: _secrets(outputs.get(Stack(site), {})) for site in SITES}
    domain = str(outputs.get(Stack.EDGE, {}).get("azure_zone") or "")
    ids = {str(one): found[one.site].get(one.name, "") for one in places}
    if not problems:
        problems = [*told, *_missing(ids, places), *_unknown(found, places), *_shared(ids)]
        problems += [] if domain else ["edge.azure_zone: missing"]
    if problems:
        raise Refused(
            guard="stacks",
            value="; ".join(problems),
            limit=f"outputs of contract {CONTRACT} of all of {', '.join(READ)}",
            way_out="Apply those stacks with this version (`pulumi up --stack ...`) and export them again.",
        )
    if foreign := [*accounts(whose, outputs), *strangers(whose, ids, places)]:
        raise refused(whose, foreign)
    return Estate(domain=domain, places=places, ids=ids)


def _unreadable(outputs: Mapping[Stack, Mapping[str, Any]]) -> Iterator[str]:
    for stack in READ:
        if stack not in outputs:
            yield f"{stack}: nothing is known of this stack"
        elif MARK not in outputs[stack]:
            yield f"{stack}: it has published nothing"
        elif outputs[stack][MARK] != CONTRACT:
            yield f"{stack}: it speaks contract {outputs[stack][MARK]}"


def _nodes(outputs: Mapping[str, Any]) -> tuple[Mapping[str, IPv4Address], list[str]]:
    told = outputs.get("nodes")
    found: dict[str, IPv4Address] = {}
    problems = []
    for site in SITES:
        try:
            found[site] = IPv4Address(told.get(site) if isinstance(told, dict) else "")
        except ValueError:
            problems.append(f"control.nodes.{site}: not the address of a node")
    return found, problems


def _secrets(outputs: Mapping[str, Any]) -> Mapping[str, str]:
    told = outputs.get("secrets")
    return {str(name): str(id) for name, id in told.items()} if isinstance(told, dict) else {}


def _missing(ids: Mapping[str, str], places: tuple[Place, ...]) -> Iterator[str]:
    for one in places:
        if not ids[str(one)]:
            yield f"{one.site}.secrets: no place {one.name}"
        elif SHAPES[one.site].fullmatch(ids[str(one)]) is None:
            yield f"{one.site}.secrets.{one.name}: not a place as {one.site} names them"


def _unknown(found: Mapping[str, Mapping[str, str]], places: tuple[Place, ...]) -> Iterator[str]:
    """A place that nobody knows how to fill stays empty, and its program does not start. Told where places are known at all."""
    if not places:
        return
    known = {(one.site, one.name) for one in places}
    for site, told in found.items():
        yield from (
            f"{site}.secrets: a place {name} that this version does not fill" for name in told if (site, name) not in known
        )


def _shared(ids: Mapping[str, str]) -> Iterator[str]:
    """Two secrets in one place: whoever is filled later is told the other's."""
    names: dict[str, str] = {}
    for name, id in ids.items():
        if id and id in names:
            yield f"{name}: the same place as {names[id]}"
        names.setdefault(id, name)
