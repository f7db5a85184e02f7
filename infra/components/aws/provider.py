"""Whose account, and where."""

import pulumi_aws as aws

from infra.settings import Settings
from infra.tags import tags


def make_provider(settings: Settings) -> aws.Provider:
    """The only provider of this stack. It refuses every account but the one of the settings, and puts the tags on whatever takes tags."""
    return aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=[settings.accounts.aws.account],
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags(settings)),
    )
