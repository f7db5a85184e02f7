"""The site's keys: what Azure encrypts with, one for each thing, and what the vaults of all sites wrap with."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, compute, keyvault, managedidentity

from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.vault import Vault, VaultArgs
from infra.services import DATABASES

ROTATES = "P360D"
"""After this long a key gets a new version (ISO 8601)."""

SEALED = ("registry", "audit", "disks")
"""What is encrypted beside the databases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysArgs:
    """What they are made from."""

    ground: Ground
    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """A key, and the identity that Azure uses it with: no other identity may use it, and this one may use no other key."""

    key: keyvault.Key
    identity: managedidentity.UserAssignedIdentity
    allowed: authorization.RoleAssignment
    """Whatever is encrypted is made after this: Azure tries the key when it makes it."""


class Keys(pulumi.ComponentResource):
    """Promise: a key for each thing, in a security module, a new version every `ROTATES`, and none that can be destroyed for 90 days.

    Versions do not expire. 1. A key gets an end. 2. Its rotation fails, unnoticed, for a year. 3. The end comes: the server that is
    encrypted with it stops, and its standby with it, at the moment nobody expects anything.
    """

    def __init__(self, name: str, args: KeysArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Keys", name, None, opts)
        self._name, self._ground = name, args.ground
        own = ResourceOptions(parent=self)
        self.sealing = Vault(f"{name}-sealing", self._vault("keys", None), own)
        self.wrapping = Vault(f"{name}-wrapping", self._vault("wrapping", args.network), own)
        self.wrapping_key = self._key(self.wrapping, "cards", "cards")
        self.sealers = {what: self._sealer(what) for what in (*(f"{one}-database" for one in DATABASES), *SEALED)}
        self.disks = self._disks()
        self.register_outputs({"wrapping_key": self.wrapping_key.key_uri})

    def lets_wrap(self, service: str, who: Output[str]) -> authorization.RoleAssignment:
        """Let that one wrap and unwrap with the key of the vaults, and do nothing else with it."""
        return self.wrapping.grant(f"{service}-wraps", "wraps", who, on=self.wrapping_key.id)

    def _vault(self, called: str, asked_from: Network | None) -> VaultArgs:
        return VaultArgs(ground=self._ground, called=called, hardware=True, asked_from=asked_from)

    def _key(self, vault: Vault, what: str, called: str) -> keyvault.Key:
        return keyvault.Key(
            f"{self._name}-{what}",
            resource_group_name=self._ground.group,
            vault_name=vault.vault.name,
            key_name=called,
            properties=keyvault.KeyPropertiesArgs(
                kty=keyvault.JsonWebKeyType.RS_A_HSM,
                key_size=3072,
                key_ops=[keyvault.JsonWebKeyOperation.WRAP_KEY, keyvault.JsonWebKeyOperation.UNWRAP_KEY],
                rotation_policy=keyvault.RotationPolicyArgs(
                    lifetime_actions=[
                        keyvault.LifetimeActionArgs(
                            trigger=keyvault.TriggerArgs(time_after_create=ROTATES),
                            action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                        )
                    ]
                ),
            ),
            tags=self._ground.tags(),
            opts=ResourceOptions(parent=vault, protect=True),
        )

    def _sealer(self, what: str) -> Sealer:
        key = self._key(self.sealing, what, what)
        identity = managedidentity.UserAssignedIdentity(
            f"{self._name}-{what}-identity",
            resource_group_name=self._ground.group,
            resource_name_=self._ground.called(what, "key"),
            tags=self._ground.tags("none"),
            # Without its identity Azure cannot open what it has encrypted.
            opts=ResourceOptions(parent=self, protect=True),
        )
        allowed = self.sealing.grant(f"{what}-wraps", "wraps", identity.principal_id, on=key.id)
        return Sealer(key=key, identity=identity, allowed=allowed)

    def _disks(self) -> compute.DiskEncryptionSet:
        """For disks of the control node."""
        sealer = self.sealers["disks"]
        return compute.DiskEncryptionSet(
            f"{self._name}-disk-set",
            resource_group_name=self._ground.group,
            disk_encryption_set_name=self._ground.called("disks"),
            active_key=compute.KeyForDiskEncryptionSetArgs(key_url=sealer.key.key_uri_with_version),
            encryption_type="EncryptionAtRestWithCustomerKey",
            rotation_to_latest_key_version_enabled=True,
            identity=compute.EncryptionSetIdentityArgs(type="UserAssigned", user_assigned_identities=[sealer.identity.id]),
            tags=self._ground.tags("internal"),
            # Azure moves to each new version by itself.
            opts=ResourceOptions(parent=self, protect=True, depends_on=[sealer.allowed], ignore_changes=["activeKey.keyUrl"]),
        )
