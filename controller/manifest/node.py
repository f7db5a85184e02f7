"""One control node as a value: who it is, what runs on it, from where, and where each thing of it lies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from controller.manifest.etcd import CLIENT_PORT, METRICS_PORT, PACE, PEER_PORT, Member, Pace, Papers

MEMBERS = 3

TOLD = PurePosixPath("/etc/trimaran/node.json")
"""What programs of the node itself read about it."""
BOOT = PurePosixPath("/usr/local/lib/trimaran")
PROGRAMS = PurePosixPath("/opt/trimaran/images")
DISK = PurePosixPath("/var/lib/trimaran/etcd")
"""Where etcd's own disk is mounted."""
STORE = DISK / "store"
PLACE = PurePosixPath("/run/trimaran")
"""Papers: in memory, and gone with the machine."""
TOKENS = PLACE / "tokens"
"""By the name of the cloud that it is shown to: what the own cloud says of the node."""
WORK = PLACE / "work"
"""What people bring to a command, and what it leaves: gone with the machine."""

REGISTRIES: Mapping[str, str] = {
    "aws": r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com",
    "azure": r"[a-z0-9]+\.azurecr\.io",
    "gcp": r"[a-z0-9-]+-docker\.pkg\.dev",
}
"""By cloud, whose a node may fetch from: with an image from elsewhere it could not be made anew while that cloud is down."""
NAMED = r"/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}"
DEVICE = re.compile(r"/dev/disk/[A-Za-z0-9_./-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the node with a fixed number: rules of its firewall are read before names are."""

    name: str
    number: int

    @property
    def place(self) -> PurePosixPath:
        """Where its papers lie."""
        return PLACE / self.name.removeprefix("trimaran-")


ETCD = User(name="trimaran-etcd", number=10002)
CONTROLLER = User(name="trimaran-controller", number=10001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A secret that the node fetches, as a file for one user alone."""

    name: str
    """In the secret store, after `control/`."""
    owner: User
    file: str

    @property
    def path(self) -> PurePosixPath:
        """Where it is written."""
        return self.owner.place / self.file


ETCD_IDENTITY = Paper(name="etcd-identity", owner=ETCD, file="identity.pem")
ETCD_AUTHORITY = Paper(name="etcd-authority", owner=ETCD, file="authority.pem")
SETTINGS = Paper(name="settings", owner=CONTROLLER, file="settings.toml")
ENVIRONMENT = Paper(name="environment", owner=CONTROLLER, file="environment")
PAPERS: tuple[Paper, ...] = (
    ETCD_IDENTITY,
    ETCD_AUTHORITY,
    SETTINGS,
    ENVIRONMENT,
    Paper(name="operator-token", owner=CONTROLLER, file="operator.token"),
    Paper(name="identity", owner=CONTROLLER, file="identity.pem"),
    Paper(name="authority", owner=CONTROLLER, file="authority.pem"),
    Paper(name="controller-etcd-identity", owner=CONTROLLER, file="etcd-identity.pem"),
    Paper(name="controller-etcd-authority", owner=CONTROLLER, file="etcd-authority.pem"),
    *(
        Paper(name=f"database-authority-{cloud}", owner=CONTROLLER, file=f"database-authority-{cloud}.pem")
        for cloud in REGISTRIES
    ),
)
"""All of them. `environment` holds the passwords of databases as `NAME=value` lines; the controller's settings name the other files, which
lie beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Everything that differs between two nodes. No secret: who may look at a machine may read what it was told."""

    environment: str
    site: str
    cloud: str
    nodes: Mapping[str, IPv4Address]
    """By site, this one's among them: etcd's members name each other by address."""
    callers: tuple[IPv4Network, ...]
    """From where edges' agents ask etcd, at all sites."""
    device: str
    """etcd's disk by a name that is this disk's and no other's. See `device_of`."""
    etcd: str
    """Image of etcd 3.6, `registry/repository@sha256:…`, of the own cloud's registry."""
    controller: str
    papers: Mapping[str, str]
    """By name of a paper, its place as the vendor's secret store names it."""
    audiences: Mapping[str, str] = field(default_factory=dict)
    """By another cloud that is shown a token: for whom it is made out."""
    client: str = ""
    """Azure: which of the machine's identities reads papers, and whom tokens are about."""
    joins: bool = False
    """Does its member come to a cluster that is there already, with an empty disk?"""
    pace: Pace = PACE

    def __post_init__(self) -> None:
        """Raises ValueError for a node that would not come up, with what was expected."""
        if self.cloud not in REGISTRIES:
            raise ValueError(f"cloud {self.cloud}: expected one of {', '.join(REGISTRIES)}")
        if self.site not in self.nodes or len(set(self.nodes.values())) != MEMBERS or len(self.nodes) != MEMBERS:
            raise ValueError(
                f"nodes {', '.join(self.nodes)}: expected {MEMBERS}, each with its own address, and {self.site} among them"
            )
        for image in (self.etcd, self.controller):
            if re.fullmatch(REGISTRIES[self.cloud] + NAMED, image) is None:
                raise ValueError(
                    f"image {image}: expected registry/repository@sha256:… of a registry of {self.cloud}; a tag can be moved"
                )
        if DEVICE.fullmatch(self.device) is None:
            raise ValueError(f"device {self.device}: expected a name below /dev/disk; others go to whichever disk is found first")
        wanted = {paper.name for paper in PAPERS}
        if set(self.papers) != wanted:
            raise ValueError(f"papers {', '.join(sorted(self.papers))}: expected exactly {', '.join(sorted(wanted))}")
        if beside := set(self.audiences) - (set(REGISTRIES) - {self.cloud}):
            raise ValueError(f"audiences {', '.join(sorted(beside))}: expected clouds other than {self.cloud}")
        if self.cloud == "azure" and not self.client:
            raise ValueError("client: expected the id of the identity that reads papers; a machine on Azure may have several")

    @property
    def address(self) -> IPv4Address:
        """Its own."""
        return self.nodes[self.site]

    @property
    def others(self) -> tuple[IPv4Address, ...]:
        """The other nodes'."""
        return tuple(address for site, address in self.nodes.items() if site != self.site)

    def member(self) -> Member:
        """Its member of etcd."""
        return Member(
            name=self.site,
            data=STORE,
            cluster=f"trimaran-{self.environment}",
            peers={site: f"https://{address}:{PEER_PORT}" for site, address in self.nodes.items()},
            clients=(f"https://{self.address}:{CLIENT_PORT}",),
            peer=f"https://{self.address}:{PEER_PORT}",
            papers=Papers(identity=ETCD_IDENTITY.path, authority=ETCD_AUTHORITY.path),
            joins=self.joins,
            metrics=f"http://127.0.0.1:{METRICS_PORT}",
            pace=self.pace,
            log="info",
        )


def content(image: str) -> PurePosixPath:
    """Where the content of an image lies: what has another digest lies somewhere else."""
    return PROGRAMS / image.rpartition(":")[2][:16]


def device_of(cloud: str, disk: str) -> str:
    """Where a machine of this cloud finds its disk. `disk`: on AWS the volume's id, elsewhere the name or number it is attached by.

    Sources: AWS, "Map NVMe block devices to volumes"; Azure, "Device names" (udev rules of the Linux agent); Google, "Symbolic links to
    disks". Raises ValueError.
    """
    match cloud:
        case "aws":
            return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{disk.replace('-', '')}"
        case "azure":
            return f"/dev/disk/azure/scsi1/lun{disk}"
        case "gcp":
            return f"/dev/disk/by-id/google-{disk}"
        case _:
            raise ValueError(f"cloud {cloud}: expected one of {', '.join(REGISTRIES)}")
