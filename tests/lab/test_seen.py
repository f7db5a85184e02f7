"""What people get to see of a failover: three payments' ways as a whole, what every service counted, and logs that lead to traces."""

import json
import re
from collections.abc import Iterator, Mapping

import pytest

from lab.faults import Fault
from lab.fleet import PAYMENTS, SCREENING, VAULT
from lab.fleet import WHOLE as SERVICES
from lab.laboratory import Laboratory, laboratory
from lab.rehearsal import Course, rehearse
from lab.report import document
from lab.report_page import page
from lab.ways import BEFORE, DURING, SOURCED

pytestmark = pytest.mark.timeout(300)

RATE = 25
RUN = "seen"
"""Traces are chosen by their ids, and those are made from the run's name: of this one's first 250 payments five are followed."""
FOLLOWED = (PAYMENTS, VAULT, SCREENING)
"""Services that somebody asks: webhooks are told, not asked for."""
TRACE, SPAN = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")


def logged(lab: Laboratory, service: str) -> Iterator[Mapping[str, object]]:
    """Every line that a service wrote, at any site. Raises ValueError for one that is not JSON."""
    for site in lab.sites:
        for line in lab.workspace.log(f"{service}-{site}").read_text().splitlines():
            said = json.loads(line)
            assert {"event", "level", "timestamp"} <= said.keys(), line
            yield said


@pytest.mark.long
async def test_a_failover_is_seen_from_the_client_to_the_disk_of_another_cloud() -> None:
    """No step of any of them is missing, the vault's of one from a token among them, every service counted, and each of the services'
    lines about a request names a trace that the collector has, but for what a dying process took with it."""
    async with laboratory("test-seen") as lab:
        seen = await rehearse(lab, Course(fault=Fault.CRASH, run=RUN, rate=RATE))
        lines = {service: list(logged(lab, service)) for service in SERVICES}
        spans = lab.collector.spans()
    told = {span.trace for span in spans}
    carried = [span for span in spans if span.service == "trimaran-controller"]
    (failover,) = (span for span in carried if span.name == "failover")
    steps = {span.name for span in carried if span.trace == failover.trace and span.parent == failover.id}
    assert steps >= {"detection", "cut", "attach", "open", "settle", "verify"}, "the plan is a trace of its own"
    said, shown = document(seen), page(seen)
    assert said["trace"]["lacking"] == []
    assert [(one["what"], one["missing"]) for one in said["trace"]["payments"]] == [(BEFORE, []), (SOURCED, []), (DURING, [])]
    assert "The way of a payment" in shown and shown.count("barrier") >= 2
    assert said["rates"].keys() == set(FOLLOWED)
    for service in FOLLOWED:
        assert said["rates"][service]["requests"] > 0 and said["rates"][service]["silent"] == []
        about = [line for line in lines[service] if line["event"] == "request"]
        nowhere = [
            line for line in about if not (TRACE.fullmatch(str(line["trace_id"])) and SPAN.fullmatch(str(line["span_id"])))
        ]
        assert about and nowhere == []
        assert sum(line["trace_id"] in told for line in about) >= 0.9 * len(about)
    assert all(lines[service] for service in SERVICES)
