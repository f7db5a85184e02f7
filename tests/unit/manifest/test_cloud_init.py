"""The document of a node: every cloud takes it, it names nothing that can be moved, and there is no secret in it."""

import ast
import base64
import gzip
import json
import random
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from controller import boot
from controller.manifest import cloud_init
from controller.manifest.node import Node, device_of
from controller.manifest.system import DAYS
from controller.manifest.units import IMAGES, units
from controller.stacks import layout
from tests.unit.manifest.nodes import AUDIENCES, CALLERS, CLOUDS, CONTROLLER, ETCD, NODES, VENDORS, node

LIMITS = {"aws": 16 * 1024, "azure": 64 * 1024, "gcp": 256 * 1024}


def heard(given: Node) -> str:
    """What cloud-init of that cloud finds when it has undone what the way there did."""
    handed = cloud_init.handed_over(given.cloud, cloud_init.document(given))
    match given.cloud:
        case "aws":
            return gzip.decompress(base64.b64decode(handed, validate=True)).decode()
        case "azure":
            return base64.b64decode(handed, validate=True).decode()
        case _:
            return handed


def read(given: Node) -> Mapping[str, Any]:
    """As cloud-init reads it."""
    head, _, rest = heard(given).partition("\n")
    assert head == "#cloud-config"
    document: Mapping[str, Any] = yaml.safe_load(rest)
    assert document == json.loads(rest)
    return document


def written(given: Node) -> dict[str, str]:
    """Files by path."""
    return {one["path"]: one["content"] for one in read(given)["write_files"]}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_takes_it(cloud: str) -> None:
    """Under its limit, counted as the vendor counts, with a quarter to spare for names that are longer than here."""
    handed = cloud_init.handed_over(cloud, cloud_init.document(node(cloud)))
    size = len(handed.encode()) if cloud == "gcp" else len(base64.b64decode(handed))
    assert size <= LIMITS[cloud] * 3 // 4
    assert dict(cloud_init.LARGEST) == LIMITS


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_is_too_long_is_refused_before_it_is_sent(cloud: str) -> None:
    """Noise, because AWS is handed what is compressed."""
    noise = base64.b85encode(random.Random(1).randbytes(LIMITS[cloud])).decode()
    with pytest.raises(ValueError, match=f"{cloud} takes {LIMITS[cloud]} at most"):
        cloud_init.handed_over(cloud, noise)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_it_is_the_same_document_every_time(cloud: str) -> None:
    """Otherwise every `pulumi up` would find three machines changed."""
    assert cloud_init.document(node(cloud)) == cloud_init.document(node(cloud))
    assert cloud_init.handed_over(cloud, "same") == cloud_init.handed_over(cloud, "same")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_secret_is_in_it(cloud: str) -> None:
    """What looks like a key, a certificate, a password or a token is none of it: places of papers are named, and nothing that is there."""
    said = heard(node(cloud))
    assert "-----BEGIN" not in said and not re.search(r"AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{10}", said)
    assert not re.search(r"(?i)(password|passwd|secret|token)\\?\"?\s*[:=]\s*\\?\"[A-Za-z0-9+/_-]{12,}", said)
    told = json.loads(written(node(cloud))["/etc/trimaran/node.json"])
    assert all(set(one) == {"place", "file", "owner"} for one in told["papers"])
    assert [one["place"] for one in told["papers"]] == list(node(cloud).papers.values())
    assert "users" not in read(node(cloud)) and read(node(cloud))["ssh_pwauth"] is False


