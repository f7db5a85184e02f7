"""Where instances are started from."""

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.keys import Lock
from infra.names import APP
from infra.services import CONTROL, CONTROL_IMAGES
from infra.settings import Settings

FOR_NODE = f"{APP}-{CONTROL}"


class Images(pulumi.ComponentResource):
    """This cloud's own registry, in this region: an instance starts while both other clouds are down. A tag that was given once stays
    where it is, and what is pushed is searched for known weaknesses.

    One repository for what Cloud Run starts, with leave of its own, and one for what the control node runs, because a leave is about a
    repository as a whole. Their names have no environment in them, since they are part of the images' own: environments have projects of
    their own.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        lock: Lock,
        *,
        node: gcp.serviceaccount.Account,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`node`: who the control node is."""
        super().__init__("trimaran:gcp:Images", name, None, opts)
        self._settings, self._lock = settings, lock
        self.repository = self._repository(name, APP, "What runs at this site")
        self.for_node = self._repository(f"{name}-{CONTROL}", FOR_NODE, "What runs on the control node")
        gcp.artifactregistry.RepositoryIamMember(
            f"{name}-{CONTROL}",
            project=settings.accounts.gcp.project,
            location=settings.region,
            repository=self.for_node.repository_id,
            role="roles/artifactregistry.reader",
            member=node.member,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def of_node(self) -> dict[str, pulumi.Output[str]]:
        """By what the control node runs: where its images lie."""
        registry = f"{self._settings.region}-docker.pkg.dev/{self._settings.accounts.gcp.project}"
        return {one: pulumi.Output.concat(registry, "/", self.for_node.repository_id, "/", one) for one in CONTROL_IMAGES}

    def _repository(self, name: str, called: str, description: str) -> gcp.artifactregistry.Repository:
        return gcp.artifactregistry.Repository(
            name,
            location=self._settings.region,
            repository_id=called,
            description=description,
            format="DOCKER",
            mode="STANDARD_REPOSITORY",
            kms_key_name=self._lock.id,
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            vulnerability_scanning_config=gcp.artifactregistry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(self._lock.grants)),
        )
