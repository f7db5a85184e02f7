"""What is read of the stacks' outputs, field by field, and checked. Pure.

The program that publishes them is not imported here: where a controller runs there is no Pulumi. `infra.contracts` says the same names, and
a test compares both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.errors import Refused
from controller.settings_clouds import Address
from controller.settings_tables import HostName, Text, one_word

CONTRACT = 1
"""The contract that is read here."""
MARK = "contract"

SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  the engine's mark of a secret, of all that stand in any state
"""Key by which a sealed value is known in exported state."""
WITHHELD = "[secret]"
"""What the engine says in place of one when it is asked for outputs (`pulumi.automation`, SECRET_SENTINEL)."""


class Stack(StrEnum):
    """Whose outputs are read. The mesh tells nothing that a controller has to know."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    EDGE = "edge"
    CONTROL = "control"


SITES = (Stack.AWS, Stack.AZURE, Stack.GCP)


Door = Annotated[str, one_word(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}", "host:port")]


class Told(BaseModel):
    """Outputs of one stack. There are more: they are for other stacks."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SiteTold(Told):
    """Of a site."""

    region: Text
    address: Address
    """Public, of its edge."""
    doors: dict[str, Door]
    """Private ones of its edge."""
    group: Text
    account: dict[str, Text]
    database_hosts: dict[str, Text]
    database_servers: dict[str, Text]
    instances: dict[str, Text]
    peaks: dict[str, Annotated[int, Field(ge=1)]]
    cluster: str


class EdgeTold(Told):
    """Of the zone."""

    route53_zone: Text
    azure_zone: Text
    """The domain itself."""
    azure_group: Text
    clouddns_zone: Text
    served_by: dict[str, Annotated[list[Text], Field(min_length=1)]]
    """Name servers, by authority."""
    asked_by: HostName
    """In every edge's certificate."""
    names: Annotated[dict[Text, Annotated[int, Field(ge=0)]], Field(min_length=1)]


class ControlTold(Told):
    """Of the control plane."""

    nodes: dict[str, Address]
    roles: dict[str, Text]
    providers: dict[str, Text]


SHAPES: Mapping[Stack, type[Told]] = {
    **dict.fromkeys(SITES, SiteTold),
    Stack.EDGE: EdgeTold,
    Stack.CONTROL: ControlTold,
}
"""Each stack's outputs, as they are read."""


class Stacks(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True)

    sites: dict[str, SiteTold]
    edge: EdgeTold
    control: ControlTold


def understood(outputs: Mapping[Stack, Mapping[str, Any]]) -> Stacks:
    """What the stacks tell. Raises Refused with every problem at once, each with the stack and the output."""
    found: dict[Stack, Any] = {}
    problems: list[str] = []
    for stack in Stack:
        if stack not in outputs:
            problems.append(f"{stack}: nothing is known of this stack")
            continue
        told, wrong = _read(stack, outputs[stack])
        problems += wrong
        found[stack] = told
    problems += [*_missing(found), *_alike(found)]
    if problems:
        raise Refused(
            guard="stacks",
            value="; ".join(problems),
            limit=f"outputs of contract {CONTRACT} of all of {', '.join(Stack)}",
            way_out="Apply those stacks with this version (`pulumi up --stack ...`) and export them again.",
        )
    return Stacks(sites={str(site): found[site] for site in SITES}, edge=found[Stack.EDGE], control=found[Stack.CONTROL])


def _read(stack: Stack, outputs: Mapping[str, Any]) -> tuple[Told | None, list[str]]:
    if MARK not in outputs:
        return None, [f"{stack}: it has published nothing"]
    shape = SHAPES[stack]
    names = (MARK, *shape.model_fields)
    if sealed := [name for name in names if _is_sealed(outputs.get(name))]:
        return None, [f"{stack}.{name}: sealed as a secret, and nothing that is read here is one" for name in sealed]
    if outputs[MARK] != CONTRACT or isinstance(outputs[MARK], bool):
        return None, [f"{stack}.{MARK}: it speaks contract {outputs[MARK]!r}, and {CONTRACT} is read here"]
    try:
        return shape.model_validate(outputs), []
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        return None, [f"{stack}.{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in told]


def _is_sealed(output: object) -> bool:
    return output == WITHHELD or (isinstance(output, dict) and SECRET in output)


ACCOUNTS: Mapping[Stack, tuple[str, ...]] = {
    Stack.AWS: ("account",),
    Stack.AZURE: ("subscription", "tenant"),
    Stack.GCP: ("project", "number"),
}
"""What a cloud calls whose it is."""

SERVICES = ("payments", "vault")
"""Those with databases, which controllers look after."""

AUTHORITIES = ("route53", "azure", "clouddns")
"""Who serves the zone, as settings call them."""

TELLING = (Stack.AWS, Stack.AZURE)
"""Sites whose edge tells what it counted. Google's answers 503 to whatever comes by another door of its balancers than the clients'."""

BY_SERVICE = ("database_hosts", "database_servers", "instances", "peaks")

Problems = Iterator[str]


def _missing(found: Mapping[Stack, Any]) -> Problems:
    """What a table has to name and does not."""
    for site in SITES:
        told: SiteTold | None = found.get(site)
        if told is None:
            continue
        yield from _lacks(f"{site}.account", told.account, ACCOUNTS[site])
        for table in BY_SERVICE:
            yield from _lacks(f"{site}.{table}", getattr(told, table), SERVICES)
        yield from _lacks(f"{site}.doors", told.doors, ("agent",) if site in TELLING else ())
        if site == Stack.AWS and not told.cluster:
            yield f"{site}.cluster: empty, and services run in one there"
    edge: EdgeTold | None = found.get(Stack.EDGE)
    if edge is not None:
        yield from _lacks(f"{Stack.EDGE}.served_by", edge.served_by, AUTHORITIES)
    control: ControlTold | None = found.get(Stack.CONTROL)
    if control is not None:
        for table in ("nodes", "roles"):
            yield from _lacks(f"{Stack.CONTROL}.{table}", getattr(control, table), SITES)
        for site in (Stack.AWS, Stack.AZURE):
            if PROVIDER.fullmatch(control.providers.get(site, "")) is None:
                yield f"{Stack.CONTROL}.providers: none of Google's for {site}, as projects/.../providers/..."


def _lacks(output: str, table: Mapping[str, object], wanted: Iterable[str]) -> Problems:
    return (f"{output}: no {name}" for name in wanted if name not in table)


def _alike(found: Mapping[Stack, Any]) -> Problems:
    """What stands for two at once.

    1. gcp tells aws's address, by a slip of whoever wrote a file. 2. Who asks whether gcp lives is answered by aws. 3. aws dies, and its
    traffic is moved to gcp, which is aws.
    """
    sites: dict[Stack, SiteTold] = {site: found[site] for site in SITES if found.get(site) is not None}
    control: ControlTold | None = found.get(Stack.CONTROL)
    yield from _twice((f"{site}.address", told.address) for site, told in sites.items())
    yield from _twice(
        (f"{site}.database_hosts.{service}", host)
        for site, told in sites.items()
        for service, host in told.database_hosts.items()
    )
    yield from _twice((f"{site}.doors.{door}", at) for site, told in sites.items() for door, at in told.doors.items())
    if control is not None:
        yield from _twice((f"{Stack.CONTROL}.nodes.{site}", address) for site, address in control.nodes.items())


def _twice(told: Iterable[tuple[str, str]]) -> Problems:
    """Each has one of its own. Names of hosts are compared as resolvers do."""
    seen: dict[str, str] = {}
    for output, value in told:
        first = seen.setdefault(value.lower().rstrip("."), output)
        if first != output:
            yield f"{output}: {value} is {first} already"


PROVIDER = re.compile(
    r"(?:.*/)?projects/\d+/locations/global/workloadIdentityPools/(?P<pool>[^/]+)/providers/(?P<provider>[^/]+)"
)
"""How Google names a provider of a pool."""
