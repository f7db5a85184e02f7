"""The accounts, subscriptions and projects that a stack of no one cloud touches: one provider for each, in the region of that cloud's site.

Each refuses every other account, so a shell that is logged in elsewhere changes nothing there. How the caller proves itself is left to its
surroundings: no credential stands in the state.
"""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
import pulumi_azure_native as azure
import pulumi_gcp as gcp

from infra.settings import Settings
from infra.tags import tags
from infra.topology import Cloud


def accounts(settings: Settings) -> Mapping[Cloud, pulumi.ResourceOptions]:
    """What a component is given to be made in that cloud."""
    regions = settings.topology.topology().regions
    owned = settings.accounts
    made: Mapping[Cloud, pulumi.ProviderResource] = {
        Cloud.AWS: aws.Provider(
            "aws",
            region=regions[Cloud.AWS],
            allowed_account_ids=[owned.aws.account],
            default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings, "internal")),
        ),
        Cloud.AZURE: azure.Provider(
            "azure",
            subscription_id=owned.azure.subscription,
            tenant_id=owned.azure.tenant,
            location=regions[Cloud.AZURE],
            disable_pulumi_partner_id=True,
        ),
        Cloud.GCP: gcp.Provider(
            "gcp", project=owned.gcp.project, region=regions[Cloud.GCP], default_labels=tags(settings, "internal")
        ),
    }
    return {cloud: pulumi.ResourceOptions(providers=[provider]) for cloud, provider in made.items()}
