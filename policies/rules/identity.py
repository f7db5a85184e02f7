"""Who may do what: no keys that live long, no trust without conditions, no role that may do everything, machines that are hardened."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.expect import Absent, Given, Is, Matches, Table, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

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


ROLE, POOL_PROVIDER, FEDERATED = (
    "aws:iam/role:Role",
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    "azure-native:managedidentity:FederatedIdentityCredential",
)


def federation_conditions(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Whoever comes from another cloud is believed for one audience and one subject, not for having an account there."""
    match one.type:
        case "aws:iam/role:Role":
            for statement in _statements(one.at("assumeRolePolicy")):
                if _allows(statement) and any("webidentity" in action.lower() for action in _many(statement.get("Action"))):
                    yield from _conditions(one, statement)
        case "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider":
            yield from unmet(
                one, {POOL_PROVIDER: (Given(path="attributeCondition", limit="it must say who of that cloud is believed"),)}
            )
        case "azure-native:managedidentity:FederatedIdentityCredential":
            wanted = (
                Given(path="subject", limit="it must be one subject, without a wildcard", never=r"[*?]"),
                Given(path="issuer"),
                Matches(path="audiences[]", shape=r"[^*?]+", limit="it must be one audience, without a wildcard"),
            )
            yield from unmet(one, {FEDERATED: wanted})


def _conditions(one: Resource, statement: Mapping[str, Any]) -> Iterator[Finding]:
    """Of one statement of trust: both the audience and the subject, and neither is everything."""
    named: dict[str, list[str]] = {}
    for operator, pairs in (statement.get("Condition") or {}).items():
        if not operator.startswith("String") or "Not" in operator or operator.endswith("IfExists"):
            continue
        for key, values in pairs.items():
            named.setdefault(key.rpartition(":")[2].lower(), []).extend(_many(values))
    for wanted in (("aud", "oaud"), ("sub",)):
        values = [value for name in wanted for value in named.get(name, ())]
        if not values or any("*" in value for value in values):
            yield one.finding(f"web identities are believed without a condition on :{wanted[0]}")


def _statements(document: Any) -> Iterator[Mapping[str, Any]]:
    """Of a policy of IAM. Nothing while it is not known; `unknown-has-a-source` tells of that."""
    try:
        read = json.loads(document) if isinstance(document, str) else document
    except json.JSONDecodeError:
        return
    if isinstance(read, Mapping):
        found = read.get("Statement")
        yield from (one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping))


def _allows(statement: Mapping[str, Any]) -> bool:
    return statement.get("Effect") == "Allow"


def _many(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]


DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "aws:iam/policy:Policy": ("policy",),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    ROLE: ("assumeRolePolicy",),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy",),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy",),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("policy",),
}
ALMIGHTY = r"(?i)/(AdministratorAccess|PowerUserAccess|IAMFullAccess)$"
AZURE_ALMIGHTY: Mapping[str, str] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
}
GOOGLE_ALMIGHTY = frozenset({"roles/owner", "roles/editor"})
GIVES_ITSELF_MORE = r"\*|\.setIamPolicy$|^iam\.roles\.(create|update)$|^iam\.serviceAccountKeys\.create$"
"""Whoever may grant, or change a role of ours, may do everything. A grant names a role of ours, and what is in it is looked at here."""
GRANTS: tuple[str, ...] = (
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
    "gcp:kms/cryptoKeyIAMBinding:CryptoKeyIAMBinding",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:projects/iAMBinding:IAMBinding",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:secretmanager/regionalSecretIamMember:RegionalSecretIamMember",
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:serviceaccount/iAMBinding:IAMBinding",
    "gcp:serviceaccount/iAMMember:IAMMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember",
)
DOOR_GRANTS = frozenset(
    {"gcp:cloudrunv2/serviceIamMember:ServiceIamMember", "gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding"}
)
"""Cloud Run asks who calls before the service does. What is reached by its own balancer alone, with TLS of its own, may let all call."""


def iam_least_privilege(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Nobody may do everything, and nothing may be done by everybody."""
    for path in DOCUMENTS.get(one.type, ()):
        for statement in filter(_allows, _statements(one.at(path))):
            yield from _too_much(one, path, statement)
    match one.type:
        case "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
            yield from unmet(
                one, {one.type: (Given(path="policyArn", limit="it must not be able to do everything", never=ALMIGHTY),)}
            )
        case "aws:iam/role:Role":
            for place, arn in one.every("managedPolicyArns[]"):
                if isinstance(arn, str) and re.search(ALMIGHTY, arn):
                    yield one.finding(f"{place} {said(arn)}; it must not be able to do everything")
        case "azure-native:authorization:RoleAssignment":
            never = "(?i)(" + "|".join(AZURE_ALMIGHTY) + ")$"
            limit = f"it must not be {', '.join(AZURE_ALMIGHTY.values())}"
            yield from unmet(one, {one.type: (Given(path="roleDefinitionId", limit=limit, never=never),)})
        case "gcp:projects/iAMCustomRole:IAMCustomRole":
            for place, permission in one.every("permissions[]"):
                if permission is UNKNOWN or re.search(GIVES_ITSELF_MORE, str(permission)):
                    yield one.finding(f"{place} {said(permission)}; it must not lead to other permissions")
        case "azure-native:authorization:RoleDefinition":
            for path in ("permissions[].actions[]", "permissions[].dataActions[]"):
                for place, action in one.every(path):
                    if action is UNKNOWN or "*" in str(action):
                        yield one.finding(f"{place} {said(action)}; actions are named")
    if one.type in GRANTS:
        yield from _granted(one)


def _too_much(one: Resource, path: str, statement: Mapping[str, Any]) -> Iterator[Finding]:
    actions, resources = _many(statement.get("Action")), _many(statement.get("Resource"))
    if "*" in actions or "NotAction" in statement:
        yield one.finding(f"{path} allows every action; actions are named")
    elif "*" in resources and (wide := [action for action in actions if action.endswith(":*")]):
        yield one.finding(f"{path} allows {', '.join(wide)} on everything; actions or resources are named")
    principal = statement.get("Principal")
    open_to = principal.get("AWS") if isinstance(principal, Mapping) else principal
    if "*" in _many(open_to) and not statement.get("Condition"):
        yield one.finding(f"{path} lets everybody in, without a condition")


def _granted(one: Resource) -> Iterator[Finding]:
    role = one.at("role")
    if role is UNKNOWN or role in GOOGLE_ALMIGHTY:
        yield one.finding(f"role {said(role)}; a role that may do less")
    who = "members[]" if one.type.endswith("Binding") else "member"
    for _, member in one.every(who):
        if member in ("allUsers", "allAuthenticatedUsers") and one.type not in DOOR_GRANTS:
            yield one.finding(f"it is granted to {member}")


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


LOOKS_AT = (
    (frozenset(FORBIDDEN) - FOREIGN)
    | frozenset(_KEYLESS)
    | frozenset(DOCUMENTS)
    | frozenset(GRANTS)
    | frozenset(_MACHINES)
    | {POOL_PROVIDER, FEDERATED}
    | {
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "azure-native:authorization:RoleAssignment",
        "azure-native:authorization:RoleDefinition",
        "gcp:projects/iAMCustomRole:IAMCustomRole",
    }
)
