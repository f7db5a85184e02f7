"""What AWS makes up when something is made there."""

from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]

REGION, ACCOUNT = "eu-central-1", "111111111111"
ADDRESSES = ("192.0.2.10", "198.51.100.10")
"""For documentation (RFC 5737)."""


def _arn(service: str, kind: str, key: str = "name") -> Answer:
    """Its ARN names what its input says, or what Pulumi calls it."""

    def answer(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        called = inputs.get(key, name)
        return f"{called}", {"arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{called}", key: called}

    return answer


def _vpc(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"vpc-{name}", {"defaultRouteTableId": f"rtb-default-{name}"}


def _subnet(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"subnet-{name}", {}


def _group(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"sg-{name}", {}


def _endpoint(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    listed = {"prefixListId": f"pl-{name}"} if inputs["vpcEndpointType"] == "Gateway" else {}
    return f"vpce-{name}", listed


def _key(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return f"id-{name}", {"arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/id-{name}", "keyId": f"id-{name}"}


def _secret(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{inputs['name']}-AbCdEf"
    return arn, {"arn": arn}


def _bucket(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    bucket = inputs.get("bucket", name)
    return bucket, {"arn": f"arn:aws:s3:::{bucket}", "bucket": bucket}


def _role(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    called = inputs.get("name", name)
    return called, {"arn": f"arn:aws:iam::{ACCOUNT}:role/{called}", "name": called}


def _server(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    identifier = inputs["identifier"]
    host = f"{identifier}.c0ffee.{REGION}.rds.amazonaws.com"
    return f"db-{name}", {
        "arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{identifier}",
        "address": host,
        "endpoint": f"{host}:5432",
        "masterUserSecrets": [
            {"secretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!{name}", "secretStatus": "active"}
        ],
    }


def _named(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return name, {"name": inputs.get("name", name)}


def _balancer(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    called = inputs["name"]
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/{called}"
    return arn, {"arn": arn, "name": called, "dnsName": f"{called}-c0ffee.elb.{REGION}.amazonaws.com"}


def _accelerator(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    arn = f"arn:aws:globalaccelerator::{ACCOUNT}:accelerator/{name}"
    return arn, {"arn": arn, "ipSets": [{"ipFamily": "IPv4", "ipAddresses": list(ADDRESSES)}]}


def _task(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    family = inputs["family"]
    return family, {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}:1", "revision": 1}


def _scaled(name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return inputs["resourceId"], {}


ANSWERS: Mapping[str, Answer] = {
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:ec2/subnet:Subnet": _subnet,
    "aws:ec2/securityGroup:SecurityGroup": _group,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:kms/key:Key": _key,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:iam/role:Role": _role,
    "aws:rds/instance:Instance": _server,
    "aws:rds/parameterGroup:ParameterGroup": _named,
    "aws:rds/subnetGroup:SubnetGroup": _named,
    "aws:cloudwatch/logGroup:LogGroup": _arn("logs", "log-group:"),
    "aws:cloudtrail/trail:Trail": _arn("cloudtrail", "trail/"),
    "aws:ecr/repository:Repository": _arn("ecr", "repository/"),
    "aws:ecs/cluster:Cluster": _arn("ecs", "cluster/"),
    "aws:ecs/taskDefinition:TaskDefinition": _task,
    "aws:ecs/service:Service": _named,
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": _arn("servicediscovery", "namespace/"),
    "aws:servicediscovery/service:Service": _arn("servicediscovery", "service/"),
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:lb/targetGroup:TargetGroup": _arn("elasticloadbalancing", "targetgroup/"),
    "aws:lb/listener:Listener": _arn("elasticloadbalancing", "listener/"),
    "aws:globalaccelerator/accelerator:Accelerator": _accelerator,
    "aws:globalaccelerator/listener:Listener": _arn("globalaccelerator", "listener/"),
    "aws:appautoscaling/target:Target": _scaled,
}
CALLS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {}
