"""AWS's own services, inside the network: an instance starts, tells its log and asks for keys without the internet."""

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import allow, document
from infra.components.aws.network import Network
from infra.settings import Settings

ASKED = ("ecr.api", "ecr.dkr", "secretsmanager", "logs", "kms", "sts")
"""Source: Amazon ECR User Guide, "Amazon ECR interface VPC endpoints" (Fargate from 1.4.0 on needs both of ECR and S3's gateway)."""


class ImageGateway(pulumi.ComponentResource):
    """S3, for layers of images and nothing else: with more, whoever got into an instance could carry cards away to a bucket of his own."""

    def __init__(self, name: str, settings: Settings, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:ImageGateway", name, None, opts)
        layers = f"arn:aws:s3:::prod-{settings.region}-starport-layer-bucket/*"
        endpoint = aws.ec2.VpcEndpoint(
            name,
            vpc_id=network.vpc.id,
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{settings.region}.s3",
            route_table_ids=[one.id for one in network.starting],
            policy=document(allow("s3:GetObject", on=layers, to="*")),
            tags={"Name": name},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.prefixes = endpoint.prefix_list_id
        """S3's addresses, for security groups."""
        self.register_outputs({})


class Endpoints(pulumi.ComponentResource):
    """An address in each zone for each of `ASKED`, for this account's roles alone: a stolen key of another account gets nothing out."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        guard: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:aws:Endpoints", name, None, opts)
        own = {"StringEquals": {"aws:PrincipalAccount": settings.accounts.aws.account}}
        for one in ASKED:
            aws.ec2.VpcEndpoint(
                f"{name}-{one}",
                vpc_id=network.vpc.id,
                vpc_endpoint_type="Interface",
                service_name=f"com.amazonaws.{settings.region}.{one}",
                subnet_ids=[subnet.id for subnet in network.services],
                security_group_ids=[guard],
                private_dns_enabled=True,
                policy=document(allow(f"{one.partition('.')[0]}:*", on="*", to="*", when=own)),
                tags={"Name": f"{name}-{one}"},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*network.kept_free]),
            )
        self.register_outputs({})
