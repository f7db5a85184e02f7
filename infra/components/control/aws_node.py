"""The control node on AWS."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import Statement, allow, document, service
from infra.components.aws.identities import LAYERS
from infra.components.control.aws_permissions import SESSION_MANAGER
from infra.components.control.federation import Purpose, node
from infra.components.control.federation_aws import AwsPlaces, proves_itself
from infra.components.control.nodes import ATTACHED_AS, DATA_GIB, SYSTEM_GIB, zone_of
from infra.components.control.told import told
from infra.contracts import SiteContract
from infra.services import CONTROL, CONTROL_IMAGES, CONTROL_SECRETS
from infra.settings import ControlTable, Settings
from infra.topology import Cloud

SIZE = "m7i.large"
"""Two processors of its own: one that is lent by credits stands still when they are used up, and etcd's leader with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsNodeArgs:
    """What it is made from."""

    settings: Settings
    site: SiteContract
    places: AwsPlaces


class AwsNode(pulumi.ComponentResource):
    """Promise: one machine with the planned address and no other, that nobody reaches by a key or a password, with a disk of etcd's that
    stays when the machine goes.

    There is no machine before `settings.live`: its image is a placeholder until then. An image that is changed would make the machine
    anew, all three in one update, and etcd would be gone: so it is refused, by Pulumi and by each cloud. User data that is changed is
    passed over: 1. a line of a template changes. 2. AWS stops the machine to tell it, Azure refuses, Google tells it and nothing happens.
    3. Three nodes have been told three things, and one of them is down. Either way a node is made anew, one after the other: take both
    guards off it, destroy the machine and what hangs on it with `--target`, apply, and wait until etcd has three members again.

    People log in by Session Manager, as themselves: the node opens that way, and nothing listens.
    """

    def __init__(self, name: str, args: AwsNodeArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:control:AwsNode", name, None, opts)
        self._name, self._args = name, args
        self._settings, self._site = args.settings, args.site
        self.role = self._role()
        self._profile = aws.iam.InstanceProfile(
            f"{name}-profile", name=node(self._settings), role=self.role.name, opts=pulumi.ResourceOptions(parent=self)
        )
        self.disk = self._disk()
        if self._settings.live and self._settings.control is not None:
            self._attach(self._machine(self._settings.control))
        self.register_outputs({})

    def _role(self) -> aws.iam.Role:
        """A controller of this cloud, and who says to the other two that it is one."""
        role = aws.iam.Role(
            f"{self._name}-role",
            name=node(self._settings),
            description="Is the control node",
            # Without a condition: a machine bears a role of its own account only, and who may give it one is told by `iam:PassRole`.
            assume_role_policy=document({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": service("ec2")}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        statements = (
            *self._args.places.statements(Purpose.CONTROLLER),
            proves_itself(),
            *self._told(),
            allow(*SESSION_MANAGER, on="*"),
        )
        aws.iam.RolePolicy(
            f"{self._name}-role", role=role.name, policy=document(*statements), opts=pulumi.ResourceOptions(parent=self)
        )
        return role

    def _told(self) -> tuple[Statement, ...]:
        """What is kept for the node, and for nobody else; and its images. Of a token for the registry see `aws.identities`."""
        secrets, region = pulumi.Output.from_input(self._site.secrets), self._settings.topology.aws
        through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}}
        return (
            allow("secretsmanager:GetSecretValue", on=[secrets[f"{CONTROL}/{one}"] for one in CONTROL_SECRETS]),
            allow("kms:Decrypt", on=self._site.disk_key, when=through),
            allow("ecr:GetAuthorizationToken", on="*"),
            allow(*LAYERS, on=self._repositories()),
        )

    def _repositories(self) -> list[pulumi.Output[str]]:
        """ARNs."""
        account, region = self._settings.accounts.aws.account, self._settings.topology.aws
        addresses = pulumi.Output.from_input(self._site.repositories)

        def named(address: str) -> str:
            return f"arn:aws:ecr:{region}:{account}:repository/{address.partition('/')[2]}"

        return [addresses[one].apply(named) for one in CONTROL_IMAGES]

    def _disk(self) -> aws.ebs.Volume:
        return aws.ebs.Volume(
            f"{self._name}-data",
            availability_zone=zone_of(Cloud.AWS, self._settings.topology.aws),
            size=DATA_GIB[Cloud.AWS],
            type="gp3",
            encrypted=True,
            kms_key_id=self._site.disk_key,
            final_snapshot=True,
            tags={"Name": f"{node(self._settings)}-data"},
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _machine(self, started_from: ControlTable) -> aws.ec2.Instance:
        return aws.ec2.Instance(
            f"{self._name}-machine",
            ami=started_from.aws,
            instance_type=SIZE,
            subnet_id=self._site.control_subnet,
            private_ip=str(self._settings.network.plan().sites[Cloud.AWS].control_node),
            associate_public_ip_address=False,
            vpc_security_group_ids=[self._site.control_guard],
            iam_instance_profile=self._profile.name,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1, instance_metadata_tags="disabled"
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                encrypted=True,
                kms_key_id=self._site.disk_key,
                volume_type="gp3",
                volume_size=SYSTEM_GIB,
                delete_on_termination=True,
            ),
            disable_api_termination=True,
            instance_initiated_shutdown_behavior="stop",
            monitoring=True,
            ebs_optimized=True,
            user_data_base64=told(self._settings, Cloud.AWS, self._site, disk=self.disk.id),
            user_data_replace_on_change=False,
            tags={"Name": node(self._settings)},
            # The address is free only when the old machine is gone.
            opts=pulumi.ResourceOptions(
                parent=self, protect=True, delete_before_replace=True, ignore_changes=["userData", "userDataBase64"]
            ),
        )

    def _attach(self, machine: aws.ec2.Instance) -> None:
        aws.ec2.VolumeAttachment(
            f"{self._name}-data",
            device_name=ATTACHED_AS,
            instance_id=machine.id,
            volume_id=self.disk.id,
            # Taken away from a running etcd it would lose what it has just promised to keep.
            stop_instance_before_detaching=True,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
