"""HTTP of the agent: the beacon for health checks, and what it knows for people and Prometheus. Nothing is decided here."""

import json
from collections.abc import Iterator, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.beacon import silence
from controller.core.model import Health
from edge import haproxy
from edge.agent import Agent, doing


def build(agent: Agent) -> web.Application:
    """The application of one agent."""
    app = web.Application(client_max_size=1024)

    async def beacon(_: web.Request) -> web.Response:
        return answer(agent)

    async def status(_: web.Request) -> web.Response:
        return web.json_response(told(agent))

    async def numbers(_: web.Request) -> web.Response:
        return web.Response(body=metrics(agent), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_routes([web.get(haproxy.BEACON, beacon), web.get("/status", status), web.get("/metrics", numbers)])
    return app


def answer(agent: Agent) -> web.Response:
    """200 while the last posture gives this site traffic and HAProxy finds its service well; else 503 and why."""
    home, known = agent.settings.home, agent.listener.known
    weights = known.posture.weights if known else None
    dark = silence(home, weights, *agent.health())
    if dark is None:
        weight = weights.get(home) if weights else None
        return web.json_response({"service": agent.settings.service, "site": home, "weight": weight})
    problem = {"type": f"/problems/{dark.kind}", "title": dark.kind.replace("-", " "), "status": 503, "detail": dark.detail}
    return web.Response(status=503, text=json.dumps(problem), content_type="application/problem+json")


def told(agent: Agent) -> Mapping[str, object]:
    """Everything the agent knows, with ages in seconds."""
    known, view, now = agent.listener.known, agent.view, agent.clock.monotonic()
    traffic = agent.traffic
    return {
        "site": agent.settings.site,
        "service": agent.settings.service,
        "instance": agent.instance,
        "doing": doing(agent),
        "posture": known
        and {
            "epoch": known.posture.epoch,
            "writer": known.posture.writer,
            "weights": dict(sorted(known.posture.weights.items())),
            "from": "etcd" if known.heard else "disk",
            "age_s": round((now - known.at).total_seconds(), 3),
        },
        "control_plane": {"reached": not agent.listener.trouble, "trouble": agent.listener.trouble},
        "kept": {"on_disk": not agent.listener.unkept, "trouble": agent.listener.unkept},
        "traffic": {
            "trouble": agent.uncounted,
            "counted": traffic
            and {
                "answered": traffic.answered,
                "failed": traffic.failed,
                "mean_ms": round(traffic.mean.total_seconds() * 1000),
                "age_s": round((now - traffic.at).total_seconds(), 3),
            },
        },
        "haproxy": {
            "obeys": not agent.trouble,
            "trouble": agent.trouble,
            "age_s": round((now - view.at).total_seconds(), 3) if view else None,
            "servers": {name: {"weight": one.weight, "health": one.health} for name, one in sorted(view.servers.items())}
            if view
            else {},
        },
    }


def metrics(agent: Agent) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(Numbers(agent))
    return generate_latest(registry)


class Numbers(Collector):
    """One agent's numbers at the moment somebody asks. What is not known is absent, never 0."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every number."""
        agent = self._agent
        known, view, now = agent.listener.known, agent.view, agent.clock.monotonic()
        heard = float(not agent.listener.trouble)
        yield GaugeMetricFamily("trimaran_edge_control_plane_reached", "1 when etcd answered the last question.", value=heard)
        obeys = float(not agent.trouble)
        yield GaugeMetricFamily("trimaran_edge_haproxy_obeys", "1 when HAProxy answered the last look and order.", value=obeys)
        yield GaugeMetricFamily("trimaran_edge_weights_set", "Weights set since the agent's start.", value=agent.changes)
        if known is not None:
            age = (now - known.at).total_seconds()
            yield GaugeMetricFamily("trimaran_edge_posture_age_seconds", "Since the posture in use was confirmed.", value=age)
            epoch = known.posture.epoch
            yield GaugeMetricFamily("trimaran_edge_posture_epoch", "Epoch of the posture in use.", value=epoch)
        labels = ["backend", "server"]
        weight = GaugeMetricFamily("trimaran_edge_server_weight", "Share of a server, 0 to 256.", labels=labels)
        healthy = GaugeMetricFamily("trimaran_edge_server_healthy", "1 when HAProxy's checks find it well.", labels=labels)
        for name, one in view.servers.items() if view else ():
            weight.add_metric(name.split("/"), one.weight)
            healthy.add_metric(name.split("/"), float(one.health is Health.HEALTHY))
        yield from (weight, healthy)
