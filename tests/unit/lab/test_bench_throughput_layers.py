"""Settings of what is measured layer by layer, as the services themselves read them; and the client that costs little."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lab.bench_throughput_fleet import count_unscreened
from lab.bench_throughput_layers import (
    BARE,
    WHOLE,
    Layer,
    Step,
    Ways,
    payments_settings,
    screening_settings,
    steps,
    vault_settings,
)
from lab.bench_throughput_load import told_instead
from lab.bench_throughput_wire import UnreadableError, read_head, spelled
from workload.payments.screen import ScreenMetrics
from workload.payments.settings import Settings as PaymentsSettings
from workload.screening.settings import Settings as ScreeningSettings
from workload.vault.settings import Settings as VaultSettings

WAYS = Ways(
    databases={"aws": 1, "azure": 2, "gcp": 3},
    issuer=4,
    issuer_authority=Path("/papers/authority.pem"),
    screening=5,
    vault=6,
    collector=7,
    papers=Path("/papers"),
)


def read(*layers: Layer) -> PaymentsSettings:
    """As the payments service would."""
    return PaymentsSettings.model_validate(tomllib.loads(payments_settings(layers, 80, WAYS)))


def test_every_step_switches_on_one_layer_more() -> None:
    """From nothing to everything: what two neighbours differ in is what their difference is named after."""
    chain = [step for step in steps() if step.source != "new"]
    assert [len(step.layers) for step in chain] == list(range(len(Layer) + 1))
    assert all(after.before == before.name and after.layers > before.layers for before, after in pairwise(chain))
    assert (chain[0].layers, chain[-1].layers, chain[-1].name) == (frozenset(), frozenset(Layer), WHOLE)
    assert next(step for step in chain if step.name == BARE).layers == {Layer.BARRIER}
    assert len({step.name for step in steps()}) == len(steps())


def test_new_tokens_are_paid_at_the_process_that_known_ones_are_paid_at() -> None:
    """They differ in what is asked and in nothing else."""
    (new,) = [step for step in steps() if step.source == "new"]
    known = next(step for step in steps() if step.name == new.before)
    assert (known.source, known.layers, known.process) == ("known", new.layers, new.process)


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_a_layer_that_is_off_is_absent_and_one_that_is_on_is_there(step: Step) -> None:
    """Read by the service's own settings, which refuse what they do not know."""
    found = read(*step.layers)
    there = {
        Layer.TLS: found.identity is not None,
        Layer.ACCESS: found.access is not None,
        Layer.SCREENING: found.screening is not None,
        Layer.VAULT: found.vault is not None,
        Layer.LIMITS: found.limits.client is not None and found.limits.overall is not None,
        Layer.TELEMETRY: found.telemetry is not None and found.telemetry.collector is not None,
    }
    assert {layer for layer, is_on in there.items() if is_on} == step.layers - {Layer.BARRIER}
    assert found.open_to_everybody is (Layer.ACCESS not in step.layers)


def test_others_are_called_by_name_as_soon_as_there_is_tls() -> None:
    """Whoever has no papers could not show them."""
    found = read(*Layer)
    assert found.screening is not None and found.screening.callee.name == "trimaran://service/screening"
    assert found.vault is not None and found.vault.callee.instances["azure"].port == WAYS.vault


def test_screening_and_vault_believe_the_payments_service() -> None:
    """By its certificate, for what it asks of each and nothing more; and screening holds nobody's payment."""
    screening = ScreeningSettings.model_validate(tomllib.loads(screening_settings(81, WAYS)))
    vault = VaultSettings.model_validate(tomllib.loads(vault_settings(82, WAYS)))
    assert screening.limits.hold_at == 1000
    assert screening.access is not None and dict(screening.access.services) == {
        "trimaran://service/payments": ("screening:score",)
    }
    assert vault.access is not None and dict(vault.access.services) == {"trimaran://service/payments": ("vault:subject",)}
    assert vault.access.edges == ("trimaran://edge/azure",)


def test_a_request_says_how_long_its_body_is() -> None:
    """As HTTP/1.1 wants it of whoever keeps the connection."""
    head, _, body = spelled("/v1/payments", {"Idempotency-Key": "k"}, b'{"amount": 1}').partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/payments HTTP/1.1\r\n") and body == b'{"amount": 1}'
    assert b"Content-Length: 13" in head and b"Idempotency-Key: k" in head


def test_an_answer_without_a_length_is_not_guessed_at() -> None:
    """What follows would be read as the next answer's beginning."""
    assert read_head(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n") == (201, 12)
    assert read_head(b"HTTP/1.1 503 \r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n") == (503, 0)
    for head in (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
        b"\r\n\r\n",
    ):
        with pytest.raises(UnreadableError):
            read_head(head)


def test_payments_that_nobody_screened_are_counted() -> None:
    """As the service's own metrics show them; where nothing is screened there are none."""
    registry = CollectorRegistry()
    meter = ScreenMetrics(registry)
    for said in ("pass", "pass", "absent", "hold", "absent"):
        meter.screened(said)
    assert count_unscreened(generate_latest(registry).decode()) == 2
    assert count_unscreened(generate_latest(CollectorRegistry()).decode()) == 0


def test_what_kept_a_payment_is_told_by_whom_it_was_kept() -> None:
    """Places at the door and sessions of the database both say `overloaded`: which of them binds is what one wants to know."""
    door = {"type": "urn:trimaran:problem:overloaded", "detail": "none of 12 places became free in time"}
    sessions = {"type": "urn:trimaran:problem:overloaded", "detail": "no session free within 0.1 s, 8 of 8 alive"}
    assert told_instead(503, door) == "503 overloaded: none of # places became free in time"
    assert told_instead(503, sessions) == "503 overloaded: no session free within # s, # of # alive"
    assert told_instead(202, {"status": "held"}) == "202 held"
