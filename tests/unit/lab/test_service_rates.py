"""Requests, errors and durations are added up over processes, and what is asked about a service itself is none of them."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lab.service_rates import ServiceRates, added_up, rates_said
from workload.metrics import ServiceMetrics
from workload.payments.screen import ScreenMetrics
from workload.telemetry.rates import Rates


def shown(*requests: tuple[str, int, float]) -> str:
    """What a process shows that had these requests: route, status, seconds."""
    metrics = ServiceMetrics("vault")
    rates = Rates(metrics)
    for route, status, seconds in requests:
        rates.count("POST", route, status, seconds)
    return metrics.render().decode()


def test_processes_are_added_up() -> None:
    """5xx and no answer at all are errors; a refusal is an answer."""
    one = shown(("/v1/tokens", 201, 0.004), ("/v1/tokens", 503, 0.9), ("/v1/tokens/{token}", 404, 0.004))
    other = shown(("/v1/tokens", 0, 0.004))
    assert added_up("vault", [one, other]) == ServiceRates(requests=4, failed=2, p99=0.9)
    assert added_up("payments", [one]).requests == 0


def test_what_screening_said_is_added_up() -> None:
    """A payment that nobody screened in time passes, and is counted by the process that let it."""
    texts = []
    for absent in (2, 3):
        registry = CollectorRegistry()
        meter = ScreenMetrics(registry)
        for said in ("pass", "hold", *["absent"] * absent):
            meter.screened(said)
        texts.append(generate_latest(registry).decode())
    found = added_up("payments", texts)
    assert found.screened == {"pass": 2, "hold": 2, "absent": 5}
    assert rates_said({"payments": found})["payments"]["screened"]["absent"] == 5
    assert "screened" not in rates_said({"vault": added_up("vault", [])})["vault"]


def test_what_is_about_the_service_itself_is_not_counted() -> None:
    """Health checks are answered within a millisecond, hundreds a second: with them nothing is ever slow."""
    about = [(route, status, 0.001) for route in ("/healthz", "/readyz", "/metrics") for status in (200, 503)]
    text = shown(*about * 100, ("/v1/tokens", 201, 0.2))
    assert added_up("vault", [text]) == ServiceRates(requests=1, failed=0, p99=0.25)


@pytest.mark.parametrize(("status", "failed"), [(503, 10_000), (504, 10_000), (0, 10_000), (429, 0), (401, 0)])
def test_who_is_turned_away_at_the_door_is_counted_and_hides_nobody(status: int, failed: int) -> None:
    """An overload is a service that answers 503 in a millisecond. Its errors are errors, and the hundred that it let in were slow."""
    text = shown(*[("none", status, 0.001)] * 10_000, *[("/v1/tokens", 201, 0.5)] * 100)
    assert added_up("vault", [text]) == ServiceRates(requests=10_100, failed=failed, p99=0.6, refused=10_000)


@pytest.mark.parametrize(("slow", "p99"), [(1, 0.005), (2, 0.6)])
def test_one_of_a_hundred_may_take_longer(slow: int, p99: float) -> None:
    """And not two."""
    text = shown(*[("/v1/tokens", 201, 0.004)] * (100 - slow), *[("/v1/tokens", 201, 0.5)] * slow)
    assert added_up("vault", [text]).p99 == p99


def test_what_is_slower_than_every_bucket_has_no_figure() -> None:
    """Nor has a service that nobody asked anything."""
    assert added_up("vault", [shown(("/v1/tokens", 201, 30.0))]).p99 is None
    assert added_up("vault", [shown()]).p99 is None and added_up("vault", []).p99 is None


def test_sites_that_said_nothing_are_named() -> None:
    """Their requests are in no figure."""
    found = {"vault": added_up("vault", [shown(("/v1/tokens", 201, 0.004))], ["azure"])}
    assert rates_said(found) == {"vault": {"requests": 1, "errors": 0, "refused": 0, "p99_ms": 5, "silent": ["azure"]}}
