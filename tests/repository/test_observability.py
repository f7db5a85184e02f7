"""Alerts and dashboards speak of metrics that there are, and of commands that can be typed."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository.command_lines import understood
from workload.payments.metrics import Metrics as PaymentsMetrics
from workload.telemetry.rates import Rates

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "observability"
TELLING = ("controller/metrics.py", "controller/gauges.py", "controller/durations.py", "edge/beacon.py")
NAME = re.compile(r"\b((?:trimaran|payments)_[a-z0-9_]+)")
LABELS = re.compile(r"\{([^{}]*)\}|(?:by|on|without) \(([^()]*)\)")
OURS = {"instance", "le"}
"""Prometheus' own."""
WATCHED = {"payments_waiting", "payments_writer_epoch"}
"""Which the database's side of a service adds when it is put together (`workload/durable/database.py`)."""


def known_metrics() -> set[str]:
    """Every name that something of ours may tell."""
    found: set[str] = set(WATCHED)
    for file in TELLING:
        for name in re.findall(r'"(trimaran_[a-z_]+)"', (ROOT / file).read_text()):
            found |= {name, f"{name}_total", f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    payments = PaymentsMetrics()
    Rates(payments)
    for line in payments.render().decode().splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            found |= {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


def known_labels() -> set[str]:
    """Every label of those."""
    text = "".join((ROOT / file).read_text() for file in (*TELLING, "workload/telemetry/rates.py", "workload/metrics.py"))
    listed = [*re.findall(r"labels=\[([^\]]*)\]", text), *re.findall(r"[\[(]((?:\"[a-z]+\",? ?)+)[\])]", text)]
    return {label for one in listed for label in re.findall(r'"([a-z]+)"', one)} | OURS


def rules() -> list[dict[str, Any]]:
    """Of all groups."""
    return [rule for group in yaml.safe_load((PLACE / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]


def dashboards() -> list[tuple[str, dict[str, Any]]]:
    """By name."""
    return [(file.stem, json.loads(file.read_text())) for file in sorted((PLACE / "grafana").glob("*.json"))]


def expressions() -> Iterator[tuple[str, str]]:
    """Whose, and what it asks."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for name, board in dashboards():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]
        for note in board["annotations"]["list"]:
            yield f"{name}: {note['name']}", note["expr"]


@pytest.mark.parametrize(("whose", "asked"), list(expressions()))
def test_every_expression_names_metrics_and_labels_that_there_are(whose: str, asked: str) -> None:
    """A metric that was renamed would leave an alert that never fires, and nobody would know."""
    names = set(NAME.findall(asked))
    assert names and names <= known_metrics(), names - known_metrics()
    used = {
        label
        for selected, grouped in LABELS.findall(asked)
        for label in (*re.findall(r"([a-z]+)\s*(?:=~|!=|=)", selected), *re.findall(r"[a-z]+", grouped))
    }
    assert used <= known_labels(), used - known_labels()


def test_every_alert_says_what_to_do() -> None:
    """A command that can be typed as it stands, once its label is filled in; and whether it wakes somebody."""
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"]
        assert understood(re.sub(r"\{\{[^}]*\}\}", "payments", rule["annotations"]["next"]))


def test_a_command_that_there_is_not_is_noticed() -> None:
    """Otherwise the test above proves nothing."""
    for line in ("trimaran stauts", "trimaran status --servic payments", "trimaran failover --reason x", "trimaran lab upp"):
        with pytest.raises(Exception, match=r"No such|Missing"):
            understood(line)
    assert understood("trimaran lab up --name x") == "trimaran lab up"


@pytest.mark.parametrize(("name", "board"), dashboards())
def test_a_dashboard_can_be_imported_as_it_is(name: str, board: dict[str, Any]) -> None:
    """No data source of somebody's own, no panel over another, each panel with its unit, its question and an id of its own."""
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, f"{name}: {panel['title']}"
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}" and panel["fieldConfig"]["defaults"]["unit"] and panel["targets"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed; Debian has it in `prometheus`")
@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")])
def test_prometheus_understands_the_rules(arguments: tuple[str, ...]) -> None:
    """And what pages pages when it should."""
    done = subprocess.run(("promtool", *arguments), check=False, cwd=PLACE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
