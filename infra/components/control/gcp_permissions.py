"""What controllers and vaults ask of Google, call by call, and on what. Pure: roles are made from it, and a test reads the adapters for it.

Calls are named as the adapters name them, and as Google's API reference does. Which permissions a call needs is Google's, "Permissions" of
each API: a change of a zone needs those of what is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class On(StrEnum):
    """What a permission is given on."""

    ZONE = "zone"
    """The managed zone."""
    PROJECT = "project"
    """The site's project. Services are not there before the site is live, so that nothing narrower could be named. Whoever may change one
    may change its image: docs/nodes.md, "What a controller may do at the clouds"."""
    RUNNERS = "runners"
    """The accounts that services run as: who changes a service, be it its floor alone, must be let act as its account (Cloud Run,
    "Configure service identity for services")."""
    WRAPPING_KEY = "wrapping-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """What a call needs on one thing."""

    permissions: tuple[str, ...]
    on: On


def _leave(on: On, *permissions: str) -> Leave:
    return Leave(permissions=permissions, on=on)


Asked = Mapping[str, tuple[Leave, ...]]

CONTROLLER: Asked = {
    "changes.create": (
        _leave(
            On.ZONE,
            "dns.changes.create",
            "dns.resourceRecordSets.create",
            "dns.resourceRecordSets.delete",
            "dns.resourceRecordSets.update",
        ),
    ),
    "changes.get": (_leave(On.ZONE, "dns.changes.get"),),
    "changes.list": (_leave(On.ZONE, "dns.changes.list"),),
    "instances.get": (_leave(On.PROJECT, "cloudsql.instances.get"),),
    "resourceRecordSets.list": (_leave(On.ZONE, "dns.resourceRecordSets.list"),),
    "services.get": (_leave(On.PROJECT, "run.services.get"),),
    "services.patch": (_leave(On.PROJECT, "run.services.update"), _leave(On.RUNNERS, "iam.serviceAccounts.actAs")),
}
"""What `controller/providers/gcp` asks, but `WITHHELD`."""

WITHHELD = frozenset({"instances.promoteReplica", "operations.get", "operations.list"})
"""Asked of read replicas that the vendor manages. These sites have none, so there is nothing that they could be asked of here."""

FILLING: Mapping[str, str] = {
    "secrets.addVersion": "secretmanager.versions.add",
    "secrets.versions.list": "secretmanager.versions.list",
}
"""What `secrets.py` asks there, and which permission it needs: of whoever fills places, with rights of their own. A controller has none of
it. To be shown a value is another one (`secretmanager.versions.access`)."""

TAKING = "iam.serviceAccounts.getAccessToken"
"""What somebody needs to act as an account, and nothing else with it: Google's own role for that also signs whatever it is given."""

VAULT: Asked = {
    "cryptoKeys.decrypt": (_leave(On.WRAPPING_KEY, "cloudkms.cryptoKeyVersions.useToDecrypt"),),
    "cryptoKeys.encrypt": (_leave(On.WRAPPING_KEY, "cloudkms.cryptoKeyVersions.useToEncrypt"),),
    "cryptoKeys.get": (_leave(On.WRAPPING_KEY, "cloudkms.cryptoKeys.get"),),
}
"""What `workload/vault/kms/gcp.py` asks."""


def permissions(asked: Asked, on: On) -> tuple[str, ...]:
    """Of those, the ones on that, each once."""
    return tuple(sorted({one for leaves in asked.values() for leave in leaves if leave.on is on for one in leave.permissions}))
