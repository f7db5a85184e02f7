"""The control plane: a node at each site, and who its controllers and the sites' vaults are to the other two clouds.

One stack, because trust has two ends: each cloud is told who of the other two it believes. Applied after the sites, the mesh and the zone;
never during a failover. What runs on the nodes is told them when they are new (`infra.nodes`).
"""

from collections.abc import Mapping

import pulumi

from infra.components.accounts import accounts
from infra.components.control.aws_node import AwsNode, AwsNodeArgs
from infra.components.control.azure_node import AzureNode, AzureNodeArgs
from infra.components.control.federation import AllKnown, Known, Purpose, audiences, node
from infra.components.control.federation_aws import AwsFederation, AwsFederationArgs, AwsPlaces
from infra.components.control.federation_azure import AzureFederation, AzureFederationArgs, AzurePlaces
from infra.components.control.federation_gcp import GcpFederation, GcpFederationArgs
from infra.components.control.gcp_node import GcpNode, GcpNodeArgs
from infra.contracts import ControlContract, EdgeContract, SiteContract, publish, read
from infra.names import name_of
from infra.services import CONTROL, Service
from infra.settings import Role, Settings
from infra.topology import Cloud

NAME = "control"


def build(settings: Settings) -> None:
    """Who is known first, then who believes whom, then the nodes."""
    sites = {cloud: read(SiteContract, settings, Role(cloud)) for cloud in Cloud}
    edge = read(EdgeContract, settings, Role.EDGE)
    on = accounts(settings)
    known = _known(settings, sites)
    places = AwsPlaces(settings=settings, site=sites[Cloud.AWS], edge=edge)
    aws = AwsFederation(f"{NAME}-aws", AwsFederationArgs(settings=settings, known=known, places=places), on[Cloud.AWS])
    azure = AzureFederation(
        f"{NAME}-azure",
        AzureFederationArgs(
            settings=settings,
            known=known,
            places=AzurePlaces(settings=settings, site=sites[Cloud.AZURE], edge=edge),
            node=_principal(sites[Cloud.AZURE], CONTROL)["subject"],
            aws_issuer=aws.issuer,
        ),
        on[Cloud.AZURE],
    )
    google = GcpFederation(
        f"{NAME}-gcp", GcpFederationArgs(settings=settings, known=known, site=sites[Cloud.GCP], edge=edge), on[Cloud.GCP]
    )
    AwsNode(f"{NAME}-aws-node", AwsNodeArgs(settings=settings, site=sites[Cloud.AWS], places=places), on[Cloud.AWS])
    AzureNode(
        f"{NAME}-azure-node",
        AzureNodeArgs(settings=settings, site=sites[Cloud.AZURE], identity=_principal(sites[Cloud.AZURE], CONTROL)),
        on[Cloud.AZURE],
    )
    GcpNode(f"{NAME}-gcp-node", GcpNodeArgs(settings=settings, site=sites[Cloud.GCP]), on[Cloud.GCP])
    publish(
        ControlContract(
            nodes={cloud.value: str(site.control_node) for cloud, site in settings.network.plan().sites.items()},
            identities=pulumi.Output.all(**_nodes(settings, sites)).apply(dict),
            audiences=dict(audiences(settings)),
            roles=_taken(Purpose.CONTROLLER, aws, azure, google),
            vault_roles=_taken(Purpose.VAULT, aws, azure, google),
            providers=pulumi.Output.all(**{cloud.value: one.name for cloud, one in google.providers.items()}).apply(dict),
        )
    )


def _known(settings: Settings, sites: Mapping[Cloud, SiteContract]) -> AllKnown:
    """A controller is its node; a vault is what its site made it."""
    at = {
        Purpose.CONTROLLER: (node(settings), CONTROL),
        Purpose.VAULT: (name_of(settings.environment, Service.VAULT), Service.VAULT),
    }
    return {
        purpose: Known(
            aws_role=role,
            azure_principal=_principal(sites[Cloud.AZURE], who)["subject"],
            google_number=_principal(sites[Cloud.GCP], who)["subject"],
        )
        for purpose, (role, who) in at.items()
    }


def _nodes(settings: Settings, sites: Mapping[Cloud, SiteContract]) -> Mapping[str, pulumi.Input[str]]:
    """By cloud: who its node is, in the words of its own cloud."""
    client = _principal(sites[Cloud.AZURE], CONTROL)["client"]
    return {Cloud.AWS.value: node(settings), Cloud.AZURE.value: client, Cloud.GCP.value: sites[Cloud.GCP].control_guard}


def _principal(site: SiteContract, who: str) -> pulumi.Output[dict[str, str]]:
    """As the site's contract has it."""
    return pulumi.Output.from_input(site.principals).apply(lambda found: found[who])


def _taken(purpose: Purpose, aws: AwsFederation, azure: AzureFederation, google: GcpFederation) -> pulumi.Output[dict[str, str]]:
    taken: Mapping[Cloud, pulumi.Output[str]] = {
        Cloud.AWS: aws.roles[purpose].arn,
        Cloud.AZURE: azure.identities[purpose].client_id,
        Cloud.GCP: google.accounts[purpose].email,
    }
    return pulumi.Output.all(**{cloud.value: one for cloud, one in taken.items()}).apply(dict)
