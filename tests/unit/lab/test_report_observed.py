"""The report tells of what services let people see, and a run of which nobody looked at that says nothing of it."""

from dataclasses import replace

from lab.report import document
from lab.report_page import page
from lab.service_rates import ServiceRates
from lab.ways import Ways
from tests.unit.lab.runs import run

WAYS = Ways(told=7, followed=2, slowest=1.5, shown=(), lacking=("the slowest payment of the failover: nobody told of barrier",))
RATES = {
    "payments": ServiceRates(requests=1200, failed=34, p99=0.25, refused=21, silent=("gcp",)),
    "vault": ServiceRates(requests=0, failed=0, p99=None),
}


def test_traces_and_rates_are_in_the_report_and_on_the_page() -> None:
    """What is missing of a trace is said in both, and breaks no promise."""
    seen = replace(run(), ways=WAYS, rates=RATES)
    said, shown = document(seen), page(seen)
    assert said["trace"] == {"spans": 7, "followed": 2, "slowest_s": 1.5, "lacking": list(WAYS.lacking), "payments": []}
    assert said["rates"]["payments"] == {"requests": 1200, "errors": 34, "refused": 21, "p99_ms": 250, "silent": ["gcp"]}
    assert said["broken"] == document(run())["broken"]
    for text in ("nobody told of barrier", "Services told of 2 payments, in 7 steps", "1,200", ">21<", "250 ms", "gcp"):
        assert text in shown


def test_a_run_without_them_shows_neither() -> None:
    """The bench's runs are looked at by nobody."""
    assert document(run())["trace"] is None and document(run())["rates"] == {}
    assert "The way of a payment" not in page(run()) and "Requests</h2>" not in page(run())
