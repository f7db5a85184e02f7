"""`[clouds]` and `[authorities]`: who a site's controller is to each cloud, and where the zone is. Pure.

To the other two clouds it is what they let it be, for its own cloud's word. To its own it is what its node is.
"""

from collections.abc import Mapping

from controller.errors import Refused
from controller.stacks import layout
from controller.stacks.contract import PROVIDER, SITES, EdgeTold, Stacks

AWS, AZURE, GCP = map(str, SITES)

Table = Mapping[str, object]


def clouds(stacks: Stacks, site: str) -> Mapping[str, Table]:
    """How this site's controller reaches each. Raises Refused when the zone is not where the site at Azure is."""
    sites, group = stacks.sites, stacks.edge.azure_group
    if group != sites[AZURE].group:
        raise Refused(
            guard="settings",
            value=f"edge.azure_group: the zone at Azure is in {group}; azure.group: the site is in {sites[AZURE].group}",
            limit="one resource group for both, as the controller asks one",
            way_out="Apply the edge stack and the azure stack of the same environment.",
        )
    return {
        AWS: {"region": sites[AWS].region, "identity": _at_aws(stacks, site)},
        AZURE: {
            "subscription": sites[AZURE].account["subscription"],
            "resource_group": group,
            "identity": _at_azure(stacks, site),
        },
        GCP: {"project": sites[GCP].account["project"], "region": sites[GCP].region, "identity": _at_google(stacks, site)},
    }


def authorities(edge: EdgeTold) -> Mapping[str, Table]:
    """The zone, as each authority names it, and one of its name servers: what clients are told is asked of all three by whoever looks."""
    zones = {"route53": edge.route53_zone, "azure": edge.azure_zone, "clouddns": edge.clouddns_zone}
    return {name: {"zone": zone, "nameserver": {"host": min(edge.served_by[name]).rstrip(".")}} for name, zone in zones.items()}


def _at_aws(stacks: Stacks, site: str) -> Table:
    if site == AWS:
        return {"kind": "ambient"}
    return {"kind": "federated", "role": stacks.control.roles[AWS], "token_file": str(layout.identity_token(AWS))}


def _at_azure(stacks: Stacks, site: str) -> Table:
    if site == AZURE:
        return {"kind": "ambient"}
    return {
        "kind": "federated",
        "tenant": stacks.sites[AZURE].account["tenant"],
        "client": stacks.control.roles[AZURE],
        "token_file": str(layout.identity_token(AZURE)),
    }


def _at_google(stacks: Stacks, site: str) -> Table:
    """A machine at AWS needs no token file: Google is shown a signed question about who asks."""
    if site == GCP:
        return {"kind": "ambient"}
    named = PROVIDER.fullmatch(stacks.control.providers[site])
    assert named is not None, "checked where it was read"
    return {
        "kind": "federated",
        "project_number": stacks.sites[GCP].account["number"],
        "pool": named["pool"],
        "provider": named["provider"],
        "service_account": stacks.control.roles[GCP],
        **({} if site == AWS else {"token_file": str(layout.identity_token(GCP))}),
    }
