"""Further services behind the same doors: what the settings allow, and the weights that they get."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from controller.core.model import Site
from edge.agent import orders
from edge.decide import Doing, Shares
from edge.haproxy import render
from tests.unit.edge.rooms import settings
from tests.unit.edge.test_haproxy import sections, servers

VAULT: dict[str, Any] = {"host": "127.0.0.1", "port": 8105, "hosts": ["vault.test"]}


def test_a_companion_gets_the_weights_of_the_service_that_leads(tmp_path: Path) -> None:
    """Drained with one weight forgotten, a site would go on getting its share of that service."""
    found = settings(tmp_path, companions={"vault": VAULT})
    told = orders(Shares(doing=Doing.DRAINED, weights={Site("azure"): 128, Site("gcp"): 128}, accepts=False), found)
    for lead, companion in (("payments", "companion-vault"), ("handed", "handed-vault")):
        own = {name.partition("/")[2]: weight for name, weight in told.items() if name.startswith(f"{lead}/")}
        its = {name.partition("/")[2]: weight for name, weight in told.items() if name.startswith(f"{companion}/")}
        assert own == its and own, told


def test_a_companion_is_asked_for_by_its_own_name(tmp_path: Path) -> None:
    """Asked by any other, another site's edge would answer for the service that leads."""
    told = sections(render(settings(tmp_path, companions={"vault": VAULT})))
    assert "http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host vault.test" in told["backend companion-vault"]
    assert "127.0.0.1:8105" in servers(told["backend companion-vault"])["local"]


@pytest.mark.parametrize(
    ("companions", "said"),
    [
        ({"payments": VAULT}, "leave [companions.payments] out"),
        ({"vault": VAULT, "other": {**VAULT, "hosts": ["VAULT.test"]}}, "vault.test is the name of one service only"),
        ({"vault": {**VAULT, "hosts": []}}, "hosts"),
        ({"vault": {**VAULT, "hosts": ["a b"]}}, "a host name"),
        ({"va-ult": VAULT}, "a service's name"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(tmp_path: Path, companions: dict[str, Any], said: str) -> None:
    """And nothing in a name adds a line."""
    with pytest.raises(ValidationError) as refused:
        settings(tmp_path, companions=companions)
    assert said in str(refused.value)
