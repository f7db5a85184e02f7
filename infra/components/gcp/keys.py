"""Keys: one for each thing that somebody could lose without losing the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pulumi
import pulumi_gcp as gcp

from infra.services import DATABASES, Service
from infra.settings import Settings

ROTATION = timedelta(days=90)
GRACE = timedelta(days=30)
"""How long a version that somebody destroys can still be restored. It is fixed when a key is made, and never again."""

USES = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A key, and the leave to use it. What is locked with it waits for that leave: without it Google refuses to make the thing at all."""

    key: gcp.kms.CryptoKey
    grants: tuple[gcp.kms.CryptoKeyIAMMember, ...]

    @property
    def id(self) -> pulumi.Output[str]:
        """`projects/…/cryptoKeys/…`"""
        return self.key.id


def seconds(time: timedelta) -> str:
    """As Google's APIs want it."""
    return f"{time.total_seconds():.0f}s"


class Keys(pulumi.ComponentResource):
    """Who holds one opens nothing that another one closes. In hardware, in this region only, made new every 90 days.

    Their names are made up by the engine: no name of a ring or key can ever be used a second time, not even for one that is gone.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Keys", name, None, opts)
        self._name, self._settings = name, settings
        forever = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.ring = gcp.kms.KeyRing(name, location=settings.region, opts=forever)
        sql, run = self._agent("sqladmin"), self._agent("run")
        secrets, images = self._agent("secretmanager"), self._agent("artifactregistry")
        disks = f"serviceAccount:service-{settings.accounts.gcp.number}@compute-system.iam.gserviceaccount.com"
        self.databases: Mapping[Service, Lock] = {one: self._lock(f"{one}-database", sql=sql) for one in DATABASES}
        self.services: Mapping[Service, Lock] = {one: self._lock(one, secrets=secrets, run=run) for one in Service}
        """Closes what a service is told, and the copy of its image that Cloud Run keeps."""
        self.images = self._lock("images", registry=images)
        self.disk = self._lock("disk", compute=disks, secrets=secrets)
        """Closes what the control node keeps and is told."""
        self.logs = self._lock("logs", logging=self._logging())
        self.wrapping = self._lock("wrapping")
        self.register_outputs({})

    def grant(self, what: str, key: gcp.kms.CryptoKey, member: pulumi.Input[str]) -> gcp.kms.CryptoKeyIAMMember:
        """Somebody may close and open with it, and nothing else: not destroy it, not hand it on."""
        return gcp.kms.CryptoKeyIAMMember(
            f"{self._name}-{what}", crypto_key_id=key.id, role=USES, member=member, opts=pulumi.ResourceOptions(parent=self)
        )

    def _lock(self, what: str, **members: pulumi.Input[str]) -> Lock:
        key = gcp.kms.CryptoKey(
            f"{self._name}-{what}",
            key_ring=self.ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=seconds(ROTATION),
            destroy_scheduled_duration=seconds(GRACE),
            version_template=gcp.kms.CryptoKeyVersionTemplateArgs(
                algorithm="GOOGLE_SYMMETRIC_ENCRYPTION", protection_level="HSM"
            ),
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True),
        )
        return Lock(key=key, grants=tuple(self.grant(f"{what}-{agent}", key, member) for agent, member in members.items()))

    def _agent(self, api: str) -> pulumi.Output[str]:
        """Google's own hand of an API in this project. It exists once it has been asked for."""
        return gcp.projects.ServiceIdentity(
            f"{self._name}-{api}",
            project=self._settings.accounts.gcp.project,
            service=f"{api}.googleapis.com",
            opts=pulumi.ResourceOptions(parent=self),
        ).member

    def _logging(self) -> pulumi.Output[str]:
        """Logging's hand has to be asked for its name; not before there is a ring, or the first preview asks an API that is still off.

        A question that waits says in a preview nothing of what it waits for, and policies ask what a member is computed from: the ring.
        """
        told = gcp.logging.get_project_cmek_settings_output(
            project=self._settings.accounts.gcp.project,
            opts=pulumi.InvokeOutputOptions(parent=self, depends_on=[self.ring]),
        )
        return pulumi.Output.all(told.service_account_id, self.ring.id).apply(lambda known: f"serviceAccount:{known[0]}")
