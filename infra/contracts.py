"""What stacks tell each other: every output that another stack reads, typed, in one place.

An output is an interface: who renames one breaks a stack that is applied by somebody else, on another day. So a stack publishes its
contract as a whole and reads others' as a whole, and a test compares what is published with what is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import pulumi

from infra.program import stack_name
from infra.services import DOORS
from infra.settings import Role, Settings

CONTRACT = 1
"""Grows when a field is renamed, removed or means something else. Adding one is no change for who reads."""
MARK = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteContract:
    """What a site's stack tells: the same for every cloud."""

    region: pulumi.Input[str]
    address: pulumi.Input[str]
    """Public IPv4 address of the site's edge."""
    certificate_records: pulumi.Input[list[dict[str, str]]]
    """Each with `name`, `type` and `value`: they prove to a cloud whose names it is asked to vouch for. All of them stand in all three
    zones, because a resolver may ask any, and for ever, because certificates are renewed by them. None where edges end TLS themselves:
    nobody vouches for names there but the certificate's issuer, whose questions are answered by who asks for certificates."""
    doors: pulumi.Input[dict[str, str]]
    """Where the site's edges are asked from the other two, through the mesh, as `host:port`: `peers` takes what another site's edge hands
    over, `agent` tells controllers what was counted."""
    network: pulumi.Input[str]
    """The private network, in the vendor's words: id, resource id, self link."""
    group: pulumi.Input[str]
    """Azure: the resource group. AWS: the account. Google: the project."""
    account: pulumi.Input[dict[str, str]]
    """Whose cloud it is, by the names of the settings' `accounts`: account; subscription and tenant; project and number."""
    routes: pulumi.Input[list[str]]
    """AWS: route tables that learn the others' addresses. Elsewhere the network itself does."""
    control_subnet: pulumi.Input[str]
    control_guard: pulumi.Input[str]
    """Security group, network security group, or service account that the site's other parts let in as the control node."""
    database_hosts: pulumi.Input[dict[str, str]]
    """By service: a name or address that the other two sites can dial through the mesh."""
    database_servers: pulumi.Input[dict[str, str]]
    """By service: the vendor's id of the server, for the controller's watch."""
    instances: pulumi.Input[dict[str, str]]
    """By service: what the vendor calls that whose floor the controller raises."""
    peaks: pulumi.Input[dict[str, int]]
    """By service: as many instances as carry all payments together, which is what the controller raises a site to."""
    cluster: pulumi.Input[str]
    """Where they run; empty where the vendor has no such thing."""
    secrets: pulumi.Input[dict[str, str]]
    """`service/name` to the vendor's id of the place, which `trimaran bootstrap` fills."""
    wrapping_key: pulumi.Input[str]
    """The vault's key at this cloud's key service: all three sites' vaults wrap with it."""
    disk_key: pulumi.Input[str]
    """What the control node's disk is encrypted with."""
    log: pulumi.Input[str]
    """Where records of the network, the mesh and the control node go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterconnectContract:
    """What the mesh tells. Who depends on it has ways to the other sites."""

    tunnels: pulumi.Input[dict[str, int]]
    """By pair of sites, `aws-gcp`: how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeContract:
    """What the zone's stack tells."""

    nameservers: pulumi.Input[list[str]]
    """To be named at the registrar, all of them."""
    served_by: pulumi.Input[dict[str, list[str]]]
    """By authority, as the controllers' settings call it: its own name servers, of which controllers ask one what clients are told."""
    asked_by: pulumi.Input[str]
    """Name that every site's edge has a certificate for: edges are asked by it where one site is meant, because it leads to any."""
    route53_zone: pulumi.Input[str]
    azure_zone: pulumi.Input[str]
    azure_zone_id: pulumi.Input[str]
    azure_group: pulumi.Input[str]
    """Resource group of the zone and the profiles."""
    clouddns_zone: pulumi.Input[str]
    names: pulumi.Input[dict[str, int]]
    """Weighted names that are steered, with their TTL in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlContract:
    """What the control plane's stack tells: how every controller and every vault proves itself to the other clouds."""

    nodes: pulumi.Input[dict[str, str]]
    """By cloud: private address of the control node."""
    identities: pulumi.Input[dict[str, str]]
    """By cloud: who the node there is to its own cloud (role, client id, service account)."""
    audiences: pulumi.Input[dict[str, str]]
    """For whom a node or a vault has its token made out, `gcp-aws` from Google for AWS. Between AWS and Google there is none: a signed
    question takes its place."""
    roles: pulumi.Input[dict[str, str]]
    """By cloud: what a controller from elsewhere acts as there (ARN, client id, service account)."""
    vault_roles: pulumi.Input[dict[str, str]]
    """By cloud: what a vault from elsewhere acts as there, to wrap with that cloud's key."""
    providers: pulumi.Input[dict[str, str]]
    """By cloud that is believed: Google's pool provider, `projects/…/providers/…`. Others than Google need none."""


C = TypeVar("C", SiteContract, InterconnectContract, EdgeContract, ControlContract)

CONTRACTS: Mapping[Role, type] = {
    Role.AWS: SiteContract,
    Role.AZURE: SiteContract,
    Role.GCP: SiteContract,
    Role.INTERCONNECT: InterconnectContract,
    Role.EDGE: EdgeContract,
    Role.CONTROL: ControlContract,
}


def doors_at(host: pulumi.Input[str]) -> pulumi.Output[dict[str, str]]:
    """All of an edge's private doors, when one host has them all."""
    return pulumi.Output.from_input(host).apply(lambda found: {name: f"{found}:{port}" for name, port in DOORS.items()})


def publish(contract: SiteContract | InterconnectContract | EdgeContract | ControlContract) -> None:
    """Export every field of it, and which contract it is."""
    pulumi.export(MARK, CONTRACT)
    for one in fields(contract):
        pulumi.export(one.name, getattr(contract, one.name))


def read(shape: type[C], settings: Settings, role: Role) -> C:
    """What the stack of that role of the same environment has published; every field an Output.

    The outputs raise RunError when it was never applied, lacks a field, or speaks another contract.
    """
    name = f"{settings.organization}/{pulumi.get_project()}/{stack_name(settings.environment, role)}"
    stack = pulumi.StackReference(name)

    def told(field: str) -> Callable[[Mapping[str, Any]], Any]:
        def take(outputs: Mapping[str, Any]) -> Any:
            return _checked(name, outputs, field)

        return take

    return shape(**{one.name: stack.outputs.apply(told(one.name)) for one in fields(shape)})


def _checked(stack: str, outputs: Mapping[str, Any], field: str) -> Any:
    if MARK not in outputs:
        raise pulumi.RunError(f"{stack} has published nothing: run `pulumi up --stack {stack}` first")
    if outputs[MARK] != CONTRACT:
        raise pulumi.RunError(
            f"{stack} speaks contract {outputs[MARK]:.0f}, and this program reads {CONTRACT}: apply that stack with this version first"
        )
    if field not in outputs:
        raise pulumi.RunError(f"{stack} has no output `{field}`: apply that stack with this version first")
    return outputs[field]
