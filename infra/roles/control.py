"""The control plane: a node at each site, and who its controllers and the sites' vaults are to the other two clouds.

One stack, because trust has two ends: each cloud is told who of the other two it believes. Applied after the sites, the mesh and the zone;
never during a failover. What runs on the nodes is not made here (`nodes.first_words`).
"""

from collections.abc import Mapping

import pulumi

from infra.components.accounts import accounts
from infra.components.control.aws_node import AwsNode, AwsNodeArgs
from infra.components.control.azure_node import AzureNode, AzureNodeArgs
from infra.components.control.federation import AllKnown, Known, Purpose, audiences, node
from infra.components.control.federation_aws import AwsFederation, AwsFederationArgs, AwsPlaces
from infra.components.control.federation_azure import AzureFederation, AzureFederationArgs, AzureKnown, AzurePlaces
from infra.components.control.federation_gcp import GcpFederation, GcpFederationArgs, GcpKnown
from infra.components.control.gcp_node import GcpNode, GcpNodeArgs
from infra.contracts import ControlContract, EdgeContract, SiteContract, publish, read
from infra.names import name_of
from infra.services import Service
from infra.settings import Role, Settings
from infra.topology import Cloud

NAME = "control"


def build(settings: Settings) -> None:
    """Who is known first, then who believes whom, then the nodes."""
    sites = {cloud: read(SiteContract, settings, Role(cloud)) for cloud in Cloud}
    edge = read(EdgeContract, settings, Role.EDGE)
    on = accounts(settings)
    at_azure = AzureKnown(f"{NAME}-azure-known", settings, sites[Cloud.AZURE], on[Cloud.AZURE])
    at_google = GcpKnown(f"{NAME}-gcp-known", settings, sites[Cloud.GCP], on[Cloud.GCP])
    known = _known(settings, at_azure, at_google)
    places = AwsPlaces(settings=settings, site=sites[Cloud.AWS], edge=edge)
    aws = AwsFederation(f"{NAME}-aws", AwsFederationArgs(settings=settings, known=known, places=places), on[Cloud.AWS])
    azure = AzureFederation(
        f"{NAME}-azure",
        AzureFederationArgs(
            settings=settings,
            known=known,
            places=AzurePlaces(settings=settings, site=sites[Cloud.AZURE], edge=edge),
            node=at_azure.node.principal_id,
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
        AzureNodeArgs(settings=settings, site=sites[Cloud.AZURE], identity=at_azure.node.id),
        on[Cloud.AZURE],
    )
    GcpNode(f"{NAME}-gcp-node", GcpNodeArgs(settings=settings, site=sites[Cloud.GCP]), on[Cloud.GCP])
    publish(
        ControlContract(
            nodes={cloud.value: str(site.control_node) for cloud, site in settings.network.plan().sites.items()},
            identities=pulumi.Output.all(
                aws=node(settings), azure=at_azure.node.client_id, gcp=sites[Cloud.GCP].control_guard
            ).apply(dict),
            audiences=dict(audiences(settings)),
            roles=_taken(Purpose.CONTROLLER, aws, azure, google),
            vault_roles=_taken(Purpose.VAULT, aws, azure, google),
            providers=pulumi.Output.all(**{cloud.value: one.name for cloud, one in google.providers.items()}).apply(dict),
        )
    )


def _known(settings: Settings, azure: AzureKnown, google: GcpKnown) -> AllKnown:
    """A controller is its node; a vault is what its site made it."""
    return {
        Purpose.CONTROLLER: Known(aws_role=node(settings), azure_principal=azure.node.principal_id, google_number=google.node),
        Purpose.VAULT: Known(
            aws_role=name_of(settings.environment, Service.VAULT),
            azure_principal=azure.vault.principal_id,
            google_number=google.vault,
        ),
    }


def _taken(purpose: Purpose, aws: AwsFederation, azure: AzureFederation, google: GcpFederation) -> pulumi.Output[dict[str, str]]:
    taken: Mapping[Cloud, pulumi.Output[str]] = {
        Cloud.AWS: aws.roles[purpose].arn,
        Cloud.AZURE: azure.identities[purpose].client_id,
        Cloud.GCP: google.accounts[purpose].email,
    }
    return pulumi.Output.all(**{cloud.value: one for cloud, one in taken.items()}).apply(dict)
