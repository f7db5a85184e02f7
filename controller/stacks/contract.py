"""What is read of the stacks' outputs, field by field, and checked. Pure.

The program that publishes them is not imported here: where a controller runs there is no Pulumi. `infra.contracts` says the same names, and
a test compares both.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.errors import Refused
from controller.settings_clouds import Address
from controller.settings_tables import Text

CONTRACT = 1
"""The contract that is read here."""
MARK = "contract"

SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  the engine's mark of a secret, of all that stand in any state
"""Key by which a sealed value is known in exported state."""


class Stack(StrEnum):
    """Whose outputs are read. The mesh tells nothing that a controller has to know."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    EDGE = "edge"
    CONTROL = "control"


SITES = (Stack.AWS, Stack.AZURE, Stack.GCP)


class Told(BaseModel):
    """Outputs of one stack. There are more: they are for other stacks."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SiteTold(Told):
    """Of a site."""

    region: Text
    address: Address
    """Public, of its edge."""
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
    problems += _missing_of_sites(found)
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
    if outputs[MARK] != CONTRACT:
        return None, [f"{stack}: it speaks contract {outputs[MARK]}"]
    shape = SHAPES[stack]
    if sealed := sorted(name for name in shape.model_fields if isinstance(outputs.get(name), dict) and SECRET in outputs[name]):
        return None, [f"{stack}.{name}: sealed as a secret, and nothing that is read here is one" for name in sealed]
    try:
        return shape.model_validate(outputs), []
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        return None, [f"{stack}.{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}" for one in told]


ACCOUNTS: Mapping[Stack, tuple[str, ...]] = {
    Stack.AWS: ("account",),
    Stack.AZURE: ("subscription", "tenant"),
    Stack.GCP: ("project", "number"),
}
"""What a cloud calls whose it is."""

SERVICES = ("payments", "vault")
"""Those with databases, which controllers look after."""

BY_SERVICE = ("database_hosts", "database_servers", "instances", "peaks")


def _missing_of_sites(found: Mapping[Stack, Any]) -> list[str]:
    """What a table has to name and does not."""
    problems: list[str] = []
    for site in SITES:
        told: SiteTold | None = found.get(site)
        if told is None:
            continue
        problems += [f"{site}.account: no {name}" for name in ACCOUNTS[site] if name not in told.account]
        for table in BY_SERVICE:
            problems += [f"{site}.{table}: no {service}" for service in SERVICES if service not in getattr(told, table)]
    control: ControlTold | None = found.get(Stack.CONTROL)
    if control is not None:
        for table in ("nodes", "roles"):
            problems += [f"control.{table}: no {site}" for site in SITES if site not in getattr(control, table)]
        problems += [
            f"control.providers: none of Google's for {site}, as projects/.../providers/..."
            for site in (Stack.AWS, Stack.AZURE)
            if PROVIDER.fullmatch(control.providers.get(site, "")) is None
        ]
    return problems


PROVIDER = re.compile(
    r"(?:.*/)?projects/\d+/locations/global/workloadIdentityPools/(?P<pool>[^/]+)/providers/(?P<provider>[^/]+)"
)
"""How Google names a provider of a pool."""
