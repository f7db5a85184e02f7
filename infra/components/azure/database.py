"""One service's PostgreSQL server at the site."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi import CustomTimeouts, ErrorHook, ErrorHookArgs, ResourceHookBinding, ResourceOptions
from pulumi_azure_native import authorization, managedidentity
from pulumi_azure_native import dbforpostgresql as postgresql

from infra.components.azure.keys import Sealer
from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.postgres import PARAMETERS, RETENTION_DAYS, VERSION
from infra.services import Service
from infra.settings import Settings
from infra.topology import Cloud

SIZES = {"small": ("Standard_D2ds_v5", "GeneralPurpose"), "large": ("Standard_E8ds_v5", "MemoryOptimized")}
"""See `settings.DatabasesTable.size`: 2 processors and 8 GiB, 8 and 64."""

BUSY = "ServerIsBusy"
"""What Azure says while it still carries out an earlier write, even when that was answered as done (Azure/azure-postgresql#134)."""
TRIES, PAUSE = 20, 30.0
"""How often a write is sent again, and seconds between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseArgs:
    """What it is made from."""

    ground: Ground
    network: Network
    service: Service
    sealer: Sealer
    founder: managedidentity.UserAssignedIdentity
    """Who logs in first."""
    busy: ErrorHook


class Database(pulumi.ComponentResource):
    """Promise: private, encrypted with a key of its own, on two zones at once, with 35 days to go back to, and hard to delete.

    Backups stay in the region. Azure would keep copies in a region that it pairs with this one by itself: a place that the topology has
    not chosen and some regions have none, with a second key there. What two other sites and this one's 35 days keep is enough.

    The first login is none of a password. Azure wants an administrator's password as soon as logins by password are on, and whatever is
    given here stands in the state. So the server is made without them, and `founder`, an identity, is its administrator. As that identity
    somebody turns passwords on, with an administrator that nobody uses and a password that nobody keeps (docs/deploy.md), and sets
    `founded`: from then on this program asks for passwords on. Then `trimaran bootstrap` makes the services' roles (scram) and fills their
    passwords into the vaults. What the setting prevents: 1. bootstrap has run, and the site is not live yet. 2. Somebody gives the server
    more storage, and Azure is sent the whole document, with passwords off as they were when it was made. 3. Every stream and service of
    the site is turned away at its next login. A setting that is taken away again turns nothing off.
    """

    def __init__(self, name: str, args: DatabaseArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Database", name, None, opts)
        self._name, self._args = name, args
        self.server = self._server()
        self.founded = self._administrator()
        self.settings = self._settings()
        self.lock = authorization.ManagementLockByScope(
            f"{name}-lock",
            lock_name=f"{args.service}-database-stays",
            scope=self.server.id,
            level="CanNotDelete",
            notes="Azure has no other guard against deleting a server.",
            opts=ResourceOptions(parent=self, protect=True),
        )
        self.register_outputs({"server": self.server.id})

    def _server(self) -> postgresql.Server:
        ground, sealer = self._args.ground, self._args.sealer
        settings = ground.settings
        sku, tier = SIZES[settings.databases.size]
        return postgresql.Server(
            f"{self._name}-server",
            resource_group_name=ground.group,
            server_name=ground.called(self._args.service),
            location=ground.region,
            version=VERSION,
            create_mode="Default",
            sku=postgresql.SkuArgs(name=sku, tier=tier),
            storage=postgresql.StorageArgs(storage_size_gb=storage_gib(settings.databases.storage_gib), auto_grow="Enabled"),
            backup=postgresql.BackupArgs(backup_retention_days=RETENTION_DAYS, geo_redundant_backup="Disabled"),
            high_availability=postgresql.HighAvailabilityArgs(mode="ZoneRedundant"),
            network=postgresql.NetworkArgs(
                delegated_subnet_resource_id=self._args.network.subnet(f"{self._args.service}-database"),
                private_dns_zone_arm_resource_id=self._args.network.zone("servers").id,
                public_network_access="Disabled",
            ),
            auth_config=postgresql.AuthConfigArgs(
                active_directory_auth="Enabled",
                password_auth="Enabled" if _has_passwords(settings) else "Disabled",
                tenant_id=settings.accounts.azure.tenant,
            ),
            data_encryption=postgresql.DataEncryptionArgs(
                type="AzureKeyVault",
                primary_key_uri=sealer.key.key_uri_with_version,
                primary_user_assigned_identity_id=sealer.identity.id,
            ),
            identity=postgresql.UserAssignedIdentityArgs(
                type="UserAssigned",
                user_assigned_identities=sealer.identity.id.apply(lambda id: {id: postgresql.UserIdentityArgs()}),
            ),
            tags=ground.tags(),
            opts=ResourceOptions(
                parent=self,
                protect=True,
                ignore_changes=self._left_alone(),
                depends_on=[self._args.network.zone_ready("servers"), sealer.allowed],
                custom_timeouts=CustomTimeouts(create="60m", update="60m"),
                hooks=ResourceHookBinding(on_error=[self._args.busy]),
            ),
        )

    def _left_alone(self) -> list[str]:
        """Its zones change places when the standby takes over; storage grows by itself; logins by password: see above."""
        passwords = () if _has_passwords(self._args.ground.settings) else ("authConfig.passwordAuth",)
        return ["availabilityZone", "highAvailability.standbyAvailabilityZone", "storage.storageSizeGB", *passwords]

    def _administrator(self) -> postgresql.Administrator:
        founder = self._args.founder
        return postgresql.Administrator(
            f"{self._name}-founder",
            resource_group_name=self._args.ground.group,
            server_name=self.server.name,
            object_id=founder.principal_id,
            principal_name=founder.name,
            principal_type="ServicePrincipal",
            tenant_id=self._args.ground.settings.accounts.azure.tenant,
            opts=self._after(self.server),
        )

    def _settings(self) -> tuple[postgresql.Configuration, ...]:
        """One after the other: Azure writes one at a time. Those that need a restart wait for one; `trimaran doctor` says which."""
        written: list[postgresql.Configuration] = []
        for parameter in PARAMETERS[Cloud.AZURE]:
            written.append(
                postgresql.Configuration(
                    f"{self._name}-{parameter.name.replace('_', '-')}",
                    resource_group_name=self._args.ground.group,
                    server_name=self.server.name,
                    configuration_name=parameter.name,
                    value=parameter.value,
                    source="user-override",
                    opts=self._after(written[-1] if written else self.founded),
                )
            )
        return tuple(written)

    def _after(self, earlier: pulumi.Resource) -> ResourceOptions:
        hooks = ResourceHookBinding(on_error=[self._args.busy])
        return ResourceOptions(parent=self, depends_on=[earlier], hooks=hooks)


def _has_passwords(settings: Settings) -> bool:
    """Have logins by password been turned on? A site is live only afterwards."""
    return settings.founded or settings.live


def storage_gib(asked: int) -> int:
    """The smallest disk that Azure has for as much: its sizes are powers of two."""
    return 1 << (asked - 1).bit_length()


def is_busy(errors: Sequence[str]) -> bool:
    """Is it worth sending the write again? `errors`: all so far, the newest first."""
    return bool(errors) and BUSY in errors[0] and len(errors) <= TRIES


def retry_when_busy(pause: float = PAUSE) -> ErrorHook:
    """Sends a write again that came too early. One for a stack: the engine knows it by its name."""

    async def again(failed: ErrorHookArgs) -> bool:
        if not is_busy(failed.errors):
            return False
        await asyncio.sleep(pause)
        return True

    return ErrorHook("azure-server-is-busy", again)
