"""What the three control nodes have in common. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import assert_never

from infra.settings import Settings
from infra.topology import Cloud

DATA_GIB: Mapping[Cloud, int] = {Cloud.AWS: 64, Cloud.AZURE: 128, Cloud.GCP: 64}
"""etcd's own disk. It keeps little and writes it through at every step: sizes are what comes with 500 writes a second and more (etcd,
"Hardware recommendations"; Azure: "Premium SSD", P10)."""
SYSTEM_GIB = 32
TOLD = "/etc/trimaran/node.json"
DISK: Mapping[Cloud, str] = {
    Cloud.AWS: "/dev/sdf",
    Cloud.AZURE: "/dev/disk/azure/scsi1/lun0",
    Cloud.GCP: "/dev/disk/by-id/google-data",
}
"""By what name a node finds etcd's disk: links that each vendor's own rules for udev make, which the image has. On AWS it is attached when
the machine runs already: whoever makes use of it waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What a node has to know of itself before it can be told anything else. No secret: whoever may look at a machine may read it."""

    environment: str
    site: str
    nodes: Mapping[str, str]
    """By site: private addresses of all three."""
    disk: str


def node_at(settings: Settings, cloud: Cloud) -> Node:
    """The one in that cloud."""
    nodes = {one.value: str(network.control_node) for one, network in settings.network.plan().sites.items()}
    return Node(environment=settings.environment, site=cloud.value, nodes=nodes, disk=DISK[cloud])


def first_words(node: Node) -> str:
    """The document that cloud-init is given when the machine starts for the first time."""
    files = {"write_files": [{"path": TOLD, "permissions": "0444", "content": json.dumps(asdict(node), sort_keys=True)}]}
    return f"#cloud-config\n{json.dumps(files, sort_keys=True)}\n"


def zone_of(cloud: Cloud, region: str) -> str:
    """Where the node and its disk are: the first of the region's, which is where AWS's subnet for it is."""
    match cloud:
        case Cloud.AWS:
            return f"{region}a"
        case Cloud.AZURE:
            return "1"
        case Cloud.GCP:
            return f"{region}-a"
        case _:
            assert_never(cloud)
