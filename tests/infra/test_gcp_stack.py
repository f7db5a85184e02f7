"""Google's stack as a whole: its contract, its guards, its records, and the list of everything that is in it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.contracts import SiteContract
from infra.services import CONTROL, CONTROL_IMAGES, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from infra.settings import read_settings
from tests.infra.recording import recorded
from tests.infra.stacks import settings_of

STACKS = ("dev-gcp", "prod-gcp")
GOLDEN = Path(__file__).parent / "golden"
REGION = "europe-southwest1"
STATEFUL = (
    "gcp:artifactregistry/repository:Repository",
    "gcp:certificatemanager/certificate:Certificate",
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization",
    "gcp:certificatemanager/trustConfig:TrustConfig",
    "gcp:compute/address:Address",
    "gcp:compute/globalAddress:GlobalAddress",
    "gcp:compute/network:Network",
    "gcp:dns/managedZone:ManagedZone",
    "gcp:kms/cryptoKey:CryptoKey",
    "gcp:kms/keyRing:KeyRing",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig",
    "gcp:projects/iAMAuditConfig:IAMAuditConfig",
    "gcp:resourcemanager/lien:Lien",
    "gcp:secretmanager/secret:Secret",
    "gcp:serviceaccount/account:Account",
    "gcp:servicenetworking/connection:Connection",
    "gcp:sql/database:Database",
    "gcp:sql/databaseInstance:DatabaseInstance",
)
"""What cannot be made anew as it was."""

both = pytest.mark.parametrize("stack", STACKS)


@both
def test_everything_that_is_in_it_is_on_the_list(stack: str) -> None:
    """Whoever adds or removes something says so in the same change."""
    counted = Counter(one.type for one in recorded(stack).resources)
    assert "".join(f"{count} {token}\n" for token, count in sorted(counted.items())) == (GOLDEN / f"{stack}.txt").read_text()


@both
def test_the_contract_is_published_whole(stack: str) -> None:
    """By name, and with something in it."""
    told, given = recorded(stack).outputs, read_settings(settings_of(stack))
    assert set(told) == {"contract", *(one.name for one in fields(SiteContract))}
    assert told["region"] == REGION and told["group"] == given.accounts.gcp.project
    assert set(told["database_hosts"]) == set(told["database_servers"]) == set(DATABASES)
    assert set(told["instances"]) == set(Service)
    places = {f"{service}/{one.name}" for service, program in PROGRAMS.items() for one in program.secrets}
    assert set(told["secrets"]) == places | {f"{CONTROL}/{name}" for name in CONTROL_SECRETS}
    assert told["address"].startswith("203.0.113.") and told["control_guard"].startswith(f"trimaran-{given.environment}-control@")
    assert told["wrapping_key"].endswith("-keys-wrapping") and told["disk_key"].endswith("-keys-disk")
    assert told["control_subnet"].endswith("-network-control") and told["log"].endswith("-records")


@both
def test_records_for_certificates_are_all_there_and_inside_the_zone(stack: str) -> None:
    """One that is missing is a certificate that is never issued."""
    told, domain = recorded(stack), read_settings(settings_of(stack)).domain
    wanted = {
        name
        for one in told.of_type("gcp:certificatemanager/certificate:Certificate")
        for name in one.inputs["managed"]["domains"]
    }
    records = told.outputs["certificate_records"]
    assert {one["name"].partition(".")[2] for one in records} == wanted and len(records) == len(wanted) == 6
    for one in records:
        assert set(one) == {"name", "type", "value"} and one["type"] == "CNAME"
        assert one["name"].endswith(f".{domain}") and not one["value"].endswith(".")


@both
def test_whatever_cannot_be_made_anew_is_protected(stack: str) -> None:
    """And there is some of each kind, or the list is out of date."""
    for token in STATEFUL:
        found = recorded(stack).of_type(token)
        assert found and all(one.protect for one in found), token


@both
def test_everything_is_made_by_a_named_provider_in_one_project_and_region(stack: str) -> None:
    """Another region would be another law, or at least nobody's."""
    given = read_settings(settings_of(stack))
    for one in recorded(stack).resources:
        if one.type == "pulumi:providers:gcp":
            assert one.inputs["project"] == given.accounts.gcp.project and one.inputs["region"] == REGION
        elif one.custom and not one.type.startswith(("random:", "pulumi:providers:random")):
            assert "::gcp::" in one.provider or one.type == "gcp:projects/service:Service"
            assert one.inputs.get("project", given.accounts.gcp.project) == given.accounts.gcp.project
            assert one.inputs.get("region", REGION) == REGION and one.inputs.get("location", REGION) == REGION, one.urn


