"""Empty places, which `trimaran bootstrap` fills. What is in them never passes through here, and is in no state."""

from collections.abc import Mapping
from datetime import timedelta

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.identities import Identities
from infra.components.gcp.keys import Keys, seconds
from infra.names import name_of
from infra.services import PROGRAMS, Secret, Service
from infra.settings import Settings

GRACE = timedelta(days=30)
"""How long a version that somebody destroys can still be restored."""

Places = Mapping[Service, Mapping[str, gcp.secretmanager.Secret]]


class Secrets(pulumi.ComponentResource):
    """A place for everything in `services.PROGRAMS` that is told to a process: closed with that service's key, open to it alone.

    One copy, in this region. They are no regional secrets, which are kept behind the region's own endpoint: Cloud Run does not read
    those (Cloud Run documentation, "Configure secrets for services", limitations).
    """

    def __init__(
        self, name: str, settings: Settings, *, keys: Keys, identities: Identities, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:gcp:Secrets", name, None, opts)
        self._name, self._settings, self._keys, self._identities = name, settings, keys, identities
        self.readers: dict[Service, list[pulumi.Resource]] = {}
        """The leaves to read. An instance that starts before it may read does not start."""
        self.places: Places = {
            service: {one.name: self._place(service, one) for one in program.secrets} for service, program in PROGRAMS.items()
        }
        self.register_outputs({})

    def ids(self) -> dict[str, pulumi.Output[str]]:
        """`service/name` to `projects/…/secrets/…`."""
        return {f"{service}/{name}": place.id for service, places in self.places.items() for name, place in places.items()}

    def _place(self, service: Service, secret: Secret) -> gcp.secretmanager.Secret:
        lock = self._keys.services[service]
        place = gcp.secretmanager.Secret(
            f"{self._name}-{service}-{secret.name}",
            secret_id=name_of(self._settings.environment, service, secret.name),
            replication=_here(self._settings.region, lock.id),
            version_destroy_ttl=seconds(GRACE),
            deletion_protection=True,
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(lock.grants)),
        )
        reader = gcp.secretmanager.SecretIamMember(
            f"{self._name}-{service}-{secret.name}",
            secret_id=place.id,
            role="roles/secretmanager.secretAccessor",
            member=self._identities.services[service].member,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.readers.setdefault(service, []).append(reader)
        return place


def _here(region: str, key: pulumi.Input[str]) -> gcp.secretmanager.SecretReplicationArgs:
    """Left to Google, copies would be wherever Google likes."""
    encryption = gcp.secretmanager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(kms_key_name=key)
    replica = gcp.secretmanager.SecretReplicationUserManagedReplicaArgs(location=region, customer_managed_encryption=encryption)
    return gcp.secretmanager.SecretReplicationArgs(
        user_managed=gcp.secretmanager.SecretReplicationUserManagedArgs(replicas=[replica])
    )
