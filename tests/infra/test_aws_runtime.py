"""Where services run at AWS: how many, as whom, from what, and what they are told."""

from dataclasses import replace

import pytest

from infra.components.aws.tasks import TooLarge, size
from infra.services import AGENT, EDGE_DOOR, PROGRAMS, Service, callers_of
from infra.settings import CapacityTable, read_settings
from tests.infra.recording import recorded, recorded_live
from tests.infra.site_aws import LISTENER, SECRET, SERVICE, STACKS, TARGETS, TASK, arn_of, container
from tests.infra.stacks import built, settings_of

CLUSTER = "aws:ecs/cluster:Cluster"


@pytest.mark.parametrize("stack", STACKS)
def test_a_site_that_is_not_live_runs_nothing(stack: str) -> None:
    """Its secrets are empty: what starts now dies, again and again."""
    resources = recorded(stack).resources
    assert not any(one.type == SERVICE or one.type.startswith("aws:appautoscaling") for one in resources)
    assert len(recorded(stack).of_type(TASK)) == len(Service)


@pytest.mark.parametrize("stack", STACKS)
def test_a_live_site_runs_the_floor_and_may_grow_to_the_ceiling(stack: str) -> None:
    """Of each service, as the settings say."""
    recording, capacity = recorded_live(stack), read_settings(settings_of(stack)).capacity
    assert len(recording.of_type(SERVICE)) == len(recording.of_type("aws:appautoscaling/target:Target")) == len(Service)
    for one in Service:
        table: CapacityTable = getattr(capacity, one)
        assert recording.one(SERVICE, f"runtime-{one}").inputs["desiredCount"] == table.floor
        target = recording.one("aws:appautoscaling/target:Target", f"runtime-{one}").inputs
        assert (target["minCapacity"], target["maxCapacity"]) == (table.floor, table.ceiling)
        environment = stack.partition("-")[0]
        assert target["resourceId"] == f"service/trimaran-{environment}-site/trimaran-{environment}-{one}"
        policy = recording.one("aws:appautoscaling/policy:Policy", f"runtime-{one}").inputs
        assert policy["resourceId"] == target["resourceId"] and policy["policyType"] == "TargetTrackingScaling"


def test_an_up_in_the_middle_of_an_outage_leaves_the_count_alone() -> None:
    """It is the autoscaler's and the controller's. Nothing else is ignored: an image that is rolled forward must run."""
    assert {one.ignore_changes for one in recorded_live("prod-aws").of_type(SERVICE)} == {("desiredCount",)}
    assert all(one.ignore_changes == () for one in recorded_live("prod-aws").of_type("aws:appautoscaling/target:Target"))


@pytest.mark.parametrize("service", Service)
def test_instances_stand_in_all_zones_without_a_public_address(service: Service) -> None:
    """Each behind its own guard."""
    inputs = recorded_live("prod-aws").one(SERVICE, f"runtime-{service}").inputs
    network = inputs["networkConfiguration"]
    assert network["subnets"] == [f"subnet-network-service-{zone}" for zone in "abc"]
    assert network["securityGroups"] == [f"sg-guards-{service}"] and network["assignPublicIp"] is False
    assert inputs["availabilityZoneRebalancing"] == "ENABLED" and inputs["launchType"] == "FARGATE"
    assert inputs["enableExecuteCommand"] is False


@pytest.mark.parametrize("service", Service)
def test_a_deployment_takes_nothing_away_and_gives_up_when_it_fails(service: Service) -> None:
    """The floor holds while images change."""
    inputs = recorded_live("prod-aws").one(SERVICE, f"runtime-{service}").inputs
    assert inputs["deploymentMinimumHealthyPercent"] == 100
    assert inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


@pytest.mark.parametrize("service", Service)
def test_a_task_runs_the_services_image_as_the_service(service: Service) -> None:
    """By digest, with the roles of nobody else."""
    recording = recorded_live("prod-aws")
    task = recording.one(TASK, f"runtime-{service}").inputs
    assert container(recording, service)["image"] == built("prod-aws")[service]
    assert task["executionRoleArn"] == f"arn:aws:iam::111111111111:role/trimaran-prod-{service}-start"
    assert task["taskRoleArn"] == f"arn:aws:iam::111111111111:role/trimaran-prod-{service}"
    assert recording.one(SERVICE, f"runtime-{service}").inputs["taskDefinition"] == arn_of(recording, TASK, f"runtime-{service}")


@pytest.mark.parametrize("service", Service)
def test_secrets_reach_a_process_by_reference(service: Service) -> None:
    """Each in the variable that its program reads; a plain value would stand in the task definition, for everybody who may look."""
    recording, program = recorded("prod-aws"), PROGRAMS[service]
    definition = container(recording, service)
    places = {one.variable: f"secrets-{service}-{one.name}" for one in program.secrets}
    wanted = {variable: arn_of(recording, SECRET, place) for variable, place in places.items()}
    assert {one["name"]: one["valueFrom"] for one in definition["secrets"]} == wanted
    assert {one["name"]: one["value"] for one in definition["environment"]} == program.environment


