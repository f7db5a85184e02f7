"""What controllers and vaults ask of Azure, call by call, and on what. Pure: roles are made from it, and a test reads the adapters for it.

Calls are named as the adapters name them, and as Azure's REST reference does. Which action a call needs is Azure's, "Azure permissions".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class On(StrEnum):
    """What an action is allowed on."""

    GROUP = "group"
    """The site's resource group: profiles are listed by it, and apps are not there before the site is live, so that nothing narrower could
    be named. Whoever may write an app writes all of it, its image too: docs/nodes.md, "What a controller may do at the clouds"."""
    SERVER = "server"
    """Each database server."""
    PROFILE = "profile"
    """The Traffic Manager profile of the weighted name."""
    ZONE = "zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """One action, on one kind of thing."""

    action: str
    on: On


def _leave(action: str, on: On) -> Leave:
    return Leave(action=f"Microsoft.{action}", on=on)


CONTROLLER: Mapping[str, Leave] = {
    "ContainerApps_Get": _leave("App/containerApps/read", On.GROUP),
    "ContainerApps_Update": _leave("App/containerApps/write", On.GROUP),
    "Profiles_CreateOrUpdate": _leave("Network/trafficManagerProfiles/write", On.PROFILE),
    "Profiles_ListByResourceGroup": _leave("Network/trafficManagerProfiles/read", On.GROUP),
    "RecordSets_ListByType": _leave("Network/dnsZones/A/read", On.ZONE),
    "Servers_Get": _leave("DBforPostgreSQL/flexibleServers/read", On.SERVER),
}
"""What `controller/providers/azure` asks, but `WITHHELD`. Nothing here deletes anything, and nothing grants."""

WITHHELD = frozenset({"MaintenanceEvents_List", "Operations_Get", "Servers_Update"})
"""The last two are asked of read replicas that the vendor manages. These sites have none; and whoever may write a server may give it
another password. For the first one Azure's list of permissions names no action, and Azure refuses a role that names an unknown one: the
controller does not learn when Azure maintains a server, and decides nothing by it."""

FILLING: Mapping[str, str] = {
    "GetSecretVersions": "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "SetSecret": "Microsoft.KeyVault/vaults/secrets/setSecret/action",
}
"""What `secrets.py` asks there, and which action on data it needs: of whoever fills places, with rights of their own. A controller has none
of it. To be shown a value is another one (`getSecret`)."""

VAULT = ("GetKeyVersions", "UnwrapKey", "WrapKey")
"""What `workload/vault/kms/azure.py` asks: what Key Vault Crypto Service Encryption User may, on the one key."""


def actions(on: On) -> tuple[str, ...]:
    """What a controller may do on that."""
    return tuple(sorted(leave.action for leave in CONTROLLER.values() if leave.on is on))
