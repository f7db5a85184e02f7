"""Who somebody is: no keys that live long, and machines that nobody else can pass for."""

from collections.abc import Iterator, Mapping

from policies.rules.expect import Absent, Is, Table, unmet
from policies.rules.seen import Facts, Finding, Resource

FORBIDDEN: Mapping[str, str] = {
    "aws:iam/accessKey:AccessKey": "let who needs it assume a role",
    "aws:iam/user:User": "people come by single sign-on, machines by roles",
    "aws:iam/userLoginProfile:UserLoginProfile": "people come by single sign-on",
    "azuread:index/applicationPassword:ApplicationPassword": "use a federated credential",
    "azuread:index/servicePrincipalPassword:ServicePrincipalPassword": "use a federated credential",
    "gcp:serviceaccount/key:Key": "use workload identity federation",
    "gcp:storage/hmacKey:HmacKey": "use workload identity federation",
}
FOREIGN = frozenset(token for token in FORBIDDEN if token.startswith("azuread:"))
"""Of an SDK that is not installed here: a stack that adds it must not bring these."""

_KEYLESS: Table = {
    "azure-native:storage:StorageAccount": (Is(path="allowSharedKeyAccess", allowed=(False,)),),
    "azure-native:containerregistry:Registry": (Is(path="adminUserEnabled", allowed=(False,)),),
}


def no_long_lived_keys(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Nothing that works for whoever copied it, until somebody thinks of revoking it."""
    if (way_out := FORBIDDEN.get(one.type)) is not None:
        yield one.finding(f"a key that lives until it is revoked; {way_out}")
    yield from unmet(one, _KEYLESS)


_SHIELDED = "shieldedInstanceConfig"
_ON = ("TRUE", "true", True)
_MACHINES: Table = {
    "aws:ec2/instance:Instance": (
        Is(path="metadataOptions.httpTokens", allowed=("required",)),
        Is(path="associatePublicIpAddress", allowed=(False,)),
        Is(path="rootBlockDevice.encrypted", allowed=(True,)),
        Absent(path="keyName", limit="nobody comes by a shared SSH key; use Session Manager"),
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": (
        Is(path="metadataOptions.httpTokens", allowed=("required",)),
        Absent(path="keyName", limit="nobody comes by a shared SSH key; use Session Manager"),
    ),
    "azure-native:compute:VirtualMachine": (
        Is(path="securityProfile.securityType", allowed=("TrustedLaunch", "ConfidentialVM")),
        Is(path="securityProfile.encryptionAtHost", allowed=(True,)),
        Is(path="securityProfile.uefiSettings.secureBootEnabled", allowed=(True,)),
        Is(path="securityProfile.uefiSettings.vTpmEnabled", allowed=(True,)),
        Is(path="osProfile.linuxConfiguration.disablePasswordAuthentication", allowed=(True,)),
        Absent(path="osProfile.adminPassword", limit="nobody comes by a password"),
    ),
    "azure-native:network:NetworkInterface": (
        Absent(path="ipConfigurations[].publicIPAddress", limit="no machine has a public address"),
    ),
    "gcp:compute/instance:Instance": (
        Is(path=f"{_SHIELDED}.enableSecureBoot", allowed=(True,)),
        Is(path=f"{_SHIELDED}.enableVtpm", allowed=(True,)),
        Is(path=f"{_SHIELDED}.enableIntegrityMonitoring", allowed=(True,)),
        Is(path="metadata.enable-oslogin", allowed=_ON),
        Is(path="metadata.block-project-ssh-keys", allowed=_ON),
        Absent(path="networkInterfaces[].accessConfigs", limit="no machine has a public address"),
    ),
}


def vm_hardening(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Machines start what was signed, tell their credentials only to themselves, have no public address and no password."""
    yield from unmet(one, _MACHINES)


LOOKS_AT = (frozenset(FORBIDDEN) - FOREIGN) | frozenset(_KEYLESS) | frozenset(_MACHINES)
