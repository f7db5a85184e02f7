"""Whoever fills the places for secrets on AWS and Google: nobody unless the settings name somebody, and then nothing but that."""

import json
from collections import Counter

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.components.control import aws_permissions, gcp_permissions
from infra.topology import Cloud
from tests.infra.recording import recorded, recorded_filling
from tests.infra.site_aws import ROLE, ROLE_POLICY, SECRET, document
from tests.infra.stacks import ENVIRONMENTS, FILLING, settings_of

ACCOUNT, CUSTOM = "gcp:serviceaccount/account:Account", "gcp:projects/iAMCustomRole:IAMCustomRole"
GRANT, TAKEN = "gcp:secretmanager/secretIamMember:SecretIamMember", "gcp:serviceaccount/iAMMember:IAMMember"
LONGEST = 10_240
"""Characters of all of a role's own policies together, white space not counted (IAM User Guide, "IAM and AWS STS quotas")."""
PLACES = 37

aws = pytest.mark.parametrize("stack", [f"{one}-aws" for one in ENVIRONMENTS])
gcp = pytest.mark.parametrize("stack", [f"{one}-gcp" for one in ENVIRONMENTS])
ADDED = {
    Cloud.AWS: {"trimaran:aws:Filling": 1, ROLE: 1, ROLE_POLICY: 1},
    Cloud.AZURE: {},
    Cloud.GCP: {"trimaran:gcp:Filling": 1, ACCOUNT: 1, CUSTOM: 2, TAKEN: 1, GRANT: PLACES},
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("cloud", list(Cloud))
def test_naming_somebody_adds_who_fills_and_changes_nothing_else(cloud: Cloud, environment: str) -> None:
    """And what others are told stays. At Azure there is somebody always: a machine that a person gives the identity to."""
    stack = f"{environment}-{cloud}"
    before, after = recorded(stack), recorded_filling(stack)
    added = {one.urn: one for one in after.resources}
    for one in before.resources:
        same = added.pop(one.urn)
        assert (same.inputs, same.protect, same.ignore_changes) == (one.inputs, one.protect, one.ignore_changes)
    assert Counter(one.type for one in added.values()) == ADDED[cloud]
    assert before.outputs == after.outputs
    assert not [one.name for one in before.resources if "filling" in one.name and cloud is not Cloud.AZURE]


@aws
def test_on_aws_one_role_may_take_it_for_an_hour(stack: str) -> None:
    """No service of AWS's, no account as a whole."""
    role = recorded_filling(stack).one(ROLE, "filling-role")
    assert document(role, "assumeRolePolicy") == [
        {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": FILLING["aws"]}}
    ]
    assert role.inputs["name"] == f"trimaran-{stack.partition('-')[0]}-filling" and role.inputs["maxSessionDuration"] == 3600
    assert "managedPolicyArns" not in role.inputs and "inlinePolicies" not in role.inputs


@aws
def test_on_aws_it_fills_every_place_and_does_nothing_else(stack: str) -> None:
    """With the keys that places are closed with, and by the hand of Secrets Manager alone."""
    told = recorded_filling(stack)
    policy = told.one(ROLE_POLICY, "filling-role")
    fills, closes = document(policy)
    assert fills == {"Effect": "Allow", "Action": sorted(aws_permissions.FILLING), "Resource": fills["Resource"]}
    assert sorted(fills["Resource"]) == sorted(told.outputs["secrets"].values())
    region = json.loads(settings_of(stack)["topology"])["aws"]
    assert set(closes["Resource"]) == {one.inputs["kmsKeyId"] for one in told.of_type(SECRET)}
    assert closes == {
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": closes["Resource"],
        "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}},
    }
    assert len(fills["Resource"]) == PLACES and policy.inputs["role"] == f"trimaran-{stack.partition('-')[0]}-filling"
    assert len("".join(policy.inputs["policy"].split())) < LONGEST


@gcp
def test_on_google_it_fills_every_place_and_does_nothing_else(stack: str) -> None:
    """Place by place, with a role of our own; nothing of the project's, and no key."""
    told, environment = recorded_filling(stack), stack.partition("-")[0]
    (account,) = (one for one in told.of_type(ACCOUNT) if one.inputs["accountId"] == f"trimaran-{environment}-filling")
    member = account.outputs["member"]
    about = [one for one in told.resources if member in json.dumps(dict(one.inputs))]
    assert {one.type for one in about} == {GRANT} and {one.inputs["member"] for one in about} == {member}
    assert sorted(one.inputs["secretId"] for one in about) == sorted(told.outputs["secrets"].values())
    roles = {one.outputs["name"]: one.inputs["permissions"] for one in told.of_type(CUSTOM)}
    (fills,) = {one.inputs["role"] for one in about}
    assert roles[fills] == sorted(gcp_permissions.FILLING.values())


@gcp
def test_on_google_one_member_may_act_as_it(stack: str) -> None:
    """By a token of the account's, and in no other way."""
    told = recorded_filling(stack)
    (taken,) = told.of_type(TAKEN)
    assert taken.inputs["serviceAccountId"].rpartition("/")[2].startswith(f"trimaran-{stack.partition('-')[0]}-filling@")
    assert taken.inputs["member"] == FILLING["gcp"]
    roles = {one.outputs["name"]: one.inputs["permissions"] for one in told.of_type(CUSTOM)}
    assert roles[taken.inputs["role"]] == ["iam.serviceAccounts.getAccessToken"]


@pytest.mark.parametrize("stack", ["prod-aws", "prod-gcp"])
def test_a_preview_shows_who_may_fill_and_who_may_be_that(stack: str) -> None:
    """Before anything of the site is there: which role is granted and to whom stands in it."""
    before, after = recorded_filling(stack, preview=True), recorded_filling(stack)
    assert before.refused is None and {one.urn for one in before.resources} == {one.urn for one in after.resources}
    if stack == "prod-aws":
        assert before.one(ROLE, "filling-role").inputs == after.one(ROLE, "filling-role").inputs
        return
    assert [one.inputs["member"] for one in before.of_type(TAKEN)] == [FILLING["gcp"]]
    granted = [one.inputs["role"] for kind in (GRANT, TAKEN) for one in before.of_type(kind)]
    assert len(granted) == 2 * PLACES + 1 and UNKNOWN not in granted
