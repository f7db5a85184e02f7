"""Empty places, which `trimaran bootstrap` fills. What is in them never passes through here, and is in no state."""

from collections.abc import Mapping
from datetime import timedelta

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.identities import Identities
from infra.components.gcp.keys import Keys, Lock, seconds
from infra.names import name_of
from infra.services import CONTROL, CONTROL_SECRETS, PROGRAMS, Service
from infra.settings import Settings

GRACE = timedelta(days=30)
"""How long a version that somebody destroys can still be restored."""

Places = Mapping[Service, Mapping[str, gcp.secretmanager.Secret]]


class Secrets(pulumi.ComponentResource):
    """A place for everything in `services.PROGRAMS` that is told to a process: closed with that service's key, open to it alone. And for
    what the control node is told, closed with the node's.

    One copy, in this region. They are no regional secrets, which are kept behind the region's own endpoint: Cloud Run does not read
    those (Cloud Run documentation, "Configure secrets for services", limitations).
    """

    def __init__(
        self, name: str, settings: Settings, *, keys: Keys, identities: Identities, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:gcp:Secrets", name, None, opts)
        self._name, self._settings, self._keys, self._identities = name, settings, keys, identities
        self.grants: dict[Service, list[pulumi.Resource]] = {}
        """The leaves to read. An instance that starts before it may read does not start."""
        self.places: Places = {
            service: {one.name: self._of_service(service, one.name) for one in program.secrets}
            for service, program in PROGRAMS.items()
        }
        self.control = {one: self._place(CONTROL, one, keys.disk, identities.control)[0] for one in CONTROL_SECRETS}
        self.register_outputs({})

    def ids(self) -> dict[str, pulumi.Output[str]]:
        """`service/name` to `projects/…/secrets/…`."""
        readers = {**{service.value: places for service, places in self.places.items()}, CONTROL: self.control}
        return {f"{reader}/{name}": place.id for reader, places in readers.items() for name, place in places.items()}

    def _of_service(self, service: Service, secret: str) -> gcp.secretmanager.Secret:
        place, leave = self._place(service, secret, self._keys.services[service], self._identities.services[service])
        self.grants.setdefault(service, []).append(leave)
        return place

    def _place(
        self, reader: str, secret: str, lock: Lock, account: gcp.serviceaccount.Account
    ) -> tuple[gcp.secretmanager.Secret, gcp.secretmanager.SecretIamMember]:
        """And the leave to read it."""
        place = gcp.secretmanager.Secret(
            f"{self._name}-{reader}-{secret}",
            secret_id=name_of(self._settings.environment, reader, secret),
            replication=_here(self._settings.region, lock.id),
            version_destroy_ttl=seconds(GRACE),
            deletion_protection=True,
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=list(lock.grants)),
        )
        leave = gcp.secretmanager.SecretIamMember(
            f"{self._name}-{reader}-{secret}",
            secret_id=place.id,
            role="roles/secretmanager.secretAccessor",
            member=account.member,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return place, leave


def _here(region: str, key: pulumi.Input[str]) -> gcp.secretmanager.SecretReplicationArgs:
    """Left to Google, copies would be wherever Google likes."""
    encryption = gcp.secretmanager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(kms_key_name=key)
    replica = gcp.secretmanager.SecretReplicationUserManagedReplicaArgs(location=region, customer_managed_encryption=encryption)
    return gcp.secretmanager.SecretReplicationArgs(
        user_managed=gcp.secretmanager.SecretReplicationUserManagedArgs(replicas=[replica])
    )