@pytest.mark.parametrize("service", Service)
def test_a_container_can_do_little(service: Service) -> None:
    """It writes to its own mounts, has no capability, and tells its log without waiting for it."""
    recording = recorded("prod-aws")
    definition = container(recording, service)
    assert definition["readonlyRootFilesystem"] is True and definition["privileged"] is False
    assert definition["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert {one["containerPath"] for one in definition["mountPoints"]} == {"/run/trimaran", "/tmp"}
    volumes = {one["name"] for one in recording.one(TASK, f"runtime-{service}").inputs["volumes"]}
    assert {one["sourceVolume"] for one in definition["mountPoints"]} == volumes
    options = definition["logConfiguration"]["options"]
    assert options["mode"] == "non-blocking" and options["awslogs-group"] == f"/trimaran/prod/{service}"


@pytest.mark.parametrize("service", Service)
def test_a_container_that_hangs_is_found(service: Service) -> None:
    """By whether its process lives. What an edge tells is about others: its balancer asks it."""
    definition = container(recorded("prod-aws"), service)
    if service is Service.EDGE:
        assert "healthCheck" not in definition
    else:
        command = definition["healthCheck"]["command"]
        assert command[0] == "CMD" and command[-2:] == [str(PROGRAMS[service].port), "/healthz"]


@pytest.mark.parametrize("service", Service)
def test_a_task_has_a_size_that_fargate_has(service: Service) -> None:
    """At least what the program asks for: with two processors there are 4096 MiB or more."""
    task, program = recorded("prod-aws").one(TASK, f"runtime-{service}").inputs, PROGRAMS[service]
    assert (task["cpu"], task["memory"]) == (("2048", "4096") if service is Service.EDGE else ("1024", "2048"))
    assert int(task["cpu"]) / 1024 >= program.millicores / 1000 and int(task["memory"]) >= program.mebibytes


def test_a_program_that_fargate_has_no_machine_for_is_refused() -> None:
    """Not rounded down."""
    with pytest.raises(TooLarge, match="20000 millicores"):
        size(replace(PROGRAMS[Service.EDGE], millicores=20_000))


def test_instances_disks_are_closed_with_our_key() -> None:
    """Files of secrets are written there."""
    recording = recorded("prod-aws")
    (cluster,) = recording.of_type(CLUSTER)
    storage = cluster.inputs["configuration"]["managedStorageConfiguration"]
    assert storage == {"fargateEphemeralStorageKmsKeyId": arn_of(recording, "aws:kms/key:Key", "keys-instances")}
    key = recording.one("aws:kms/key:Key", "keys-instances").inputs["policy"]
    assert f'"kms:EncryptionContext:aws:ecs:clusterName": "{cluster.inputs["name"]}"' in key


def test_only_what_is_called_has_a_private_name() -> None:
    """With the addresses of its instances and nothing in between."""
    recording = recorded_live("prod-aws")
    named = {one.inputs["name"]: one for one in recording.of_type("aws:servicediscovery/service:Service")}
    assert set(named) == {one.value for one in Service if callers_of(one)}
    for one in Service:
        inputs = recording.one(SERVICE, f"runtime-{one}").inputs
        arn = inputs.get("serviceRegistries", {}).get("registryArn")
        assert arn == (named[one].outputs["arn"] if one in named else None)
        assert "serviceConnectConfiguration" not in inputs
    assert all(one.inputs["dnsConfig"]["dnsRecords"] == [{"type": "A", "ttl": 5}] for one in named.values())


def test_balancers_know_the_edges_and_nobody_else() -> None:
    """All three doors of theirs."""
    recording = recorded_live("prod-aws")
    doors = {one.name: one for one in recording.of_type(TARGETS)}
    asked = {
        (one.name, door["targetGroupArn"], int(door["containerPort"]))
        for one in recording.of_type(SERVICE)
        for door in one.inputs.get("loadBalancers", [])
    }
    ports = {"ingress": PROGRAMS[Service.EDGE].port, "side-door-handed": EDGE_DOOR, "side-door-agent": AGENT}
    assert asked == {("runtime-edge", doors[name].outputs["arn"], port) for name, port in ports.items()}
    opened = {int(one["containerPort"]) for one in container(recording, Service.EDGE)["portMappings"]}
    assert opened == set(ports.values())


def test_services_wait_for_leave_and_for_open_doors() -> None:
    """ECS refuses a target group that no balancer asks, and a task that may not read its secrets dies."""
    recording = recorded_live("prod-aws")
    before = {one.urn for token in (LISTENER, "aws:iam/rolePolicy:RolePolicy") for one in recording.of_type(token)}
    before -= {one.urn for one in recording.of_type("aws:iam/rolePolicy:RolePolicy") if one.name == "audit-flows"}
    assert len(before) == 9
    assert all(before <= set(one.dependencies) for one in recording.of_type(SERVICE))
