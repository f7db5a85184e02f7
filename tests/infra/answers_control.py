"""What is made up for the control stack: who somebody is, in each cloud's own words."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.infra import answers_aws, answers_azure

Made = tuple[str, Mapping[str, Any]]
Answer = Callable[[str, Mapping[str, Any]], Made]

ISSUER = "https://11111111-aaaa-bbbb-cccc-222222222222.tokens.sts.global.api.aws"
NUMBERS: Mapping[str, str] = {"control": "100000000000000000001", "vault": "100000000000000000002"}
"""Of service accounts, by the last word of their names."""


def _issuer(name: str, given: Mapping[str, Any]) -> Made:
    return answers_aws.ACCOUNT, {"issuerIdentifier": ISSUER}


def _entra(name: str, given: Mapping[str, Any]) -> Made:
    arn = f"arn:aws:iam::{answers_aws.ACCOUNT}:oidc-provider/{given['url'].removeprefix('https://')}"
    return arn, {"arn": arn}


def _pool(name: str, given: Mapping[str, Any]) -> Made:
    called = f"projects/1000000000001/locations/global/workloadIdentityPools/{given['workloadIdentityPoolId']}"
    return called, {"name": called}


def _provider(name: str, given: Mapping[str, Any]) -> Made:
    called = (
        f"projects/1000000000001/locations/global/workloadIdentityPools/{given['workloadIdentityPoolId']}"
        f"/providers/{given['workloadIdentityPoolProviderId']}"
    )
    return called, {"name": called}


def _role(name: str, given: Mapping[str, Any]) -> Made:
    called = f"projects/{given['project']}/roles/{given['roleId']}"
    return called, {"name": called}


def _machine(name: str, given: Mapping[str, Any]) -> Made:
    """Identities are asked for as a list, and told as a mapping."""
    called, identity = given["vmName"], given["identity"]
    found = {one: {"clientId": "c", "principalId": "p"} for one in identity["userAssignedIdentities"]}
    id = f"{answers_azure.GROUP}/providers/Microsoft.Compute/virtualMachines/{called}"
    return id, {"name": called, "identity": {**identity, "userAssignedIdentities": found}}


ANSWERS: Mapping[str, Answer] = {
    "azure-native:compute:VirtualMachine": _machine,
    "aws:iam/outboundWebIdentityFederation:OutboundWebIdentityFederation": _issuer,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": _entra,
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": _pool,
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": _provider,
    "gcp:projects/iAMCustomRole:IAMCustomRole": _role,
}


def _account(asked: Mapping[str, Any]) -> dict[str, Any]:
    email = asked["accountId"]
    return {
        "accountId": email.partition("@")[0],
        "disabled": False,
        "displayName": "",
        "email": email,
        "id": email,
        "member": f"serviceAccount:{email}",
        "name": f"projects/{asked['project']}/serviceAccounts/{email}",
        "project": asked["project"],
        "uniqueId": NUMBERS[email.partition("@")[0].rpartition("-")[2]],
    }


def _identity(asked: Mapping[str, Any]) -> dict[str, Any]:
    called = asked["resourceName"]
    return {
        "id": f"{answers_azure.GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{called}",
        "name": called,
        "principalId": f"principal-of-{called}",
        "clientId": f"client-of-{called}",
    }


CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "gcp:serviceaccount/getAccount:getAccount": _account,
    "azure-native:managedidentity:getUserAssignedIdentity": _identity,
}
