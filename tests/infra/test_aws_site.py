"""The site on AWS as a whole: what is registered, with which options, and what it tells the other stacks."""

import json
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from infra.contracts import CONTRACT, SiteContract
from infra.services import CONTROL, CONTROL_IMAGES, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from tests.infra.answers_aws import ADDRESSES
from tests.infra.recording import previewed, recorded, recorded_live
from tests.infra.site_aws import BALANCER, ROLE, STACKS, TARGETS, arn_of, leaves
from tests.infra.stacks import settings_of

GOLDEN = Path(__file__).parent / "golden"
PROTECTED = {
    "aws:cloudtrail/trail:Trail",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:ec2/eip:Eip",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/vpc:Vpc",
    "aws:ecr/repository:Repository",
    "aws:ecs/service:Service",
    "aws:globalaccelerator/accelerator:Accelerator",
    "aws:guardduty/detector:Detector",
    "aws:kms/key:Key",
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:secretsmanager/secret:Secret",
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace",
}
"""Whatever holds something that is not made anew: data, keys, logs, addresses that others know, images. And what serves, which one line
less in a stack's file would take away."""
NAMING = ("name", "namePrefix", "identifier", "finalSnapshotIdentifier")
ALSO_NAMING = {("bucket", "aws:s3/bucket:Bucket"), ("family", "aws:ecs/taskDefinition:TaskDefinition")}
NEW_WHEN_LIVE = {
    "aws:appautoscaling/policy:Policy": 5,
    "aws:appautoscaling/target:Target": 5,
    "aws:ecs/service:Service": 5,
    "aws:lb/listener:Listener": 1,
}


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_registers_what_it_registered_before(stack: str) -> None:
    """A resource that comes or goes is somebody's decision, and stands in the change that makes it."""
    counted = Counter(one.type for one in recorded(stack).resources)
    assert "".join(f"{count} {token}\n" for token, count in sorted(counted.items())) == (GOLDEN / f"{stack}.txt").read_text()


@pytest.mark.parametrize("stack", STACKS)
def test_going_live_adds_what_counts_instances_and_the_door(stack: str) -> None:
    """And nothing else comes or goes."""
    asleep, awake = (Counter(one.type for one in found.resources) for found in (recorded(stack), recorded_live(stack)))
    assert awake - asleep == NEW_WHEN_LIVE and not asleep - awake


@pytest.mark.parametrize("stack", STACKS)
def test_what_holds_something_or_serves_is_protected_and_nothing_else(stack: str) -> None:
    """A protected resource that could be made anew makes people unprotect by habit."""
    resources = recorded_live(stack).resources
    assert {one.type for one in resources if one.protect} == PROTECTED
    assert [one.urn for one in resources if one.type in PROTECTED and not one.protect] == []


def test_the_vaults_key_stays_even_when_the_stack_goes() -> None:
    """It opens every card."""
    assert [one.name for one in recorded("prod-aws").resources if one.retain_on_delete] == ["keys-wrapping"]


@pytest.mark.parametrize("stack", STACKS)
def test_everything_is_made_by_the_explicit_provider(stack: str) -> None:
    """Which knows one account and one region, and puts the tags on everything; no resource names a region of its own."""
    resources = recorded_live(stack).resources
    (provider,) = (one for one in resources if one.type == "pulumi:providers:aws")
    made = [one for one in resources if one.custom and one is not provider]
    assert {one.provider.rpartition("::")[0] for one in made} == {provider.urn}
    assert [one.urn for one in made if "region" in one.inputs] == []
    settings = settings_of(stack)
    assert provider.inputs["region"] == "eu-central-1"
    # A provider's inputs are text on the wire.
    assert json.loads(provider.inputs["allowedAccountIds"]) == [json.loads(settings["accounts"])["aws"]["account"]]
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert tags == {
        "app": "trimaran",
        "environment": settings["environment"],
        "owner": settings["owner"],
        "data-class": "pci",
        "residency": "eu",
        "stack": stack,
    }


