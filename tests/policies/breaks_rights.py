"""What is made wrong about who may do what, and who is believed. `breaks` puts these rows beside the others."""

import json
from collections.abc import Mapping
from typing import Any

from tests.policies.breaking import Break, InPreview
from tests.policies.sample_rest import POOL as POOLED
from tests.policies.samples import ACCOUNT, may

RIGHTS, BELIEVED = "iam-least-privilege", "federation-conditions"
ROLE, POLICY, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy"
KEY = "aws:kms/key:Key"
ATTACHED, TO_AZURE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "azure-native:authorization:RoleAssignment"
DEFINED = "azure-native:authorization:RoleDefinition"
POOL = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
GRANT, CUSTOM = "gcp:projects/iAMMember:IAMMember", "gcp:projects/iAMCustomRole:IAMCustomRole"
TAKEN, DOOR = "gcp:serviceaccount/iAMMember:IAMMember", "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"
ELSEWHERE = "arn:aws:iam::999999999999:root"
OWNER = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
GOOGLE = {"Federated": "accounts.google.com"}
ONE = {"accounts.google.com:oaud": "trimaran", "accounts.google.com:sub": "1234"}
"""Of the conditions that trust of Google's has to have."""


def allows(**parts: Any) -> str:
    """A document of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **parts}]})


def _wrong(
    token: str, path: str, value: object, *, control: str = RIGHTS, also: tuple[str, ...] = (), seen: bool = False
) -> Break:
    """`seen`: does a preview know it? What other things' ids stand in it does not."""
    in_preview = InPreview.REFUSED if seen else InPreview.TRACED
    return Break(control=control, type=token, path=path, value=value, also=frozenset(also), in_preview=in_preview)


def _trusts(control: str = RIGHTS, also: tuple[str, ...] = (), **parts: Any) -> Break:
    return _wrong(ROLE, "assumeRolePolicy", allows(**parts), control=control, also=also)


def _azure(guid: str) -> Break:
    return _wrong(TO_AZURE, "roleDefinitionId", f"/x/roleDefinitions/{guid}")


def _condition(text: str) -> Break:
    return _wrong(POOL, "attributeCondition", text, control=BELIEVED)


DOCUMENTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("every action of every service", {"Action": "*:*", "Resource": "*"}),
    ("all but some actions", {"NotAction": ["iam:*"], "Resource": "*"}),
    ("iam, wherever", {"Action": "iam:*", "Resource": "arn:aws:iam::*:*"}),
    ("iam, of all but some", {"Action": "iam:*", "NotResource": "arn:aws:iam::*:role/x"}),
    ("roles are handed on, and written", {"Action": ["iam:PassRole", "iam:PutRolePolicy"], "Resource": "*"}),
    ("by a shorter name", {"Action": "iam:Put*", "Resource": f"arn:aws:iam::{ACCOUNT}:role/x"}),
    ("a key is handed on", {"Action": "kms:CreateGrant", "Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"}),
    ("a key is handed on, by a wildcard", {"Action": "kms:Create?rant", "Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"}),
    ("whichever role", {"Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{ACCOUNT}:role/*"}),
    ("whichever secret", {"Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
    ("secrets of all but some", {"Action": "secretsmanager:GetSecretValue", "NotResource": "arn:x"}),
    ("whichever account's", {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::*"}),
)
"""Of what somebody may do."""
POLICIES = tuple(_wrong(POLICY, "policy", allows(**parts)) for _, parts in DOCUMENTS)

AWS = (
    _wrong(ROLE_POLICY, "policy", may("*", "*")),
    _wrong(ROLE_POLICY, "policy", may("kms:*", "*")),
    *(_wrong(ROLE_POLICY, "policy", allows(**parts)) for _, parts in DOCUMENTS),
    _wrong(ROLE_POLICY, "policy", "{"),
    _wrong(KEY, "policy", allows(Action="kms:Decrypt", Resource="*", Principal={"AWS": ELSEWHERE})),
    _wrong(KEY, "policy", allows(Action="kms:Decrypt", Resource="*", Principal="*")),
    _wrong(KEY, "policy", allows(Action="kms:Decrypt", Resource="*", Principal={"CanonicalUser": "79a59df900b949e5"})),
    _wrong(KEY, "policy", allows(Action="kms:*", Resource="*", Principal={**OWNER, "Service": "logs.amazonaws.com"})),
    _wrong(KEY, "policy", allows(Action="kms:*", Resource="*", Principal={"Service": "logs.amazonaws.com"})),
    _wrong(KEY, "policy", allows(Action="kms:PutKeyPolicy", Resource="*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/x"})),
    _wrong(KEY, "policy", allows(Action="kms:*", Resource="*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/x"})),
)
AZURE = (
    _wrong(DEFINED, "permissions[0].actions", ["*"], seen=True),
    _wrong(DEFINED, "permissions[0].actions", ["Microsoft.DBforPostgreSQL/*"], seen=True),
    _wrong(DEFINED, "permissions[0].actions", ["Microsoft.Authorization/roleAssignments/write"], seen=True),
    _wrong(DEFINED, "permissions[0].actions", ["microsoft.authorization/locks/delete"], seen=True),
    _wrong(DEFINED, "permissions[0].actions", ["Microsoft.KeyVault/vaults/accessPolicies/write"], seen=True),
    _wrong(
        DEFINED,
        "permissions[0].actions",
        ["Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"],
        seen=True,
    ),
    _wrong(DEFINED, "permissions[0].dataActions", ["Microsoft.KeyVault/vaults/secrets/*"], seen=True),
)
GCP = (
    _wrong(GRANT, "role", "roles/editor", seen=True),
    _wrong(GRANT, "member", "allUsers"),
    _wrong("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "role", "roles/owner", seen=True),
    _wrong("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "role", "roles/cloudkms.admin", seen=True),
    _wrong("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "member", "allUsers"),
    _wrong("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "member", "domain:example.com"),
    _wrong(DOOR, "role", "roles/run.developer", seen=True),
    _wrong(DOOR, "member", "allAuthenticatedUsers"),
)
CONTROL = (
    _trusts(BELIEVED, (RIGHTS,), Action="sts:*", Principal=GOOGLE),
    _trusts(BELIEVED, Action="sts:AssumeRoleWithWebIdentity", Principal=GOOGLE),
    _trusts(BELIEVED, Action="sts:AssumeRoleWithWebIdentity", Principal=GOOGLE, Condition={"ForAllValues:StringEquals": ONE}),
    _trusts(
        BELIEVED,
        Action="sts:AssumeRoleWithWebIdentity",
        Principal=GOOGLE,
        Condition={"StringEquals": {**ONE, "accounts.google.com:sub": ["1234", "5678"]}},
    ),
    _trusts(
        BELIEVED,
        Action="sts:AssumeRoleWithWebIdentity",
        Principal=GOOGLE,
        Condition={"StringLike": {**ONE, "accounts.google.com:sub": "????"}},
    ),
    _trusts(Action="sts:AssumeRole", Principal={"AWS": ELSEWHERE}),
    _trusts(Action="sts:AssumeRole", Principal={"AWS": "*"}, Condition={"Bool": {"aws:SecureTransport": "true"}}),
    _trusts(Action="sts:AssumeRole", Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": "999999999999"}}),
    _trusts(Action="sts:AssumeRole", NotPrincipal={"AWS": ELSEWHERE}),
    _wrong(ROLE, "inlinePolicies", [{"name": "all", "policy": may("*", "*")}]),
    *POLICIES,
    _wrong(ROLE, "managedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    _wrong(ATTACHED, "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
    _wrong(ATTACHED, "policyArn", "arn:aws:iam::aws:policy/AmazonRDSFullAccess"),
    _azure("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    _azure("f58310d9-a9f6-439a-9e8d-f62e7b41a168"),
    _azure("8B54135C-B56D-4D72-A534-26097CFDC8D8"),
    _wrong(GRANT, "role", "roles/owner", seen=True),
    _wrong(GRANT, "role", "roles/resourcemanager.projectIamAdmin", seen=True),
    _wrong(GRANT, "role", "roles/iam.serviceAccountTokenCreator", seen=True),
    _wrong(GRANT, "role", "projects/somebody-elses/roles/steer", seen=True),
    _wrong(GRANT, "member", "allUsers"),
    _wrong(TAKEN, "member", f"{POOLED}/*"),
    _wrong(TAKEN, "member", "principalSet://cloudresourcemanager.googleapis.com/projects/1"),
    _wrong(CUSTOM, "permissions", ["resourcemanager.projects.setIamPolicy"], seen=True),
    _wrong(CUSTOM, "permissions[0]", "iam.roles.update", seen=True),
    _wrong(CUSTOM, "permissions[0]", "iam.serviceAccounts.signBlob", seen=True),
    _condition("true"),
    _condition("assertion.sub != ''"),
    _condition("assertion.aud == 'trimaran'"),
    _condition("attribute.aws_role == 'controller' || assertion.iss == 'somebody'"),
    _condition("attribute.aws_role == 'controller' || true"),
)
