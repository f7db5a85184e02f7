"""The bench of what watching costs: what it founds and asks for, and what makes its figures say that they are none."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from controller.core.model import Group
from lab.bench_figures import table
from lab.bench_probing import SCENES, Probing, Scene, expected, read_notes
from lab.bench_probing_edge import Edge
from lab.bench_probing_figures import MOST_ASKED, Note, Watched, Window, bounds, probing_figures
from lab.bench_probing_order import GROUPS, Order, Way, dealt, read_order, settings_of, spelled
from lab.bench_probing_world import etcd_counts
from lab.errors import LabError

PORTS = {"aws": 1001, "azure": 1002, "gcp": 1003}
ORDER = Order(
    way=Way.WHOLE,
    services=8,
    members=992,
    vantage="azure",
    edges=PORTS,
    servers={site: port + 100 for site, port in PORTS.items()},
    names=[f"s{number}" for number in range(10)],
    writer="azure",
    etcd=["http://127.0.0.1:1"],
    notes="unread",
)


def note(at: float = 0.0, cpu: float = 0.0, healthy: int = 30) -> Note:
    """Of a process that asks thirty targets."""
    return Note(at=at, cpu=cpu, targets=30, healthy=healthy, answer_ms={"median": 1.0, "max": 2.0}, trouble="")


def watched(services: int = 10, cores: float = 0.1, *, healthy: int = 30, asked: float = 12.0, pace: float = 1.0) -> Watched:
    """One vantage for two seconds."""
    return Watched(
        services=services,
        own=services,
        windows=[Window(begin=note(5, 1), end=note(7, 1 + 2 * cores, healthy))],
        answering={"etcd": 2 * cores},
        a_second={"edges": asked, "etcd_Range": 20 * services * pace},
        standing={"sessions": 9, "edge_connections": 3},
        expected={"etcd_Range": 20.0 * services},
        healthy=1.0,
        settled=2.0,
    )


def test_what_is_not_healthy_breaks_the_figures() -> None:
    """A server that turned half of the sessions away would make watching look cheap."""
    assert probing_figures({"databases": {"10": watched()}})["broken"] == 0
    assert probing_figures({"databases": {"10": watched(), "100": watched(100, healthy=29)}})["broken"] == 1
    assert probing_figures({"edges_alone": {"10": watched(healthy=29)}})["broken"] == 1


def test_shared_edges_that_are_asked_for_every_service_break_the_figures() -> None:
    """A thousand services may ask no more than one; where each is meant to ask for itself, it may."""
    often = {"1000": watched(asked=1.2 * MOST_ASKED)}
    assert probing_figures({"edges_shared": often})["broken"] == 1
    assert probing_figures({"controllers": often})["broken"] == 1
    assert probing_figures({"edges_alone": often})["broken"] == 0
    both = replace(watched(asked=2 * MOST_ASKED), windows=[*watched().windows, *watched().windows])
    assert probing_figures({"controllers": {"10": both}})["broken"] == 0, "of each vantage"


def test_one_more_service_costs_what_it_adds() -> None:
    """What a controller uses before its first service is not charged to every one."""
    (found,) = bounds({"controllers": {"1": watched(1, 0.05), "11": watched(11, 0.15)}}).values()
    assert found["ms_per_service"] == pytest.approx(10)
    assert found["services_on_half_a_core"] == 46
    assert found["answering_ms_per_service"] == {"etcd": pytest.approx(20)}


def test_a_starved_controller_does_not_look_cheap() -> None:
    """It asked less often than it should and used that much less: the bound is that of one that keeps its pace. There is none from one that
    asked half as often: that tells of the machine."""
    (calm,) = bounds({"controllers": {"1": watched(1, 0.05), "11": watched(11, 0.15)}}).values()
    (starved,) = bounds({"controllers": {"1": watched(1, 0.05), "11": watched(11, 0.12, pace=0.8)}}).values()
    assert starved["ms_per_service"] == pytest.approx(calm["ms_per_service"])
    assert starved["answering_ms_per_service"] == pytest.approx(calm["answering_ms_per_service"])
    assert not bounds({"controllers": {"1": watched(1, 0.05), "11": watched(11, 0.075, pace=0.5)}})


def test_a_measurement_too_coarse_for_a_bound_says_none() -> None:
    """A second service that seems to cost nothing is no promise of endlessly many."""
    (found,) = bounds({"databases": {"1": watched(1, 0.05), "2": watched(2, 0.05)}}).values()
    assert found["services_on_half_a_core"] is None


def test_a_thousand_services_are_eight_to_ask_about(tmp_path: Path) -> None:
    """The controller of the scene is set up by a settings file that names them all, each in one group."""
    settings = settings_of(ORDER, tmp_path / "settings.toml", "secret")
    assert len(settings.services) == len(settings.groups) == GROUPS
    members = [member for table in settings.groups.values() for member in table.members]
    assert len(set(members)) == len(members) == 992
    assert {table.lead for table in settings.groups.values()} == settings.services.keys()
    assert settings.led_by("s3") == (Group("g3"),)
    assert not dealt(0, ORDER.names)
    assert read_order(spelled(ORDER)) == ORDER


def test_every_scene_says_what_it_expects_to_be_asked() -> None:
    """Twelve questions a second for each service that asks for itself, of edges or databases; twelve in all when edges are shared."""
    wanted: dict[str, Mapping[str, float]] = {f"{scene.label} {scene.together}": expected(scene) for scene in SCENES}
    assert wanted["edges_shared 1000"] == wanted["edges_shared 10"] == {"edges": 12}
    assert wanted["edges_alone 100"] == {"edges": 1200}
    assert wanted["databases 100"] == {"transactions": 1200}
    assert wanted["controllers 10"] == {"transactions": 360, "etcd_Range": 600}
    assert wanted["grouped 1000"] == wanted["grouped 10"]


def test_etcd_is_believed_about_what_it_was_asked() -> None:
    """Its own metrics: calls by method, answered, and times it waited for its disk; absent calls are none."""
    text = """# HELP x
grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 1204
grpc_server_handled_total{grpc_code="Unavailable",grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 3
grpc_server_handled_total{grpc_code="OK",grpc_method="Compact",grpc_service="etcdserverpb.KV",grpc_type="unary"} 0
etcd_disk_wal_fsync_duration_seconds_count 1.7e+02
"""
    assert etcd_counts(text) == {"etcd_Range": 1204, "etcd_Txn": 0, "etcd_Compact": 0, "etcd_syncs": 170}


def test_a_process_that_ended_early_is_no_measurement(tmp_path: Path) -> None:
    """Two notes of three: one end of the window is missing."""
    place = tmp_path / "notes"
    line = '{"at": 1, "cpu": 1, "targets": 3, "healthy": 3, "answer_ms": null, "trouble": ""}\n'
    place.write_text(3 * line)
    assert [one.healthy for one in read_notes(place)] == [3, 3, 3]
    place.write_text(2 * line)
    with pytest.raises(LabError, match="2 notes"):
        read_notes(place)


async def test_a_scene_that_cannot_be_measured_costs_no_other_its_figures() -> None:
    """A hundred services did not become healthy: the scenes behind it are measured, and the part is not kept all the same."""
    scenes = [scene for scene in SCENES if scene.label in {"databases", "grouped"}]
    probing = Probing(say=lambda _: None, scenes=scenes)

    async def play(scene: Scene) -> Watched:
        if scene.label == "databases" and scene.services == 100:
            raise LabError("databases-100: not healthy")
        return watched(scene.together)

    with pytest.raises(LabError, match="databases-100"):
        await probing.measure(play)
    assert probing.found["databases"].keys() == {"1", "10"}
    assert probing.found["grouped"].keys() == {"10", "100", "1000"}


class Wire:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


def ask(edge: Edge, *pieces: bytes) -> list[bytes]:
    """What is answered to these pieces on a new connection."""
    wire = Wire()
    edge.connection_made(cast("asyncio.BaseTransport", wire))
    for piece in pieces:
        edge.data_received(piece)
    edge.connection_lost(None)
    return wire.written


def test_the_edge_counts_every_whole_question_once() -> None:
    """In pieces or several at once; and neither who asks for the count nor that connection."""
    before, open_before = Edge.asked, Edge.connections
    assert len(ask(Edge(), b"GET /healthz HTTP/1.1\r\nHost", b": a\r\n\r", b"\nGET /healthz HTTP/1.1\r\n\r\n")) == 2
    assert not ask(Edge(), b"GET /healthz HTTP/1.1\r\n")
    said, closed = ask(Edge(), b"GET /count HTTP/1.1\r\n\r\n")
    assert said.endswith(b'{"asked": %d, "connections": %d}' % (before + 2, open_before))
    assert closed == b"closed"
    assert Edge.connections == open_before


def test_people_read_cores_and_the_bound() -> None:
    """One line for each scene and one for each bound; a scene whose pace suffered says so."""
    figures: dict[str, Any] = probing_figures({"controllers": {"1": watched(1, 0.05), "11": watched(11, 0.15, pace=0.9)}})
    lines = [line for line in table({"probing": figures}).splitlines() if "service" in line]
    assert len(lines) == 3
    assert "watching 11 services, controllers: 0.15 cores" in lines[1]
    assert "pace 0.9" in lines[1]
    assert "on half a core" in lines[2]