@both
def test_nothing_is_asked_of_an_api_that_is_still_off(stack: str) -> None:
    """In an empty project the first `pulumi up` would stop at the first network."""
    told = recorded(stack)
    switches = {one.urn for one in told.of_type("gcp:projects/service:Service")}
    assert switches and set(told.one("pulumi:providers:gcp", "gcp").dependencies) == switches
    assert all(one.inputs["disableOnDestroy"] is False for one in told.of_type("gcp:projects/service:Service"))


@both
def test_everything_says_whose_it_is(stack: str) -> None:
    """Google's own labels where a provider puts them, and by hand where it does not."""
    told = recorded(stack)
    for one in told.of_type("pulumi:providers:gcp"):
        assert (
            '"owner": "payments-platform"' in one.inputs["defaultLabels"] and f'"stack": "{stack}"' in one.inputs["defaultLabels"]
        )
    for one in told.of_type("gcp:sql/databaseInstance:DatabaseInstance"):
        assert one.inputs["settings"]["userLabels"]["stack"] == stack


@both
def test_deeds_are_kept_for_more_than_a_year_where_nobody_can_shorten_it(stack: str) -> None:
    """Reads of data too, which Google leaves out unless it is told. A trial can be taken down before the year is over."""
    told = recorded(stack)
    (asked,) = told.of_type("gcp:projects/iAMAuditConfig:IAMAuditConfig")
    assert asked.inputs["service"] == "allServices" and all(
        "exemptedMembers" not in one for one in asked.inputs["auditLogConfigs"]
    )
    assert {one["logType"] for one in asked.inputs["auditLogConfigs"]} == {"ADMIN_READ", "DATA_READ", "DATA_WRITE"}
    buckets = {
        one.inputs["bucketId"].rpartition("-")[2]: one
        for one in told.of_type("gcp:logging/projectBucketConfig:ProjectBucketConfig")
    }
    assert set(buckets) == {"audit", "records"}
    assert {name: one.inputs["locked"] for name, one in buckets.items()} == {"audit": stack == "prod-gcp", "records": False}
    for one in buckets.values():
        assert one.inputs["retentionDays"] >= 365 and one.inputs["cmekSettings"]["kmsKeyName"].endswith("-keys-logs")
        assert any("cryptoKeyIAMMember" in urn and urn.endswith("-keys-logs-logging") for urn in one.dependencies)


@both
def test_every_record_goes_to_one_of_our_places_and_none_to_googles(stack: str) -> None:
    """The default place is outside of any region."""
    sinks = {one.inputs["name"]: one.inputs for one in recorded(stack).of_type("gcp:logging/projectSink:ProjectSink")}
    assert sinks["_Default"]["disabled"] is True
    ours = {name.rpartition("-")[2]: one for name, one in sinks.items() if name != "_Default"}
    assert ours["records"]["filter"] == f"NOT ({ours['audit']['filter']})"
    for name, one in ours.items():
        assert one["destination"].endswith(f"/locations/{REGION}/buckets/trimaran-{stack.partition('-')[0]}-{name}")