@pytest.mark.parametrize("stack", STACKS)
def test_everything_hangs_at_a_component(stack: str) -> None:
    """Or it is a component, or the provider."""
    resources = recorded_live(stack).resources
    components = {one.urn for one in resources if not one.custom}
    loose = [one.urn for one in resources if one.custom and one.parent not in components]
    assert loose == [one.urn for one in resources if one.type == "pulumi:providers:aws"]


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_published_is_the_whole_contract(stack: str) -> None:
    """Every field, with something in it; there are no proofs where no vendor vouches for names, and roles are known by theirs."""
    told = recorded(stack).outputs
    assert set(told) == {"contract", *(one.name for one in fields(SiteContract))}
    assert told["contract"] == CONTRACT
    assert {name for name, value in told.items() if not value} == {"certificate_records", "principals"}


def test_the_contract_tells_what_other_stacks_need() -> None:
    """By service where there are several."""
    recording = recorded("prod-aws")
    told = recording.outputs
    assert told["address"] == ADDRESSES[0]
    assert set(told["database_hosts"]) == set(told["database_servers"]) == set(DATABASES)
    assert told["database_servers"]["vault"] == "trimaran-prod-vault"
    assert told["database_hosts"]["vault"].startswith("trimaran-prod-vault.")
    assert told["instances"] == {one.value: f"trimaran-prod-{one}" for one in Service}
    places = {f"{one}/{secret.name}" for one in Service for secret in PROGRAMS[one].secrets}
    assert set(told["secrets"]) == places | {f"{CONTROL}/{name}" for name in CONTROL_SECRETS}
    assert told["wrapping_key"] == arn_of(recording, "aws:kms/key:Key", "keys-wrapping")
    assert told["disk_key"] == arn_of(recording, "aws:kms/key:Key", "keys-disk")
    assert told["log"] == arn_of(recording, "aws:cloudwatch/logGroup:LogGroup", "audit-network")
    assert told["control_guard"] == "sg-guards-control" and told["control_subnet"] == "subnet-network-control"


def test_names_that_are_promised_are_those_of_what_is_made() -> None:
    """The controller raises the floor of what it was told of."""
    awake = recorded_live("prod-aws")
    assert {one.inputs["name"] for one in awake.of_type("aws:ecs/service:Service")} == set(awake.outputs["instances"].values())


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_passes_through_here(stack: str) -> None:
    """Neither a value for a place, nor a password in any input, nor one in an output."""
    resources = recorded_live(stack).resources
    assert [one.urn for one in resources if "secretVersion" in one.type or "accessKey" in one.type] == []
    words = ("password", "secretstring", "privatekey", "presharedkey")
    found = [path for one in resources for path, value in leaves(one.inputs) if value and path.lower().endswith(words)]
    assert set(found) == {".manageMasterUserPassword"}


@pytest.mark.parametrize("stack", STACKS)
def test_names_carry_the_environment(stack: str) -> None:
    """Two environments may share an account in a trial. Repositories are named by the stack's images."""
    environment = stack.partition("-")[0]
    own = ("aws:ecr/", "aws:guardduty/", "aws:servicediscovery/service:")
    named = [
        value
        for one in recorded_live(stack).resources
        if one.custom and not one.type.startswith(own)
        for key, value in one.inputs.items()
        if key in NAMING or (key, one.type) in ALSO_NAMING
    ]
    assert len(named) > 60 and [name for name in named if environment not in name] == []
    assert {one.inputs["name"] for one in recorded_live(stack).of_type("aws:ecr/repository:Repository")} == {
        f"trimaran/{one}" for one in (*Service, *CONTROL_IMAGES)
    }


@pytest.mark.parametrize("token", [BALANCER, TARGETS, ROLE])
def test_names_are_as_short_as_the_vendor_wants(token: str) -> None:
    """Also those of a longer environment."""
    longest = 64 if token == ROLE else 32
    assert all(len(one.inputs["name"]) <= longest for one in recorded("prod-aws").of_type(token))


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_that_knows_nothing_yet_ends_well(stack: str) -> None:
    """Ids, addresses and records are unknown before the first `up`."""
    first = previewed(stack)
    assert first.refused is None and len(first.resources) == len(recorded(stack).resources)
