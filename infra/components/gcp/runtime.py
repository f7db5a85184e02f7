"""The programs, on Cloud Run."""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.identities import Identities
from infra.components.gcp.keys import Keys
from infra.components.gcp.network import Network
from infra.components.gcp.secrets import Secrets
from infra.names import name_of
from infra.services import PROGRAMS, Program, Service, callers_of
from infra.settings import CapacityTable, Settings

PATIENCE = 36
"""Times five seconds until an instance must have answered: its first connections through the network may take a minute or more (Cloud Run
documentation, "Direct VPC egress", limitations)."""
STUMBLES = 3
PROCESSORS = (1, 2, 4, 6, 8)
"""What Cloud Run gives (SDK, `limits`)."""
NEWEST = "latest"
"""Version of a secret, looked up when an instance starts: what was rotated reaches everybody with the next instance."""


class Runtime(pulumi.ComponentResource):
    """Each program with an identity, a subnet and a key of its own; always on, always with a processor; everything that it sends goes
    through our network, where `ways.py` decides.

    Only balancers reach it: the address that Cloud Run gives to every service is switched off. A balancer has no identity that IAM
    knows, so IAM is not asked who calls; the balancer in front is, and it wants a certificate.

    Nothing is made before `settings.live`: Cloud Run refuses a service whose image is not there yet or whose secrets are empty, even one
    without instances. Going live makes them all, with their floor. From then on a floor has two halves, and the higher one counts. The
    template's is `settings.capacity`. The service's own begins there too and is the controller's: it raises it while a site is down, and
    whoever applies this program at that moment takes nothing away again. A pool has the second half only.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        network: Network,
        keys: Keys,
        identities: Identities,
        secrets: Secrets,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:gcp:Runtime", name, None, opts)
        self._name, self._settings, self._network = name, settings, network
        self._keys, self._identities, self._secrets = keys, identities, secrets
        self.names: Mapping[Service, str] = {one: name_of(settings.environment, one) for one in Service}
        """What Cloud Run calls them, whether they are there yet or not."""
        if settings.live and settings.images is not None:
            for service, program in PROGRAMS.items():
                image, capacity = getattr(settings.images, service), getattr(settings.capacity, service)
                if program.is_public or callers_of(service):
                    self._service(program, image, capacity)
                else:
                    self._pool(program, image, capacity)
        self.register_outputs({})

    def _service(self, program: Program, image: str, capacity: CapacityTable) -> None:
        service = program.service
        gcp.cloudrunv2.Service(
            f"{self._name}-{service}",
            name=self.names[service],
            location=self._settings.region,
            ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            default_uri_disabled=True,
            invoker_iam_disabled=True,
            deletion_protection=True,
            scaling=gcp.cloudrunv2.ServiceScalingArgs(scaling_mode="AUTOMATIC", min_instance_count=capacity.floor),
            template=gcp.cloudrunv2.ServiceTemplateArgs(
                service_account=self._identities.services[service].email,
                encryption_key=self._keys.services[service].id,
                execution_environment="EXECUTION_ENVIRONMENT_GEN2",
                containers=[self._container(program, image)],
                scaling=gcp.cloudrunv2.ServiceTemplateScalingArgs(
                    min_instance_count=capacity.floor, max_instance_count=capacity.ceiling
                ),
                vpc_access=gcp.cloudrunv2.ServiceTemplateVpcAccessArgs(
                    egress="ALL_TRAFFIC",
                    network_interfaces=[
                        gcp.cloudrunv2.ServiceTemplateVpcAccessNetworkInterfaceArgs(
                            network=self._network.vpc.id, subnetwork=self._network.services[service].id
                        )
                    ],
                ),
            ),
            opts=self._options(service, "scaling.minInstanceCount"),
        )

    def _container(self, program: Program, image: str) -> gcp.cloudrunv2.ServiceTemplateContainerArgs:
        return gcp.cloudrunv2.ServiceTemplateContainerArgs(
            image=image,
            ports=gcp.cloudrunv2.ServiceTemplateContainerPortsArgs(name="http1", container_port=program.port),
            envs=[
                gcp.cloudrunv2.ServiceTemplateContainerEnvArgs(
                    name=one.variable,
                    value_source=gcp.cloudrunv2.ServiceTemplateContainerEnvValueSourceArgs(
                        secret_key_ref=gcp.cloudrunv2.ServiceTemplateContainerEnvValueSourceSecretKeyRefArgs(
                            secret=self._secrets.places[program.service][one.name].secret_id, version=NEWEST
                        )
                    ),
                )
                for one in program.secrets
            ]
            + [
                gcp.cloudrunv2.ServiceTemplateContainerEnvArgs(name=key, value=value)
                for key, value in program.environment.items()
            ],
            resources=gcp.cloudrunv2.ServiceTemplateContainerResourcesArgs(
                limits=_limits(program), cpu_idle=False, startup_cpu_boost=True
            ),
            startup_probe=_startup(program),
            liveness_probe=_liveness(program),
        )

    def _pool(self, program: Program, image: str, capacity: CapacityTable) -> None:
        """Nobody asks it for anything, so it has no door at all."""
        service = program.service
        gcp.cloudrunv2.WorkerPool(
            f"{self._name}-{service}",
            name=self.names[service],
            location=self._settings.region,
            deletion_protection=True,
            scaling=gcp.cloudrunv2.WorkerPoolScalingArgs(scaling_mode="MANUAL", manual_instance_count=capacity.floor),
            template=gcp.cloudrunv2.WorkerPoolTemplateArgs(
                service_account=self._identities.services[service].email,
                encryption_key=self._keys.services[service].id,
                containers=[self._worker(program, image)],
                vpc_access=gcp.cloudrunv2.WorkerPoolTemplateVpcAccessArgs(
                    egress="ALL_TRAFFIC",
                    network_interfaces=[
                        gcp.cloudrunv2.WorkerPoolTemplateVpcAccessNetworkInterfaceArgs(
                            network=self._network.vpc.id, subnetwork=self._network.services[service].id
                        )
                    ],
                ),
            ),
            opts=self._options(service, "scaling.manualInstanceCount"),
        )

    def _worker(self, program: Program, image: str) -> gcp.cloudrunv2.WorkerPoolTemplateContainerArgs:
        return gcp.cloudrunv2.WorkerPoolTemplateContainerArgs(
            image=image,
            envs=[
                gcp.cloudrunv2.WorkerPoolTemplateContainerEnvArgs(
                    name=one.variable,
                    value_source=gcp.cloudrunv2.WorkerPoolTemplateContainerEnvValueSourceArgs(
                        secret_key_ref=gcp.cloudrunv2.WorkerPoolTemplateContainerEnvValueSourceSecretKeyRefArgs(
                            secret=self._secrets.places[program.service][one.name].secret_id, version=NEWEST
                        )
                    ),
                )
                for one in program.secrets
            ]
            + [
                gcp.cloudrunv2.WorkerPoolTemplateContainerEnvArgs(name=key, value=value)
                for key, value in program.environment.items()
            ],
            resources=gcp.cloudrunv2.WorkerPoolTemplateContainerResourcesArgs(limits=_limits(program)),
            startup_probe=gcp.cloudrunv2.WorkerPoolTemplateContainerStartupProbeArgs(
                http_get=gcp.cloudrunv2.WorkerPoolTemplateContainerStartupProbeHttpGetArgs(
                    path=program.health, port=program.port
                ),
                period_seconds=5,
                failure_threshold=PATIENCE,
            ),
            liveness_probe=gcp.cloudrunv2.WorkerPoolTemplateContainerLivenessProbeArgs(
                http_get=gcp.cloudrunv2.WorkerPoolTemplateContainerLivenessProbeHttpGetArgs(
                    path=program.health, port=program.port
                ),
                period_seconds=10,
                failure_threshold=STUMBLES,
            ),
        )

    def _options(self, service: Service, owned: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            protect=True,
            ignore_changes=[owned, "client", "clientVersion"],
            depends_on=[*self._secrets.grants[service], *self._keys.services[service].grants],
        )


def _limits(program: Program) -> Mapping[str, str]:
    """As much as it wants, or the next that there is."""
    processors = next(one for one in PROCESSORS if one * 1000 >= program.millicores)
    return {"cpu": f"{processors}", "memory": f"{program.mebibytes}Mi"}


def _startup(program: Program) -> gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs:
    if program.is_public:
        return gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs(
            tcp_socket=gcp.cloudrunv2.ServiceTemplateContainerStartupProbeTcpSocketArgs(port=program.port),
            period_seconds=5,
            failure_threshold=PATIENCE,
        )
    return gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs(
        http_get=gcp.cloudrunv2.ServiceTemplateContainerStartupProbeHttpGetArgs(path=program.health, port=program.port),
        period_seconds=5,
        failure_threshold=PATIENCE,
    )


def _liveness(program: Program) -> gcp.cloudrunv2.ServiceTemplateContainerLivenessProbeArgs | None:
    """None for the edge. Its beacon says whether the site should get traffic, not whether the edge lives: 1. the site is drained, and the
    beacon goes dark; 2. the probe fails, and the edge is killed, again and again; 3. clients whose resolvers still name this site are
    handed to nobody."""
    if program.is_public:
        return None
    return gcp.cloudrunv2.ServiceTemplateContainerLivenessProbeArgs(
        http_get=gcp.cloudrunv2.ServiceTemplateContainerLivenessProbeHttpGetArgs(path=program.health, port=program.port),
        period_seconds=10,
        failure_threshold=STUMBLES,
    )
