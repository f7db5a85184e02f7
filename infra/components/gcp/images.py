"""Where instances are started from."""

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.keys import Lock
from infra.names import APP
from infra.settings import Settings


class Images(pulumi.ComponentResource):
    """This cloud's own registry, in this region: an instance starts while both other clouds are down. A tag that was given once stays
    where it is, and what is pushed is searched for known weaknesses.

    Its name has no environment in it, since it is part of the images' own: environments have projects of their own.
    """

    def __init__(self, name: str, settings: Settings, lock: Lock, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Images", name, None, opts)
        self.repository = gcp.artifactregistry.Repository(
            name,
            location=settings.region,
            repository_id=APP,
            description="What runs at this site",
            format="DOCKER",
            mode="STANDARD_REPOSITORY",
            kms_key_name=lock.id,
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            vulnerability_scanning_config=gcp.artifactregistry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(lock.grants)),
        )
        self.register_outputs({})
