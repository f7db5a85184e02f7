"""What the three control nodes have in common. Pure."""

from collections.abc import Mapping
from typing import assert_never

from infra.topology import Cloud

DATA_GIB: Mapping[Cloud, int] = {Cloud.AWS: 64, Cloud.AZURE: 128, Cloud.GCP: 64}
"""etcd's own disk. It keeps little and writes it through at every step: sizes are what comes with 500 writes a second and more (etcd,
"Hardware recommendations"; Azure: "Premium SSD", P10)."""
SYSTEM_GIB = 32

LUN = 0
"""Azure: the number by which etcd's disk is attached."""
DEVICE = "data"
"""Google: the name by which it is."""
ATTACHED_AS = "/dev/sdf"
"""AWS asks for a name and does not keep it: the machine finds the disk by its volume's id. It is attached when the machine runs already;
whoever makes use of it waits for it (`controller.manifest.units`)."""


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
