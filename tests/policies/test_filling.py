"""Rules look at whoever fills the places for secrets as well: only settings make one, so no stack of the repository has one."""

import json

import pytest

from policies.controls import ADVISORY
from tests.policies.breaking import Break, unknown, with_break
from tests.policies.landed import Landed, usually
from tests.policies.samples import may

CONTROL = "iam-least-privilege"
EVERYBODY = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": "*"}}]})
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
CUSTOM, PLACE = "gcp:projects/iAMCustomRole:IAMCustomRole", "gcp:secretmanager/secretIamMember:SecretIamMember"
TAKEN = "gcp:serviceaccount/iAMMember:IAMMember"
NAMED = "trimaran-prod-filling"

ROWS = {
    "prod-aws": (
        Break(control=CONTROL, type=ROLE, name="filling-role", path="assumeRolePolicy", value=EVERYBODY),
        Break(control=CONTROL, type=POLICY, name="filling-role", path="policy", value=may("*", "*")),
        Break(control=CONTROL, type=POLICY, name="filling-role", path="policy", value=may("secretsmanager:*", "*")),
    ),
    "prod-gcp": (
        Break(
            control=CONTROL, type=CUSTOM, name=f"{NAMED}-fills", path="permissions", value=["secretmanager.secrets.setIamPolicy"]
        ),
        Break(control=CONTROL, type=CUSTOM, name=f"{NAMED}-taken", path="permissions", value=["iam.serviceAccountKeys.create"]),
        Break(control=CONTROL, type=PLACE, name=f"{NAMED}-vault-password", path="member", value="allAuthenticatedUsers"),
        Break(control=CONTROL, type=TAKEN, name=f"{NAMED}-taken", path="member", value="allUsers"),
        Break(control=CONTROL, type=TAKEN, name=f"{NAMED}-taken", path="role", value="roles/owner"),
    ),
}
PAIRS = [pytest.param(stack, row, id=f"{stack}:{row}") for stack, rows in ROWS.items() for row in rows]


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("stack", ROWS)
def test_sites_with_somebody_who_fills_keep_every_mandatory_rule(stack: str, preview: bool) -> None:
    """When all is known, and in a first preview in which what clouds make up is not."""
    assert usually(Landed(stack=stack, filling=True, preview=preview)) - ADVISORY == frozenset()


@pytest.mark.parametrize(("stack", "row"), PAIRS)
def test_whoever_fills_is_looked_at(stack: str, row: Break) -> None:
    """By the rule about who may do what, in the update and in the preview, and by no other."""
    for preview in (False, True):
        landed = Landed(stack=stack, filling=True, preview=preview)
        assert landed.broken_by(with_break(landed.told(), row)) - usually(landed) == {CONTROL}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize(("stack", "row"), PAIRS)
def test_what_nobody_can_trace_is_refused_there(stack: str, row: Break, preview: bool) -> None:
    """Who may be it, and what it may do, computed from nothing that anybody can see."""
    landed = Landed(stack=stack, filling=True, preview=preview)
    assert landed.broken_by(unknown(landed.told(), row, sources=())) & {CONTROL, "unknown-has-a-source"}
