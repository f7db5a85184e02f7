"""What control nodes are told follows from the stack's settings and the address plan, in every environment."""

import base64
import gzip
import json
import re
from typing import Any

import pytest
import yaml

from controller.manifest.node import Node
from infra.nodes import PLACES, NodeParts, node_of, words
from infra.services import ETCD_CLIENT, ETCD_PEER, PROGRAMS
from infra.settings import Settings, read_settings
from infra.topology import Cloud
from tests.infra.stacks import ENVIRONMENTS, gone_live, settings_of

DISKS = {Cloud.AWS: "vol-0123456789abcdef0", Cloud.AZURE: "0", Cloud.GCP: "data"}
REGISTRIES = {
    Cloud.AWS: "111111111111.dkr.ecr.eu-central-1.amazonaws.com/trimaran",
    Cloud.AZURE: "trimaranprod.azurecr.io/trimaran",
    Cloud.GCP: "europe-west3-docker.pkg.dev/trimaran-prod/trimaran",
}


def settings(environment: str) -> Settings:
    """Of the control stack."""
    return read_settings(settings_of(f"{environment}-control"))


def parts(cloud: Cloud, **changes: Any) -> NodeParts:
    """As the stack would have them."""
    given: dict[str, Any] = {
        "disk": DISKS[cloud],
        "etcd": f"{REGISTRIES[cloud]}/etcd@sha256:{'e' * 64}",
        "controller": f"{REGISTRIES[cloud]}/controller@sha256:{'c' * 64}",
        "papers": {name: f"place-of-{name}" for name in PLACES},
        "client": "c-1" if cloud is Cloud.AZURE else "",
    }
    return NodeParts(**given | changes)


def unpacked(given: str, cloud: Cloud) -> str:
    """Words as cloud-init reads them."""
    text = given if cloud is Cloud.GCP else base64.b64decode(given).decode("latin-1")
    return gzip.decompress(text.encode("latin-1")).decode() if cloud is Cloud.AWS else text


def node(environment: str, cloud: Cloud) -> Node:
    """Of this cloud."""
    return node_of(settings(environment), cloud, parts(cloud))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_nodes_name_each_other_by_their_planned_addresses(environment: str) -> None:
    """And all three agree on who there is, under a name that no other environment's members take for theirs."""
    plan = settings(environment).network.plan().sites
    for cloud in Cloud:
        found = node(environment, cloud)
        assert found.address == plan[cloud].control_node and found.nodes == {one.value: plan[one].control_node for one in Cloud}
        assert found.member().cluster == f"trimaran-{environment}"
    assert len({tuple(node(environment, cloud).member().peers.items()) for cloud in Cloud}) == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_edge_may_ask_and_nothing_else_of_a_site(environment: str) -> None:
    """Instances run in these parts of each site's addresses, and databases, doors and gateways do not."""
    assert [service for service, program in PROGRAMS.items() if program.asks_etcd]
    callers = node(environment, Cloud.AWS).callers
    for site in settings(environment).network.plan().sites.values():
        assert all(any(zone.subnet_of(one) for one in callers) for zone in site.services)
        shut = (site.databases, *site.doors, site.gateway, site.proxies, site.resolver, site.endpoints)
        assert not any(part.overlaps(one) for part in shut for one in callers)


def test_ports_are_those_that_the_networks_open() -> None:
    """A member that listens elsewhere is found by nobody."""
    member = node("prod", Cloud.AWS).member()
    assert member.peer.endswith(f":{ETCD_PEER}") and member.clients[0].endswith(f":{ETCD_CLIENT}")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("cloud", list(Cloud))
def test_words_are_as_the_cloud_takes_them(environment: str, cloud: Cloud) -> None:
    """Read back, they are the node's."""
    text = unpacked(words(settings(environment), cloud, parts(cloud)), cloud)
    (told,) = (one["content"] for one in yaml.safe_load(text)["write_files"] if one["path"] == "/etc/trimaran/node.json")
    found = json.loads(told)
    assert (found["site"], found["environment"]) == (cloud.value, environment)
    assert [one["place"] for one in found["papers"]] == [f"place-of-{name}" for name in PLACES]


def test_an_image_of_another_cloud_is_refused() -> None:
    """At preview, before a machine is made that could not start while that cloud is down."""
    with pytest.raises(ValueError, match="of a registry of aws"):
        words(settings("prod"), Cloud.AWS, parts(Cloud.AWS, etcd=parts(Cloud.GCP).etcd))


@pytest.mark.parametrize("joins", [None, *Cloud])
def test_only_whose_disk_is_empty_joins(joins: Cloud | None) -> None:
    """The other two begin as they always do: with what is on their disks, or together."""
    control = {**gone_live("prod-control")["control"], "joins": joins}
    given = read_settings(settings_of("prod-control", live="true", control=control))
    states = {}
    for cloud in Cloud:
        files = yaml.safe_load(unpacked(words(given, cloud, parts(cloud)), cloud))["write_files"]
        (unit,) = (one["content"] for one in files if one["path"].endswith("/trimaran-etcd.service"))
        (states[cloud],) = re.findall(r"--initial-cluster-state=(\w+)", unit)
    assert states == {cloud: "existing" if cloud is joins else "new" for cloud in Cloud}
