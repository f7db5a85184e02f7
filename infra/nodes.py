"""What control nodes are told when they are new: this stack's settings, as `controller.manifest` takes them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.manifest import cloud_init
from controller.manifest.node import PAPERS, Node, device_of
from infra.settings import Settings
from infra.topology import Cloud

PLACES = tuple(paper.name for paper in PAPERS)
"""Secrets of a control node, each with a place of its own in its site's secret store, which `trimaran bootstrap` fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParts:
    """What only the stack knows of a node."""

    disk: str
    """etcd's disk as the machine finds it: AWS the volume's id, Azure the number (LUN), Google the device's name."""
    etcd: str
    """Image with its digest, of the site's own registry."""
    controller: str
    papers: Mapping[str, str]
    """By name of `PLACES`: the vendor's id of the place."""
    audiences: Mapping[str, str] = field(default_factory=dict)
    """By another cloud that is shown a token of this one's: for whom it is made out."""
    client: str = ""
    """Azure: client id of the node's identity."""


def node_of(settings: Settings, cloud: Cloud, parts: NodeParts) -> Node:
    """The node of this cloud. Raises ValueError for parts that no node would come up with."""
    sites = settings.network.plan().sites
    return Node(
        environment=settings.environment,
        site=cloud.value,
        cloud=cloud.value,
        nodes={one.value: site.control_node for one, site in sites.items()},
        callers=tuple(site.environment for site in sites.values()),
        device=device_of(cloud.value, parts.disk),
        etcd=parts.etcd,
        controller=parts.controller,
        papers=parts.papers,
        audiences=parts.audiences,
        client=parts.client,
        joins=settings.control is not None and settings.control.joins is cloud,
    )


def words(settings: Settings, cloud: Cloud, parts: NodeParts) -> str:
    """The same as user data: AWS's `user_data_base64`, Azure's `custom_data`, Google's metadata `user-data`. Raises ValueError.

    A machine reads it once, when it is new. Let what makes the machine ignore changes of it: 1. A flag changes here, and with it all three
    machines' user data. 2. One update makes all three anew. 3. Nobody decides anything until they are back. A changed node is made anew by
    itself, and the next one when etcd has three members again.
    """
    return cloud_init.handed_over(cloud.value, cloud_init.document(node_of(settings, cloud, parts)))
