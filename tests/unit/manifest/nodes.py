"""Nodes as infrastructure would make them."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from controller.manifest.node import PAPERS, Node, device_of

CLOUDS = ("aws", "azure", "gcp")
NODES = {cloud: IPv4Address(f"10.{number}.48.10") for number, cloud in enumerate(CLOUDS, 10)}
CALLERS = tuple(IPv4Network(f"10.{number}.16.0/20") for number in range(10, 13))
ETCD, CONTROLLER = f"@sha256:{'e' * 64}", f"@sha256:{'c' * 64}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How names look at one cloud."""

    disk: str
    registry: str
    place: str


VENDORS: Mapping[str, Vendor] = {
    "aws": Vendor(
        disk="vol-0123456789abcdef0",
        registry="123456789012.dkr.ecr.eu-central-1.amazonaws.com/trimaran-prod",
        place="arn:aws:secretsmanager:eu-central-1:123456789012:secret:trimaran/prod/control/{}-AbCdEf",
    ),
    "azure": Vendor(
        disk="0", registry="trimaranprod.azurecr.io", place="https://trimaran-prod-control.vault.azure.net/secrets/{}"
    ),
    "gcp": Vendor(
        disk="data",
        registry="europe-west3-docker.pkg.dev/trimaran-prod/trimaran-prod",
        place="projects/trimaran-prod/secrets/trimaran-prod-control-{}",
    ),
}

AUDIENCES: Mapping[str, Mapping[str, str]] = {
    "aws": {"azure": "api://AzureADTokenExchange"},
    "azure": {
        "aws": "api://00000000-0000-0000-0000-000000000002/clouds",
        "gcp": "api://00000000-0000-0000-0000-000000000002/clouds",
    },
    "gcp": {"aws": "trimaran-prod-clouds", "azure": "api://AzureADTokenExchange"},
}


def node(cloud: str = "aws", **changes: Any) -> Node:
    """One that comes up."""
    vendor = VENDORS[cloud]
    given: dict[str, Any] = {
        "environment": "prod",
        "site": cloud,
        "cloud": cloud,
        "nodes": NODES,
        "callers": CALLERS,
        "device": device_of(cloud, vendor.disk),
        "etcd": f"{vendor.registry}/etcd{ETCD}",
        "controller": f"{vendor.registry}/controller{CONTROLLER}",
        "papers": {paper.name: vendor.place.format(paper.name) for paper in PAPERS},
        "audiences": AUDIENCES[cloud],
        "client": "00000000-0000-0000-0000-00000000000c" if cloud == "azure" else "",
    }
    return Node(**given | changes)
