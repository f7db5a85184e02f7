"""What tests about AWS ask of a recording."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.services import Service
from tests.infra.recording import Recording, Resource

STACKS = ("dev-aws", "prod-aws")
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
LISTENER = "aws:lb/listener:Listener"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
SUBNET = "aws:ec2/subnet:Subnet"
KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"
SERVER = "aws:rds/instance:Instance"
ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"


def document(resource: Resource, key: str = "policy") -> list[Mapping[str, Any]]:
    """Statements of a resource's document."""
    statements: list[Mapping[str, Any]] = json.loads(resource.inputs[key])["Statement"]
    return statements


def container(recording: Recording, service: Service) -> Mapping[str, Any]:
    """Definition of the service's only container."""
    (found,) = json.loads(recording.one(TASK, f"runtime-{service}").inputs["containerDefinitions"])
    definition: Mapping[str, Any] = found
    return definition


def arn_of(recording: Recording, token: str, name: str) -> str:
    """What the cloud called it."""
    arn: str = recording.one(token, name).outputs["arn"]
    return arn


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Everything in nested inputs, with the way to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
