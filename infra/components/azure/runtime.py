"""What runs at the site: one environment of Azure Container Apps, and one app in it for each program.

Between programs, and from clients to the edge: an app with TCP ingress is reached by its name and port, byte for byte. The callee's TLS,
with the certificate it asks for, stays its own. HTTP ingress would end TLS at Azure's proxy and hand on a certificate in a header that any
app of the environment could write. What TCP ingress cannot do: refuse a caller (so the callee does, see `ways`), try a request again, or
split traffic by revision, none of which is wanted here. Source: Azure Container Apps, "Ingress in Azure Container Apps".

The environment is internal: it has an address of the site's network and no other. In an external one Azure's public address leads past
every security group, and other sites could reach the edge's door by that address alone ("Securing a custom VNET", workload profiles).
"""

from dataclasses import dataclass

import pulumi
from pulumi import CustomTimeouts, ResourceOptions
from pulumi_azure_native import app

from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.registry import Registry
from infra.components.azure.secrets import Secrets
from infra.services import DOORS, Program, Service
from infra.settings import CapacityTable

PROFILE = "Consumption"
MEBIBYTES_PER_PROCESSOR = 2048
"""What this profile gives with each processor, no more and no less (Azure Container Apps, "Containers")."""
APP_NAME = 32
"""Characters."""
GRACE_SECONDS = 30
"""Longer than any request takes."""
BUSY_PERCENT = "60"
"""Of processors, above which Azure starts another instance: two sites carry a third one's part before any has started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentArgs:
    """What it is made from."""

    ground: Ground
    network: Network


class Environment(pulumi.ComponentResource):
    """Promise: instances stand in three zones, and nobody outside the site's network can knock at any of them."""

    def __init__(self, name: str, args: EnvironmentArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Environment", name, None, opts)
        ground = args.ground
        self.environment = app.ManagedEnvironment(
            f"{name}-environment",
            resource_group_name=ground.group,
            environment_name=ground.called(longest=APP_NAME),
            location=ground.region,
            zone_redundant=True,
            public_network_access="Disabled",
            vnet_configuration=app.VnetConfigurationArgs(
                infrastructure_subnet_id=args.network.subnet("environment"), internal=True
            ),
            workload_profiles=[app.WorkloadProfileArgs(name=PROFILE, workload_profile_type=PROFILE)],
            # By diagnostic settings: the other way keeps a key of the workspace in the state.
            app_logs_configuration=app.AppLogsConfigurationArgs(destination="azure-monitor"),
            peer_traffic_configuration=app.ManagedEnvironmentPeerTrafficConfigurationArgs(
                encryption=app.ManagedEnvironmentEncryptionArgs(enabled=True)
            ),
            tags=ground.tags(),
            # Its address is what the firewall sends clients to.
            opts=ResourceOptions(parent=self, protect=True, custom_timeouts=CustomTimeouts(create="60m", delete="60m")),
        )
        self.register_outputs({"environment": self.environment.id})


@dataclass(frozen=True, slots=True, kw_only=True)
class AppArgs:
    """What one program's app is made from."""

    ground: Ground
    environment: Environment
    registry: Registry
    secrets: Secrets
    program: Program
    image: str
    capacity: CapacityTable


class App(pulumi.ComponentResource):
    """Promise: never fewer instances than the floor, each with its own identity, its own secrets and the image that was named.

    The controller raises the floor in an outage. Azure keeps it in the same document as the image, so this program leaves it as it finds
    it: 1. the controller has doubled the floor of a survivor. 2. Somebody rolls out a repair. 3. The floor is what the settings say again,
    half of the survivor stops, and the payments of three sites queue at what is left. `pulumi up --refresh` takes in what the controller
    has set before it writes; without it, what it wrote itself last. An app is made with the floor; afterwards the settings' floor is the
    controller's to bring about.

    Until the site is `live` there is no app: Azure looks a secret up when an app is made, and refuses one that has no value yet. From
    then on it is protected: by one line less in a stack's file all five would be gone while clients ask for them.
    """

    def __init__(self, name: str, args: AppArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:App", name, None, opts)
        program, identity = args.program, args.secrets.identity
        pulls = args.registry.lets_pull(program.service, identity.principal_id)
        self.app = app.ContainerApp(
            f"{name}-app",
            resource_group_name=args.ground.group,
            container_app_name=called(args.ground, program.service),
            location=args.ground.region,
            environment_id=args.environment.environment.id,
            workload_profile_name=PROFILE,
            identity=app.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[identity.id]),
            configuration=app.ConfigurationArgs(
                active_revisions_mode="Single",
                ingress=_ingress(program),
                registries=[app.RegistryCredentialsArgs(server=args.registry.registry.login_server, identity=identity.id)],
                secrets=[
                    app.SecretArgs(name=secret.name, key_vault_url=args.secrets.place(secret.name), identity=identity.id)
                    for secret in program.secrets
                ],
            ),
            template=_template(program, args.image, args.capacity),
            tags=args.ground.tags(),
            opts=ResourceOptions(
                parent=self,
                protect=True,
                depends_on=[pulls, args.secrets.readable],
                ignore_changes=["template.scale.minReplicas", "template.scale.maxReplicas"],
            ),
        )
        self.register_outputs({"app": self.app.id})


def called(ground: Ground, service: Service) -> str:
    """What the controller asks for when it raises a floor, and what other programs of the site dial."""
    return ground.called(service, longest=APP_NAME)


def _template(program: Program, image: str, capacity: CapacityTable) -> app.TemplateArgs:
    return app.TemplateArgs(
        containers=[
            app.ContainerArgs(
                name=program.service,
                image=image,
                resources=_resources(program),
                probes=_probes(program),
                env=[
                    *(app.EnvironmentVarArgs(name=name, value=value) for name, value in program.environment.items()),
                    *(app.EnvironmentVarArgs(name=one.variable, secret_ref=one.name) for one in program.secrets),
                ],
            )
        ],
        scale=app.ScaleArgs(
            min_replicas=capacity.floor,
            max_replicas=capacity.ceiling,
            rules=[
                app.ScaleRuleArgs(
                    name="processors",
                    custom=app.CustomScaleRuleArgs(type="cpu", metadata={"type": "Utilization", "value": BUSY_PERCENT}),
                )
            ],
        ),
        termination_grace_period_seconds=GRACE_SECONDS,
    )


def _resources(program: Program) -> app.ContainerResourcesArgs:
    """At least what the program asks for."""
    processors = max(program.millicores / 1000, program.mebibytes / MEBIBYTES_PER_PROCESSOR)
    return app.ContainerResourcesArgs(cpu=processors, memory=f"{processors * MEBIBYTES_PER_PROCESSOR / 1024:g}Gi")


def _probes(program: Program) -> list[app.ContainerAppProbeArgs]:
    """Whether it listens. More cannot be asked: Azure's probe has no certificate, and services speak to nobody without. An edge could be
    asked for its beacon, and must not be: that is dark while a site is drained, and a drained edge still hands requests over."""
    if program.port is None:
        return []
    port = app.ContainerAppProbeTcpSocketArgs(port=program.port)
    return [
        app.ContainerAppProbeArgs(type=kind, tcp_socket=port, period_seconds=5, timeout_seconds=1, failure_threshold=failures)
        for kind, failures in (("Startup", 24), ("Readiness", 2), ("Liveness", 6))
    ]


def _ingress(program: Program) -> app.IngressArgs | None:
    """Its TLS is its own. The edge is seen outside of the environment, which is the site's network and the mesh: clients come in through
    the firewall."""
    if program.port is None:
        return None
    beside = [app.IngressPortMappingArgs(external=True, target_port=port, exposed_port=port) for port in DOORS.values()]
    return app.IngressArgs(
        external=program.is_public,
        transport="tcp",
        target_port=program.port,
        exposed_port=program.port,
        additional_port_mappings=beside if program.is_public else None,
        traffic=[app.TrafficWeightArgs(latest_revision=True, weight=100)],
    )
