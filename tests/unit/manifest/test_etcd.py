"""etcd's command line: what the lab and control nodes have in common, and what is refused before anything starts."""

import re
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest

from controller.manifest.etcd import HISTORY, MEMBER, QUOTA, Member, Pace, Papers, arguments
from tests.unit.manifest.nodes import CLOUDS, NODES, node

PAPERS = Papers(identity=PurePosixPath("/p/identity.pem"), authority=PurePosixPath("/p/authority.pem"))
PLAIN: dict[str, Any] = {
    "name": "aws",
    "data": PurePosixPath("/data"),
    "cluster": "lab",
    "peers": {"aws": "http://127.0.0.1:3001", "gcp": "http://127.0.0.1:3002"},
    "clients": ("http://127.0.0.1:2001",),
    "peer": "http://127.0.0.1:4001",
}
MUTUAL: dict[str, Any] = {
    **PLAIN,
    "peers": {"aws": "https://10.1.0.1:2380", "gcp": "https://10.2.0.1:2380"},
    "clients": ("https://10.1.0.1:2379",),
    "peer": "https://10.1.0.1:2380",
    "papers": PAPERS,
}


def flags(member: Member) -> dict[str, str]:
    """By name."""
    found = dict(one.removeprefix("--").split("=", 1) for one in arguments(member))
    assert len(found) == len(arguments(member)), "a flag stands there twice"
    return found


def test_a_laptops_member_is_started_as_it_was_measured() -> None:
    """Every number of the lab's; what behind a relay is dialled is not what is listened to."""
    assert flags(Member(**PLAIN)) == {
        "name": "aws",
        "data-dir": "/data",
        "listen-client-urls": "http://127.0.0.1:2001",
        "advertise-client-urls": "http://127.0.0.1:2001",
        "listen-peer-urls": "http://127.0.0.1:4001",
        "initial-advertise-peer-urls": "http://127.0.0.1:3001",
        "initial-cluster": "aws=http://127.0.0.1:3001,gcp=http://127.0.0.1:3002",
        "initial-cluster-token": "lab",
        "initial-cluster-state": "new",
        "heartbeat-interval": "30",
        "election-timeout": "300",
        "pre-vote": "true",
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "300s",
        "quota-backend-bytes": str(1 << 30),
        "logger": "zap",
        "log-level": "warn",
    }


def test_a_nodes_member_differs_by_values_and_papers_alone() -> None:
    """The same pace, history and quota; the rest says who is calling."""
    laptop, cloud = flags(Member(**PLAIN)), flags(node().member())
    same = {"pre-vote", "heartbeat-interval", "election-timeout", "auto-compaction-mode", "auto-compaction-retention"}
    assert {name: cloud[name] for name in (*same, "quota-backend-bytes")} == {
        name: laptop[name] for name in (*same, "quota-backend-bytes")
    }
    assert (cloud["auto-compaction-retention"], cloud["quota-backend-bytes"]) == (f"{HISTORY.total_seconds():.0f}s", str(QUOTA))
    assert cloud.keys() - laptop.keys() == {
        "cert-file",
        "key-file",
        "trusted-ca-file",
        "client-cert-auth",
        "peer-cert-file",
        "peer-key-file",
        "peer-trusted-ca-file",
        "peer-client-cert-auth",
        "peer-cert-allowed-cn",
        "listen-metrics-urls",
    }
    assert cloud["client-cert-auth"] == cloud["peer-client-cert-auth"] == "true"


def test_only_who_is_called_a_member_is_taken_for_one() -> None:
    """By one name: a comma would make it two for etcd 3.6, a blank for the unit. A host name beside it etcd would not start with."""
    cloud = flags(node().member())
    assert cloud["peer-cert-allowed-cn"] == MEMBER and re.fullmatch(r"[a-z-]+", MEMBER)
    assert "peer-cert-allowed-hostname" not in cloud


@pytest.mark.parametrize("cloud", CLOUDS)
def test_members_of_one_cluster_agree_on_it(cloud: str) -> None:
    """Each is found where the others were told, and listens there alone."""
    own, other = flags(node(cloud).member()), flags(node("gcp").member())
    for name in ("initial-cluster", "initial-cluster-token", "heartbeat-interval", "election-timeout"):
        assert own[name] == other[name]
    assert own["listen-peer-urls"] == own["initial-advertise-peer-urls"] == f"https://{NODES[cloud]}:2380"
    assert own["listen-client-urls"] == own["advertise-client-urls"] == f"https://{NODES[cloud]}:2379"
    assert own["listen-metrics-urls"].startswith("http://127.0.0.1:")


def test_a_member_that_comes_later_says_so() -> None:
    """An empty disk in a cluster that is there."""
    assert flags(node(joins=True).member())["initial-cluster-state"] == "existing"
    assert flags(node().member())["initial-cluster-state"] == "new"


@pytest.mark.parametrize(
    ("given", "changes", "why"),
    [
        (PLAIN, {"name": "azure"}, "one of the members"),
        (PLAIN, {"clients": ()}, "where clients are listened to"),
        (PLAIN, {"clients": ("http://10.1.0.1:2379",)}, "needs papers"),
        (PLAIN, {"clients": ("http://0.0.0.0:2379",)}, "needs papers"),
        (PLAIN, {"peer": "http://10.1.0.1:2380"}, "needs papers"),
        (PLAIN, {"peers": {"aws": "http://10.1.0.1:2380"}}, "needs papers"),
        (PLAIN, {"peers": {"aws": "https://127.0.0.1:3001"}}, "needs papers"),
        (MUTUAL, {"peer": "http://10.1.0.1:2380"}, "expected https"),
        (MUTUAL, {"clients": ("https://10.1.0.1:2379", "http://127.0.0.1:2379")}, "expected https"),
        (MUTUAL, {"peers": {"aws": "https://node.example:2380"}}, "expected an address"),
        (MUTUAL, {"metrics": "http://10.1.0.1:2381"}, "needs papers"),
    ],
)
def test_what_anybody_could_speak_to_is_refused(given: dict[str, Any], changes: dict[str, Any], why: str) -> None:
    """Without papers only this machine is listened to; with papers nothing is left open beside them."""
    assert Member(**given).name == "aws"
    with pytest.raises(ValueError, match=why):
        Member(**given | changes)


@pytest.mark.parametrize(("heartbeat", "election"), [(0, 300), (100, 499), (30, 50_001)])
def test_a_pace_at_which_etcd_would_not_start_is_refused(heartbeat: int, election: int) -> None:
    """The limits are etcd's own."""
    with pytest.raises(ValueError, match="expected"):
        Pace(heartbeat=timedelta(milliseconds=heartbeat), election=timedelta(milliseconds=election))


def test_a_pace_at_its_limits_is_taken() -> None:
    """Five heartbeats, and fifty seconds."""
    assert Pace(heartbeat=timedelta(milliseconds=100), election=timedelta(milliseconds=500))
    assert Pace(heartbeat=timedelta(seconds=1), election=timedelta(seconds=50))
