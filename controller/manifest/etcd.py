"""etcd's command line: one function for the lab's members and for those of control nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import PurePath
from urllib.parse import urlsplit

CLIENT_PORT, PEER_PORT, METRICS_PORT = 2379, 2380, 2381

MEMBER = "etcd-member"
"""Common name in the certificates of members, and in nobody else's of their authority. Without a comma and a blank: etcd 3.6 and the unit's
command line would each take it for two."""

HISTORY = timedelta(minutes=5)
"""How far back a member can be asked; etcd forgets once per such time, so up to twice as much is there.

1. Three controllers publish a dozen times a second, and etcd by itself keeps every value there ever was: a gigabyte a day.
2. After two days the store is at etcd's own quota and takes no write any more. 3. A cloud dies, and nobody can claim the failover.
Controllers read only what is there now; the one who asks for a past revision is the lab's comparison, seconds later.
"""

QUOTA = 1 << 30
"""Bytes of one member's store: fifty times what it needs (21 MB at ten thousand revisions per HISTORY, measured), and less than a
disk that is shared with the databases can spare."""

LONGEST_ELECTION = timedelta(seconds=50)
"""etcd takes none that is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How soon a leader is missed. The same at all members: one that is less patient than the others unseats every leader."""

    heartbeat: timedelta = timedelta(milliseconds=30)
    """About the longest round trip between two members."""
    election: timedelta = timedelta(milliseconds=300)

    def __post_init__(self) -> None:
        """Raises ValueError for a pace at which etcd would not start."""
        if self.heartbeat < timedelta(milliseconds=1):
            raise ValueError(f"a heartbeat of {self.heartbeat / timedelta(milliseconds=1):g} ms: expected 1 ms or more")
        if not 5 * self.heartbeat <= self.election <= LONGEST_ELECTION:
            raise ValueError(
                f"an election timeout of {_milliseconds(self.election)} ms: expected five heartbeats of "
                f"{_milliseconds(self.heartbeat)} ms or more, and {_milliseconds(LONGEST_ELECTION)} ms at most"
            )


PACE = Pace()
"""Reached a new leader in 0.5 s (median) at 25 ms round trip; etcd's defaults, 100 and 1000 ms, need 1.6 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Files by which a member knows who is calling, and is known."""

    identity: PurePath
    """Its certificate with its private key, PEM. For both ends of a connection: etcd's own gateway calls etcd with it, and what it calls
    asks for a client's certificate. Its common name is MEMBER: others do not speak with a member that has another."""
    authority: PurePath
    """Issues to members, controllers and edges' agents, and to nobody else: whoever holds such a certificate may write the posture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, as it is started."""

    name: str
    data: PurePath
    cluster: str
    """Told to the others at the first start: members of another cluster are turned away."""
    peers: Mapping[str, str]
    """By name, what the others dial; this one among them."""
    clients: tuple[str, ...]
    """URLs where clients are listened to. The first is told to them."""
    peer: str
    """URL where the others are listened to; behind a relay it is not what they dial."""
    papers: Papers | None = None
    """None: without TLS, on this machine alone."""
    joins: bool = False
    """Does it start empty in a cluster that is there already?"""
    metrics: str | None = None
    """URL where it tells its numbers and its health to whoever asks, without TLS, on this machine alone."""
    pace: Pace = PACE
    history: timedelta = HISTORY
    quota: int = QUOTA
    """Bytes."""
    log: str = "warn"

    def __post_init__(self) -> None:
        """Raises ValueError for a member that would not find itself, or that anybody could speak to.

        1. A node's etcd listens without TLS, by a slip in one address. 2. Whoever is in the network writes a posture.
        3. Every edge follows it.
        """
        if self.name not in self.peers:
            raise ValueError(f"{self.name}: expected to be one of the members {', '.join(sorted(self.peers))}")
        if not self.clients:
            raise ValueError(f"{self.name}: expected a URL where clients are listened to")
        for url in (*self.clients, self.peer, *self.peers.values()):
            _require(url, secured=self.papers is not None)
        if self.metrics is not None:
            _require(self.metrics, secured=False)


def arguments(member: Member) -> tuple[str, ...]:
    """What follows the program's name. Understood by etcd 3.5 and 3.6 alike."""
    return (
        f"--name={member.name}",
        f"--data-dir={member.data}",
        f"--listen-client-urls={','.join(member.clients)}",
        f"--advertise-client-urls={member.clients[0]}",
        f"--listen-peer-urls={member.peer}",
        f"--initial-advertise-peer-urls={member.peers[member.name]}",
        f"--initial-cluster={','.join(f'{name}={url}' for name, url in member.peers.items())}",
        f"--initial-cluster-token={member.cluster}",
        f"--initial-cluster-state={'existing' if member.joins else 'new'}",
        f"--heartbeat-interval={_milliseconds(member.pace.heartbeat)}",
        f"--election-timeout={_milliseconds(member.pace.election)}",
        "--pre-vote=true",
        "--auto-compaction-mode=periodic",
        f"--auto-compaction-retention={member.history.total_seconds():.0f}s",
        f"--quota-backend-bytes={member.quota}",
        *(() if member.metrics is None else (f"--listen-metrics-urls={member.metrics}",)),
        *(() if member.papers is None else _mutual(member.papers)),
        "--logger=zap",
        f"--log-level={member.log}",
    )


def _mutual(papers: Papers) -> tuple[str, ...]:
    """Everybody who connects shows a certificate, clients and members alike. etcd takes nothing below TLS 1.2 by itself.

    Members are known by a common name besides. 1. One authority issues to members and to clients. 2. etcd compares addresses only where a
    certificate has one, and those of edges' agents have none. 3. Whoever gets into an edge speaks to members as one of them, and has a say
    in what the majority is. Not by a host name (`--peer-cert-allowed-hostname`; only one of the two may be given): etcd would look that up
    where the address does not fit, and whoever answers for names could vouch for a member.
    """
    return (
        f"--cert-file={papers.identity}",
        f"--key-file={papers.identity}",
        f"--trusted-ca-file={papers.authority}",
        "--client-cert-auth=true",
        f"--peer-cert-file={papers.identity}",
        f"--peer-key-file={papers.identity}",
        f"--peer-trusted-ca-file={papers.authority}",
        "--peer-client-cert-auth=true",
        f"--peer-cert-allowed-cn={MEMBER}",
    )


def _require(url: str, *, secured: bool) -> None:
    """Raises ValueError for a URL that does not go with what protects it. Names are refused: etcd listens at addresses."""
    found = urlsplit(url)
    try:
        address = ip_address(found.hostname or "")
    except ValueError as error:
        raise ValueError(f"{url}: expected an address, as etcd's members name each other") from error
    if secured and found.scheme != "https":
        raise ValueError(f"{url}: expected https, this member has papers")
    if not secured and (found.scheme != "http" or not address.is_loopback):
        raise ValueError(f"{url}: expected http at this machine's own address; what others can reach needs papers")


def _milliseconds(given: timedelta) -> int:
    return round(given / timedelta(milliseconds=1))
