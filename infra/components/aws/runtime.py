"""Where services run: ECS on Fargate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.aws.guards import Guards
from infra.components.aws.identities import Identities
from infra.components.aws.keys import Keys
from infra.components.aws.logs import log_group
from infra.components.aws.names_within import NamesWithin
from infra.components.aws.network import Network
from infra.components.aws.secrets import Secrets
from infra.components.aws.tasks import WRITABLE, container, size
from infra.components.aws.ways import service as guarded
from infra.names import APP, name_of
from infra.services import CONTROL_IMAGES, PROGRAMS, Service
from infra.settings import CapacityTable, Settings

PLATFORM = "1.4.0"
BUSY_PERCENT = 50
"""Of the processors: at half, a site that takes over another's load has as much again until instances have started."""
GROW, SHRINK = 30, 900
"""Seconds between two changes. Slower to shrink: what looks like less load may be an outage elsewhere that has just begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A balancer's list of instances, and the port of theirs that it asks."""

    targets: pulumi.Input[str]
    port: int


class Runtime(pulumi.ComponentResource):
    """N-1 capacity: a floor of instances that is always there, spread over three zones, and a ceiling that it may grow to by itself.

    How many run belongs to the autoscaler and to the controller. A `pulumi up` in the middle of an outage, when a site carries the load of
    another, would set the count back to the floor: `desiredCount` is ignored, always. Then a count that began as 0 would stay 0 for ever,
    and ECS's autoscaler only lifts what is below its floor when there is load (Amazon ECS Developer Guide, "Automatically scale your Amazon
    ECS service"). So a site that is not live has no service that could count: task definitions, roles, names and balancers are there, and
    what starts instances is made, with the floor, by the `pulumi up` that sets `live`. It is protected from then on: 1. somebody takes
    back the commit that set `live`, or writes a stack's file anew without that line. 2. Nothing is to be there, and all five services are
    deleted. 3. The site that writes answers nobody, and policies have nothing to say about what is not there.
    A floor that is raised later is made true by `trimaran`'s own raising of floors, as in an outage, or by the next load.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        guards: Guards,
        keys: Keys,
        secrets: Secrets,
        doors: Mapping[Service, Sequence[Door]],
        open_doors: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`open_doors`: what listens before balancers are told of instances."""
        super().__init__("trimaran:aws:Runtime", name, None, opts)
        self._name, self._settings, self._child = name, settings, pulumi.ResourceOptions(parent=self)
        self._network, self._guards, self._doors, self._open_doors = network, guards, doors, open_doors
        if settings.images is None:
            raise pulumi.RunError("a site is told what runs there")
        self._images: Mapping[Service, str] = {one: getattr(settings.images, one) for one in Service}
        # Named as the stack's `images` name them.
        names = {one: self._images[one].partition("/")[2].partition("@")[0] for one in Service}
        self.repositories = {one: self._repository(one, names[one], keys.images.arn) for one in Service}
        self._node_repositories = {one: self._repository(one, f"{APP}/{one}", keys.images.arn) for one in CONTROL_IMAGES}
        self.logs = {one: self._log(one, keys.logs.arn) for one in Service}
        self.cluster = self._cluster(keys)
        self._names = NamesWithin(f"{name}-names", settings, network, opts=self._child)
        self._identities = Identities(f"{name}-who", settings, keys, secrets, self.repositories, self.logs, opts=self._child)
        self._tasks = {one: self._task(one, secrets) for one in Service}
        if settings.live:
            for one in Service:
                self._grows(one, self._service(one))
        self.register_outputs({})

    def instances(self) -> dict[str, str]:
        """By service: the name of its ECS service, also of one that is not there yet."""
        return {one.value: name_of(self._settings.environment, one) for one in Service}

    def node_images(self) -> dict[str, pulumi.Output[str]]:
        """By what the control node runs: where its images lie, as they name it."""
        registry = f"{self._settings.accounts.aws.account}.dkr.ecr.{self._settings.region}.amazonaws.com/"
        return {one: pulumi.Output.concat(registry, found.name) for one, found in self._node_repositories.items()}

    def _repository(self, one: str, called: str, key: pulumi.Input[str]) -> aws.ecr.Repository:
        """Never emptied by rule: an image that is gone cannot be rolled back to."""
        return aws.ecr.Repository(
            f"{self._name}-{one}",
            name=called,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=key)],
            force_delete=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _log(self, one: Service, key: pulumi.Input[str]) -> aws.cloudwatch.LogGroup:
        return log_group(f"{self._name}-{one}", f"/{APP}/{self._settings.environment}/{one}", key, parent=self)

    def _cluster(self, keys: Keys) -> aws.ecs.Cluster:
        name = name_of(self._settings.environment, "site")
        # ECS would make this one itself, without a key of ours.
        insights = log_group(
            f"{self._name}-insights", f"/aws/ecs/containerinsights/{name}/performance", keys.logs.arn, parent=self
        )
        return aws.ecs.Cluster(
            self._name,
            name=name,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value="enabled")],
            configuration=aws.ecs.ClusterConfigurationArgs(
                managed_storage_configuration=aws.ecs.ClusterConfigurationManagedStorageConfigurationArgs(
                    fargate_ephemeral_storage_kms_key_id=keys.instances.arn
                )
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[insights]),
        )

    def _task(self, one: Service, secrets: Secrets) -> aws.ecs.TaskDefinition:
        program = PROGRAMS[one]
        units, mebibytes = size(program)
        places = {name: place.arn for name, place in secrets.places[one].items()}
        told = container(program, self._images[one], places, self.logs[one].name, self._settings.region)
        return aws.ecs.TaskDefinition(
            f"{self._name}-{one}",
            family=name_of(self._settings.environment, one),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(units),
            memory=str(mebibytes),
            # The same image runs in all three clouds, and not all of them have other processors.
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture="X86_64", operating_system_family="LINUX"
            ),
            execution_role_arn=self._identities.starters[one].arn,
            task_role_arn=self._identities.services[one].arn,
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name=volume) for volume in WRITABLE],
            container_definitions=pulumi.Output.json_dumps([told]),
            # Who rolls back needs the one before.
            skip_destroy=True,
            opts=self._child,
        )

    def _service(self, one: Service) -> aws.ecs.Service:
        capacity: CapacityTable = getattr(self._settings.capacity, one)
        doors = self._doors.get(one, ())
        return aws.ecs.Service(
            f"{self._name}-{one}",
            name=name_of(self._settings.environment, one),
            cluster=self.cluster.arn,
            task_definition=self._tasks[one].arn,
            desired_count=capacity.floor,
            launch_type="FARGATE",
            platform_version=PLATFORM,
            availability_zone_rebalancing="ENABLED",
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=[subnet.id for subnet in self._network.services],
                security_groups=[self._guards.of(guarded(one))],
                assign_public_ip=False,
            ),
            service_registries=self._names.registry(one),
            load_balancers=[
                aws.ecs.ServiceLoadBalancerArgs(target_group_arn=door.targets, container_name=one, container_port=door.port)
                for door in doors
            ],
            health_check_grace_period_seconds=60 if doors else None,
            # No instance stops before another one has taken its place, and one that never lives is given up, with its task definition.
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(enable=True, rollback=True),
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                ignore_changes=["desiredCount"],
                depends_on=[*self._identities.allowed, *self._open_doors],
            ),
        )

    def _grows(self, one: Service, counted: aws.ecs.Service) -> None:
        capacity: CapacityTable = getattr(self._settings.capacity, one)
        target = aws.appautoscaling.Target(
            f"{self._name}-{one}",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", self.cluster.name, "/", counted.name),
            min_capacity=capacity.floor,
            max_capacity=capacity.ceiling,
            opts=self._child,
        )
        aws.appautoscaling.Policy(
            f"{self._name}-{one}",
            name=name_of(self._settings.environment, one, "processors"),
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                target_value=BUSY_PERCENT,
                scale_out_cooldown=GROW,
                scale_in_cooldown=SHRINK,
                predefined_metric_specification=_PROCESSORS,
            ),
            opts=self._child,
        )


_PROCESSORS = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
    predefined_metric_type="ECSServiceAverageCPUUtilization"
)
