"""The zone, served by three authorities at once: losing one leaves answers.

Pulumi owns that the records exist; the controllers own their weights. Applied after the three sites, and again when a site asks for
another certificate's proof; never during a failover.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pulumi

from infra.components.accounts import accounts
from infra.components.edge.azure import AzureDns, AzureDnsArgs
from infra.components.edge.clouddns import CloudDns, CloudDnsArgs
from infra.components.edge.route53 import Route53, Route53Args
from infra.components.edge.zone import TTL, Plan, RecordSet, absolute, asked_for
from infra.contracts import EdgeContract, SiteContract, publish, read
from infra.settings import Role, Settings
from infra.topology import Cloud

NAME = "edge"


def build(settings: Settings) -> None:
    """Three zones with the same in each, and at the apex of each the name servers of all."""
    sites = {cloud: read(SiteContract, settings, Role(cloud)) for cloud in Cloud}
    plan = Plan(domain=settings.domain)
    addresses = {cloud: site.address for cloud, site in sites.items()}
    sets = pulumi.Output.all(*(site.certificate_records for site in sites.values())).apply(_sets(plan))
    on, group = accounts(settings), sites[Cloud.AZURE].group
    route53 = Route53(f"{NAME}-route53", Route53Args(plan=plan, addresses=addresses, asked_for=sets), opts=on[Cloud.AWS])
    azure = AzureDns(
        f"{NAME}-azure",
        AzureDnsArgs(settings=settings, group=group, plan=plan, addresses=addresses, asked_for=sets),
        opts=on[Cloud.AZURE],
    )
    clouddns = CloudDns(
        f"{NAME}-clouddns",
        CloudDnsArgs(settings=settings, plan=plan, addresses=addresses, asked_for=sets),
        opts=on[Cloud.GCP],
    )
    own = {"route53": route53.nameservers, "azure": azure.nameservers, "clouddns": clouddns.nameservers}
    served_by = pulumi.Output.all(**own).apply(_spelt_alike)
    nameservers = served_by.apply(lambda served: union(tuple(served.values())))
    for authority in (route53, azure, clouddns):
        authority.delegate(nameservers)
    publish(
        EdgeContract(
            nameservers=nameservers,
            served_by=served_by,
            asked_by=plan.asked_by,
            route53_zone=route53.zone_id,
            azure_zone=azure.zone,
            azure_zone_id=azure.id,
            azure_group=group,
            clouddns_zone=clouddns.zone,
            names={plan.weighted: TTL},
        )
    )


def union(served: Sequence[Sequence[str]]) -> list[str]:
    """Name servers of all authorities, each once, spelt alike. Route 53 tells them without the dot at the end."""
    return sorted({absolute(server.lower()) for server in chain.from_iterable(served)})


def _spelt_alike(served: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {authority: union([servers]) for authority, servers in served.items()}


def _sets(plan: Plan) -> Any:
    def put_together(asked: Sequence[Sequence[Mapping[str, str]]]) -> tuple[RecordSet, ...]:
        return asked_for(plan, chain.from_iterable(asked))

    return put_together
