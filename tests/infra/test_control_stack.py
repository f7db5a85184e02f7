"""The control stack as a whole: what it has, what it tells, and that a preview of it goes to its end."""

from dataclasses import fields

import pytest

from infra.contracts import CONTRACT, MARK, ControlContract
from tests.infra.controls import STACKS, document, settings
from tests.infra.golden import counted, kept
from tests.infra.recording import Recording, record, recorded

PROVIDER = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
FEDERATED = "azure-native:managedidentity:FederatedIdentityCredential"


@pytest.mark.parametrize("stack", STACKS)
def test_it_has_what_the_repository_says(stack: str) -> None:
    """Before it is live, as everybody records it."""
    assert recorded(stack).refused is None
    assert counted(recorded(stack)) == kept(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_it_publishes_its_whole_contract(stack: str) -> None:
    """And nothing beside it."""
    told = recorded(stack).outputs
    assert set(told) == {MARK, *(one.name for one in fields(ControlContract))} and told[MARK] == CONTRACT


@pytest.mark.parametrize("stack", STACKS)
def test_it_tells_what_controllers_and_vaults_need_to_prove_themselves(stack: str) -> None:
    """In the words of the settings that take it: an ARN, a client's id, an account; and which of Google's providers."""
    told, given = recorded(stack).outputs, settings(stack)
    name = f"trimaran-{given.environment}"
    for key, called in {"roles": "controller", "vault_roles": "vault-elsewhere"}.items():
        assert told[key]["aws"].endswith(f":role/{name}-{called}")
        assert told[key]["azure"] == f"client-of-{name}-{called}"
        assert told[key]["gcp"].startswith(f"{name}-{called}@")
    pool = f"projects/1000000000001/locations/global/workloadIdentityPools/{name}-clouds"
    assert told["providers"] == {cloud: f"{pool}/providers/{cloud}" for cloud in ("aws", "azure")}
    email = recorded(f"{given.environment}-gcp").outputs["control_guard"]
    assert told["identities"] == {"aws": f"{name}-control", "azure": f"client-of-{name}-control", "gcp": email}
    assert told["nodes"] == {cloud.value: str(network.control_node) for cloud, network in given.network.plan().sites.items()}


@pytest.mark.parametrize("stack", STACKS)
def test_a_token_is_made_out_for_whom_the_other_side_takes_it(stack: str) -> None:
    """What nodes and vaults are told to ask for is what is asked of them."""
    recording = recorded(stack)
    told: dict[str, str] = recording.outputs["audiences"]
    believed = {
        "azure-aws": _condition(recording, "control-aws-controller", 0, ":aud"),
        "gcp-aws": _condition(recording, "control-aws-controller", 1, ":oaud"),
        "azure-gcp": recording.one(PROVIDER, "control-gcp-from-azure").inputs["oidc"]["allowedAudiences"][0],
        **{
            f"{cloud}-azure": recording.one(FEDERATED, f"control-azure-controller-from-{cloud}").inputs["audiences"][0]
            for cloud in ("aws", "gcp")
        },
    }
    assert told == believed


def test_a_preview_before_anything_is_there_goes_to_its_end() -> None:
    """What no cloud has made up yet is unknown, and nothing may ask for it."""
    recording = record("prod-control", preview=True)
    assert recording.refused is None and len(recording.resources) > 40


def test_everything_of_it_is_made_by_a_provider_of_its_own_account() -> None:
    """Three clouds are touched, and none of them by a default."""
    custom = [one for one in recorded("prod-control").resources if one.custom and not one.type.startswith(("pulumi:",))]
    assert custom and all(one.provider for one in custom)
    assert {one.type.partition(":")[0] for one in custom} == {"aws", "azure-native", "gcp"}
    for one in custom:
        assert f"pulumi:providers:{one.type.partition(':')[0]}::" in one.provider, one.name


def _condition(recording: Recording, role: str, place: int, key: str) -> str:
    statement = document(recording.one("aws:iam/role:Role", role), "assumeRolePolicy")[place]
    (found,) = (value for name, value in statement["Condition"]["StringEquals"].items() if name.endswith(key))
    assert isinstance(found, str)
    return found
