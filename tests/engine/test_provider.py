"""The stand-in for vendors' plugins: what it refuses, what it wants anew, what it does not delete, and that its table speaks of what there
is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2

from infra.settings import Role
from tests.engine.provider import Provider, token_of
from tests.engine.replacing import REPLACED, guards
from tests.infra.recording import recorded, recorded_live
from tests.policies.sdk import takes

RULE = "urn:pulumi:prod-aws::trimaran::trimaran:aws:Guards$aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule::guards-edge-payments"
VAULT = "urn:pulumi:prod-azure::trimaran::trimaran:azure:Vault$azure-native:keyvault:Vault::keys"
BALANCER = "urn:pulumi:prod-aws::trimaran::trimaran:aws:Ingress$aws:lb/loadBalancer:LoadBalancer::"
SERVER = "urn:pulumi:prod-gcp::trimaran::trimaran:gcp:Database$gcp:sql/databaseInstance:DatabaseInstance::payments-server"
OF_MANY = frozenset(("project", "resourceGroupName"))
"""Said of all of a vendor's types, whether they have it or not."""
CHANGED_IN_PLACE = frozenset(("aws:guardduty/detector:Detector",))
"""Protected, and made anew for nothing that is said of it."""
LIVE = (Role.AWS, Role.AZURE, Role.GCP, Role.CONTROL)


class Refused(Exception):
    """What a call ended with."""


class Call:
    """The wire's end of one call."""

    def abort(self, status: grpc.StatusCode, reason: str) -> NoReturn:
        """As the wire has it: the call ends here."""
        raise Refused(f"{status.name}: {reason}")


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """As it goes over the wire."""
    made = struct_pb2.Struct()
    made.update(values)
    return made


def differs(urn: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What has changed, and what of it makes it anew."""
    asked = provider_pb2.DiffRequest(urn=urn, old_inputs=struct(before), news=struct(now))
    told = Provider(Path("nothing is written")).Diff(asked, Call())
    return list(told.diffs), list(told.replaces)


def refuses(urn: str, asked: Mapping[str, Any]) -> list[str]:
    """Which properties the vendor would not take."""
    told = Provider(Path("nothing is written")).Check(provider_pb2.CheckRequest(urn=urn, news=struct(asked)), Call())
    assert json_format.MessageToDict(told.inputs) == asked
    return [one.property for one in told.failures]


def deletes(calls: Path, state: Mapping[str, Any]) -> None:
    """Ask for it."""
    Provider(calls).Delete(provider_pb2.DeleteRequest(id="server", urn=SERVER, properties=struct(state)), Call())


def test_a_text_that_the_vendor_refuses_is_refused_before_anything_is_made() -> None:
    """As it would be in the preview of an update, and not when half of a site's rules are there."""
    assert refuses(RULE, {"description": "edge asks payments", "ipProtocol": "tcp"}) == []
    assert refuses(RULE, {"description": "another site's edge", "ipProtocol": "tcp"}) == ["description"]
    assert refuses(VAULT, {"vaultName": "trimaran-prod-a-longer-name"}) == ["vaultName"]


def test_a_name_that_the_engine_makes_up_is_as_long_as_it_will_be() -> None:
    """It adds eight letters; one that is not known yet is nobody's to judge."""
    assert refuses(f"{BALANCER}{'n' * 24}", {}) == []
    assert refuses(f"{BALANCER}{'n' * 25}", {}) == ["name"]
    assert refuses(f"{BALANCER}{'n' * 25}", {"name": "short"}) == []
    assert refuses(RULE, {"description": rpc.UNKNOWN}) == []


@pytest.mark.parametrize("token", sorted(one for one in REPLACED if not one.startswith("random:")))
def test_every_property_of_the_table_is_in_the_sdk(token: str) -> None:
    """One with a typing error in it would be changed in place here, and lose a database there."""
    assert [key for key in sorted(REPLACED[token] - OF_MANY) if not takes(token, key)] == []


@pytest.mark.parametrize("role", list(Role))
def test_whatever_a_stack_protects_is_made_anew_for_something(role: Role) -> None:
    """Or no test with the engine could tell whether its guard holds."""
    recording = recorded_live(f"prod-{role}") if role in LIVE else recorded(f"prod-{role}")
    assert (
        sorted(
            {one.type for one in recording.resources if one.protect and one.custom and one.inputs}
            - REPLACED.keys()
            - CHANGED_IN_PLACE
        )
        == []
    )


def test_what_can_be_changed_is_changed_in_place() -> None:
    """And what has not changed is nothing to do."""
    then = {"region": "europe-southwest1", "deletionProtection": True}
    assert differs(SERVER, then, then) == ([], [])
    assert differs(SERVER, then, {**then, "deletionProtection": False}) == (["deletionProtection"], [])


@pytest.mark.parametrize("now", [{"region": "europe-west1", "settings": {}}, {"settings": {}}])
def test_what_cannot_be_changed_is_made_anew(now: Mapping[str, Any]) -> None:
    """Also when it is no longer said: the vendor would choose another one."""
    assert differs(SERVER, {"region": "europe-southwest1", "settings": {}}, now) == (["region"], ["region"])


@pytest.mark.parametrize(
    "kept",
    [
        {"deletionProtection": True},
        {"deletionPolicy": "PREVENT"},
        {"settings": {"deletionProtectionEnabled": True}},
        {"enableDeletionProtection": True},
        {"disableApiTermination": True},
    ],
)
def test_what_guards_itself_is_not_deleted(kept: Mapping[str, Any], tmp_path: Path) -> None:
    """Whatever the engine has been told: its own guard is off by then."""
    with pytest.raises(Refused, match="FAILED_PRECONDITION"):
        deletes(tmp_path / "calls", kept)
    assert not (tmp_path / "calls").exists()


def test_what_does_not_guard_itself_is_deleted_and_noted_without_a_value(tmp_path: Path) -> None:
    """The file says what was asked for, and nothing of what it was."""
    off = {
        "deletionProtection": False,
        "deletionPolicy": "DELETE",
        "settings": {"deletionProtectionEnabled": False},
        "rootPassword": "x",
    }
    assert list(guards(off)) == []
    deletes(tmp_path / "calls", off)
    assert [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()] == [["delete", SERVER]]


def test_a_preview_of_a_change_knows_what_the_cloud_has_made_up() -> None:
    """Or everything that stands on it would be unknown, and be made anew on paper."""
    asked = provider_pb2.UpdateRequest(
        urn=SERVER, olds=struct({"name": "server-1", "tier": "small"}), news=struct({"tier": "large"}), preview=True
    )
    told = Provider(Path("nothing is written")).Update(asked, Call())
    assert json_format.MessageToDict(told.properties) == {"name": "server-1", "tier": "large"}


def test_a_type_is_told_without_what_it_is_part_of() -> None:
    """A URN names all of them."""
    assert token_of(SERVER) == "gcp:sql/databaseInstance:DatabaseInstance"
