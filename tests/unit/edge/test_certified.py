"""Who tells an edge which certificate a client holds when a balancer ends TLS; on HAProxy it is in tests/contract/test_told.py."""

from pathlib import Path
from typing import Any

import pytest

from edge import certified
from edge.haproxy import render
from tests.unit.edge.rooms import settings
from tests.unit.edge.test_haproxy import sections
from tests.unit.edge.test_haproxy_tls import REMOVED, SECURE
from tests.unit.edge.test_settings import problems, written

TOLD = {"word": "door.pem"}
SAID = (certified.WORD, certified.DOOR, certified.PRESENT, certified.VERIFIED, certified.DIGEST, *certified.BESIDE)


def clients(place: Path, **changes: Any) -> list[str]:
    """The clients' frontend."""
    return sections(render(settings(place, told=TOLD, **changes)))["frontend clients"]


def test_the_balancer_is_known_by_a_word_that_stands_in_no_configuration(tmp_path: Path) -> None:
    """HAProxy reads it from a file: whoever sees the configuration cannot be the balancer."""
    (tmp_path / "door.pem").write_text("open-sesame\n")
    lines = clients(tmp_path)
    assert f"acl balancer req.hdr({certified.WORD}) -m str -f '{tmp_path}/door.pem'" in lines
    assert not [line for line in lines if "open-sesame" in line]


def test_what_a_client_says_is_removed_first_and_what_a_balancer_says_goes_no_further(tmp_path: Path) -> None:
    """A service that learned the word could be the balancer."""
    lines = clients(tmp_path)
    told = next(number for number, line in enumerate(lines) if "set-header Client-Cert-Thumbprint" in line)
    assert lines.count(REMOVED) == 1 and lines.index(REMOVED) < told
    sent = next(number for number, line in enumerate(lines) if "use_backend" in line)
    for name in SAID:
        assert told < lines.index(f"http-request del-header {name}") < sent


def test_no_word_no_certificate(tmp_path: Path) -> None:
    """Nor without both trues; and nothing counts that is said twice."""
    (told,) = (line for line in clients(tmp_path) if "set-header Client-Cert-Thumbprint" in line)
    conditions = told.partition(" if ")[2].split()
    assert conditions[0] == "balancer" and {"certificate-present", "certificate-verified", "certificate-digest"} < set(conditions)
    assert {one for one in conditions if one.startswith("told-once-")} == {
        f"told-once-{name.lower()}" for name in (certified.PRESENT, certified.VERIFIED, certified.DIGEST)
    }
    assert not {"or", "||"} & set(conditions) and not [one for one in conditions if one.startswith("!")]


def test_what_comes_past_the_balancer_is_for_questions_about_the_site(tmp_path: Path) -> None:
    """As what comes without TLS at an edge that ends it."""
    (shut,) = (line for line in clients(tmp_path) if "tls-required" in line)
    assert shut.endswith("if { path_reg ^/v[0-9]+/ } !{ var(txn.told) -m bool }")


def test_an_edge_that_ends_tls_itself_hears_nobody(tmp_path: Path) -> None:
    """Nor does one without either."""
    for changes in ({}, {"secure": SECURE}):
        lines = sections(render(settings(tmp_path, **changes)))["frontend clients"]
        assert not [line for line in lines if certified.DIGEST in line or certified.WORD in line]


def test_one_of_the_two_says_who_the_client_is(tmp_path: Path) -> None:
    """With both, whoever knew the word could say another certificate than the one that this edge has seen."""
    assert "leave one of the two out" in " ".join(problems(written(tmp_path, secure=SECURE, told=TOLD)).values())


@pytest.mark.parametrize("wrong", [{"word": "a'b"}, {}, {"word": "door.pem", "more": "x"}])
def test_no_value_adds_a_line(tmp_path: Path, wrong: dict[str, str]) -> None:
    """And no half of a table is taken."""
    assert problems(written(tmp_path, told=wrong))