@pytest.mark.parametrize("cloud", CLOUDS)
def test_tokens_for_other_clouds_lie_where_settings_look_for_them(cloud: str) -> None:
    """In a place that the controller alone may read, and that is there before it starts."""
    given = written(node(cloud))
    told = json.loads(given["/etc/trimaran/node.json"])["tokens"]
    assert {one["file"]: one["audience"] for one in told} == {
        str(layout.identity_token(other)): audience for other, audience in AUDIENCES[cloud].items()
    }
    assert {str(PurePosixPath(one["file"]).parent) for one in told} == {"/run/trimaran/tokens"}
    places = given["/etc/tmpfiles.d/trimaran.conf"].splitlines()
    assert "d /run/trimaran/tokens 0700 trimaran-controller trimaran-controller -" in places


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_runs_is_named_by_digest_and_comes_from_the_own_cloud(cloud: str) -> None:
    """Two images and no tag; no address of the network but the vendor's own, and nothing that fetches without asking for a digest."""
    given = written(node(cloud))
    told = json.loads(given["/etc/trimaran/node.json"])
    registry = VENDORS[cloud].registry
    assert [one["image"] for one in told["images"]] == [f"{registry}/etcd{ETCD}", f"{registry}/controller{CONTROLLER}"]
    assert ":latest" not in json.dumps(told)
    commands = json.dumps(read(node(cloud))["runcmd"])
    assert not re.search(r"curl|wget|apt|pip|docker|http", commands.replace("apt-daily-upgrade.timer", ""))
    assert "packages" not in read(node(cloud)) and read(node(cloud))["package_update"] is False


@pytest.mark.parametrize("cloud", CLOUDS)
def test_nodes_keep_the_time_of_their_own_cloud(cloud: str) -> None:
    """One source each, the vendor's, and nobody else's."""
    sources = [
        line for line in written(node(cloud))["/etc/chrony/chrony.conf"].splitlines() if re.match("server|pool|refclock", line)
    ]
    assert [line.split()[1:3] for line in sources] == [
        {"aws": ["169.254.169.123", "prefer"], "azure": ["PHC", "/dev/ptp_hyperv"], "gcp": ["169.254.169.254", "prefer"]}[cloud]
    ]


def test_no_two_nodes_are_changed_on_one_day() -> None:
    """Each has days of its own, none is made up for later, and none of it happens unless the other two are well."""
    days = {}
    for cloud in CLOUDS:
        given = written(node(cloud))
        timer = given["/etc/systemd/system/apt-daily-upgrade.timer.d/trimaran.conf"].splitlines()
        assert timer[1] == "OnCalendar=" and {"RandomizedDelaySec=0", "Persistent=false"} <= set(timer)
        (days[cloud],) = (
            set(line.removeprefix("OnCalendar=").split()[0].split(",")) for line in timer[2:] if "OnCalendar" in line
        )
        assert timer[2].endswith("03:00:00 UTC")
        guard = given["/etc/systemd/system/apt-daily-upgrade.service.d/trimaran.conf"]
        assert "ExecCondition=/usr/bin/python3 -P -B -m controller.boot others" in guard
        others = json.loads(given["/etc/trimaran/node.json"])["others"]
        assert others == [f"https://{address}:2379" for site, address in NODES.items() if site != cloud]
    assert all(days.values()) and sum(map(len, days.values())) == len(set.union(*days.values())) == len(",".join(DAYS).split(","))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_firewall_lets_in_who_the_plan_names(cloud: str) -> None:
    """Members for both ports, who reads the posture for one, and the metadata is for root and the controller alone."""
    rules = written(node(cloud))["/etc/nftables.conf"]
    assert rules.count("policy drop") == 2
    opened = [line.strip() for line in rules.splitlines() if "dport" in line and line.strip().endswith("accept")]
    others = ", ".join(str(address) for site, address in NODES.items() if site != cloud)
    assert opened == [
        "udp sport 67 udp dport 68 accept",
        f"ip saddr {{ {others} }} tcp dport {{ 2379, 2380 }} accept",
        f"ip saddr {{ {', '.join(map(str, CALLERS))} }} tcp dport 2379 accept",
    ]
    assert "ip daddr 169.254.169.254 tcp dport 80 meta skuid != { 0, 10001 } reject" in rules
    users = written(node(cloud))["/etc/sysusers.d/trimaran.conf"]
    assert "u trimaran-controller 10001 " in users and "u trimaran-etcd 10002 " in users