@both
def test_images_come_from_a_registry_that_keeps_its_tags_and_looks_for_weaknesses(stack: str) -> None:
    """The one that the stack's own images are named after, and the control node's."""
    registries = recorded(stack).of_type("gcp:artifactregistry/repository:Repository")
    given = read_settings(settings_of(stack))
    for registry in registries:
        assert registry.inputs["dockerConfig"] == {"immutableTags": True}
        assert registry.inputs["vulnerabilityScanningConfig"] == {"enablementConfig": "INHERITED"}
        assert registry.inputs["kmsKeyName"].endswith("-keys-images")
    assert given.images is not None
    place = f"{REGION}-docker.pkg.dev/{given.accounts.gcp.project}/"
    assert {one.inputs["repositoryId"] for one in registries} == {"trimaran", "trimaran-control"}
    assert all(image.startswith(f"{place}trimaran/") for _, image in given.images)
    assert recorded(stack).outputs["repositories"] == {one: f"{place}trimaran-control/{one}" for one in CONTROL_IMAGES}


@both
def test_the_control_node_reads_its_own_images_and_no_services(stack: str) -> None:
    """Cloud Run has a hand of Google's own for what it starts."""
    (leave,) = recorded(stack).of_type("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember")
    (account,) = (one for one in recorded(stack).of_type("gcp:serviceaccount/account:Account") if one.name.endswith("-control"))
    assert leave.inputs["repository"] == "trimaran-control" and leave.inputs["role"] == "roles/artifactregistry.reader"
    assert leave.inputs["member"] == account.outputs["member"]


def test_two_environments_have_no_name_in_common() -> None:
    """In one project, one would replace the other. The registry's is part of its images' names, and each project has its own."""
    names = {
        stack: {
            (one.type, one.inputs.get(key))
            for one in recorded(stack).resources
            for key in ("name", "accountId", "secretId", "bucketId")
            if one.inputs.get(key) and one.type not in {"gcp:sql/database:Database"} and one.inputs.get(key) != "_Default"
        }
        for stack in STACKS
    }
    logical = {stack: {(one.type, one.name) for one in recorded(stack).resources if one.custom} for stack in STACKS}
    assert not names["dev-gcp"] & names["prod-gcp"]
    assert {token for token, _ in logical["dev-gcp"] & logical["prod-gcp"]} == {
        "gcp:projects/service:Service",
        "pulumi:providers:gcp",
        "pulumi:providers:random",
    }


@both
def test_no_account_is_given_anything_by_the_project(stack: str) -> None:
    """Leaves are given by the thing that is opened, one by one; and there are no keys to carry away."""
    types = {one.type for one in recorded(stack).resources}
    assert not {one for one in types if one.startswith("gcp:projects/iAM")} - {"gcp:projects/iAMAuditConfig:IAMAuditConfig"}
    assert "gcp:serviceaccount/key:Key" not in types
    members = [str(one.inputs["member"]) for one in recorded(stack).resources if "member" in one.inputs]
    assert members and not [one for one in members if one.startswith("all") or not one.startswith("serviceAccount:")]


MADE_UP = len("-1234567")
"""What the engine adds to a name that is not given."""
LONGEST = 63


@both
def test_names_that_the_engine_makes_up_are_short_enough(stack: str) -> None:
    """One that is too long is refused by Google in the middle of an update, after half of it was made."""
    long = [one.name for one in recorded(stack).resources if one.custom and "name" not in one.inputs and _is_named(one.type)]
    assert long and not [name for name in long if len(name) + MADE_UP > LONGEST]


@both
def test_no_secret_is_in_what_is_asked_for(stack: str) -> None:
    """What the engine is told stays in its state for ever."""
    for one in recorded(stack).resources:
        for key, value in _leaves(one.inputs):
            assert not any(word in key.lower() for word in ("password", "secretdata", "privatekey", "pem", "token")), one.urn
            assert "-----BEGIN" not in value, one.urn


def _is_named(token: str) -> bool:
    return token.startswith(
        ("gcp:compute/", "gcp:kms/", "gcp:certificatemanager/", "gcp:networksecurity/", "gcp:dns/managedZone")
    )


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, f"{value}"
