"""Puts together the stores for secrets of all three sites, as whom the settings' `[clouds]` say. Part of `wiring`.

Whoever fills writes and never reads. It needs: AWS `secretsmanager:DescribeSecret`, `secretsmanager:PutSecretValue`, and of the places'
keys `kms:GenerateDataKey` and `kms:Decrypt`; Azure the actions `setSecret` and `readMetadata` on the vaults' secrets; Google
`secretmanager.versions.list` and `secretmanager.versions.add`. The sites' stacks make somebody who may just that, called `filling`.
"""

from collections.abc import Mapping
from functools import partial

from controller.core.model import Site
from controller.errors import Refused
from controller.ports import SecretStore
from controller.settings_clouds import CloudsTable
from controller.wiring_clouds import aws_client, azure_access, google_client


def secret_stores(clouds: CloudsTable) -> Mapping[str, SecretStore]:
    """By site. Nothing is asked before the first call. Raises Refused when a cloud is not named."""
    if clouds.aws is None or clouds.azure is None or clouds.gcp is None:
        missing = [name for name in ("aws", "azure", "gcp") if getattr(clouds, name) is None]
        raise Refused(
            guard="secrets",
            value=f"no {', '.join(f'[clouds.{name}]' for name in missing)}",
            limit="how each cloud's API is reached, and as whom",
            way_out="Name it in the settings; `trimaran settings from-stacks` writes them.",
        )
    from controller.providers.aws.secrets import SecretsManager
    from controller.providers.azure.secrets import KeyVaults, vaults_client
    from controller.providers.gcp.secrets import SecretManager

    arm, credential = azure_access(clouds.azure)
    return {
        "aws": SecretsManager(client=aws_client("secretsmanager", clouds.aws), site=Site("aws")),
        "azure": KeyVaults(client=partial(vaults_client, arm, credential), site=Site("azure")),
        "gcp": SecretManager(client=google_client("secretmanager", "v1", clouds.gcp), site=Site("gcp")),
    }