def test_every_file_is_roots_and_none_is_hidden_by_another() -> None:
    """Everybody may read all of them, because nothing is secret; one path twice would be a file that nobody sees."""
    files = read(node())["write_files"]
    assert {one["permissions"] for one in files} == {"0644", "0755"} and not [one for one in files if "owner" in one]
    assert len({one["path"] for one in files}) == len(files)


def test_what_the_node_boots_with_is_what_is_here_but_for_what_is_said_of_it() -> None:
    """Statement by statement; docstrings are left out, and nothing else is."""

    def says(one: ast.stmt) -> bool:
        return isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)

    def does(source: str) -> str:
        tree = ast.parse(source)
        for block in ast.walk(tree):
            if isinstance(block, ast.Module | ast.ClassDef | ast.FunctionDef):
                block.body = [one for one in block.body if not says(one)] or [ast.Pass()]
        return ast.dump(tree)

    given = {path: text for path, text in written(node()).items() if path.endswith(".py") and "/boot/" in path}
    here = sorted(Path(boot.__file__).parent.glob("*.py"))
    assert [PurePosixPath(path).name for path in sorted(given)] == [one.name for one in here]
    for (path, text), one in zip(sorted(given.items()), here, strict=True):
        assert does(text) == does(one.read_text()), path
        assert '"""' not in text


def test_what_the_node_boots_with_runs_there_by_itself(tmp_path: Path) -> None:
    """Laid out as on a node, and started as units start it, by a Python that has nothing installed."""
    for path, text in written(node()).items():
        if path.endswith(".py"):
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    (start,) = (one for one in units(node()) if one.path.name == IMAGES)
    found = {key: value for key, _, value in (line.partition("=") for line in start.content.splitlines())}
    command, variable = found["ExecStart"].split(), found["Environment"].removeprefix("PYTHONPATH=")
    assert command[-2:] == ["controller.boot", "images"]
    isolated = [sys.executable, "-S", *command[1:-1], "whatever"]
    environment = {"PYTHONPATH": f"{tmp_path}{variable}"}
    ended = subprocess.run(isolated, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (2, "usage: python3 -m controller.boot images | papers | tokens | others\n")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"cloud": "other"}, "one of aws, azure, gcp"),
        ({"site": "elsewhere"}, "elsewhere among them"),
        ({"nodes": {"aws": NODES["aws"], "gcp": NODES["gcp"]}}, "expected 3"),
        ({"nodes": {**NODES, "gcp": NODES["aws"]}}, "its own address"),
        ({"etcd": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/etcd:latest"}, "a tag can be moved"),
        ({"etcd": f"quay.io/coreos/etcd{ETCD}"}, "of a registry of aws"),
        ({"controller": f"trimaranprod.azurecr.io/controller{CONTROLLER}"}, "of a registry of aws"),
        ({"device": "/dev/sdf"}, "whichever disk is found first"),
        ({"device": "/dev/disk/by-id/x\nWhat=/dev/sda"}, "whichever disk is found first"),
        ({"papers": {}}, "expected exactly"),
        ({"audiences": {"aws": "itself"}}, "clouds other than aws"),
        ({"audiences": {"elsewhere": "nobody"}}, "clouds other than aws"),
    ],
)
def test_a_node_that_would_not_come_up_is_refused(changes: dict[str, Any], why: str) -> None:
    """At preview, with what was expected."""
    with pytest.raises(ValueError, match=why):
        replace(node("aws"), **changes)


def test_azure_is_told_which_identity_reads_papers() -> None:
    """Its machines may have several, and the vendor does not choose."""
    with pytest.raises(ValueError, match="id of the identity"):
        node("azure", client="")


def test_a_disk_is_named_as_its_cloud_names_it() -> None:
    """By what is this disk's alone."""
    assert device_of("aws", "vol-0abc") == "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc"
    assert device_of("azure", "0") == "/dev/disk/azure/scsi1/lun0"
    assert device_of("gcp", "data") == "/dev/disk/by-id/google-data"
    with pytest.raises(ValueError, match="one of aws"):
        device_of("other", "0")
