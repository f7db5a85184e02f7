"""What the three control nodes have in common. Pure."""

import json
from collections.abc import Mapping
from typing import assert_never

from infra.settings import Settings
from infra.topology import Cloud

DATA_GIB: Mapping[Cloud, int] = {Cloud.AWS: 64, Cloud.AZURE: 128, Cloud.GCP: 64}
"""etcd's own disk. It keeps little and writes it through at every step: sizes are what comes with 500 writes a second and more (etcd,
"Hardware recommendations"; Azure: "Premium SSD", P10)."""
SYSTEM_GIB = 32
TOLD = "/etc/trimaran/node.json"


def first_words(settings: Settings, cloud: Cloud) -> str:
    """What a node is told when it starts for the first time: whose it is, which one, and where the other two are.

    Nothing more. What runs on it, etcd's flags and the controller's settings do not come from here: what changes would make the machine
    anew, and whoever may look at a machine may read it. They are rendered from the templates that the lab renders, which is a later step.
    """
    nodes = {one.value: str(network.control_node) for one, network in settings.network.plan().sites.items()}
    told = json.dumps({"environment": settings.environment, "site": cloud.value, "nodes": nodes}, sort_keys=True)
    files = {"write_files": [{"path": TOLD, "permissions": "0444", "content": told}]}
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
