"""What is made up for the control stack: who somebody is, in each cloud's own words."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.infra import answers_aws, answers_azure

Made = tuple[str, Mapping[str, Any]]
Answer = Callable[[str, Mapping[str, Any]], Made]

ISSUER = "https://11111111-aaaa-bbbb-cccc-222222222222.tokens.sts.global.api.aws"


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
