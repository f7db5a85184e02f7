"""Where clients' TLS ends, as the configuration has it; what HAProxy makes of it is in tests/contract/test_access.py."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edge import haproxy
from edge.haproxy import render
from tests.unit.edge.rooms import settings
from tests.unit.edge.test_haproxy import sections, servers
from workload.access import door

SECURE = {"host": "127.0.0.1", "port": 8106, "certificate": "door.pem", "authority": "clients.pem"}
LOCAL = {"host": "127.0.0.1", "port": 8103}
TLS = {"name": "payments.service.test", "certificate": "service.pem", "authority": "fleet.pem"}
REMOVED = "http-request del-header Client-Cert-Thumbprint"


def clients(place: Path, **changes: Any) -> list[str]:
    """The clients' frontend."""
    return sections(render(settings(place, **changes)))["frontend clients"]


@pytest.mark.parametrize("changes", [{}, {"secure": SECURE}], ids=["without TLS", "with TLS"])
def test_a_client_never_says_itself_which_certificate_it_holds(tmp_path: Path, changes: dict[str, Any]) -> None:
    """What it says is removed before anything is told, and before it goes anywhere."""
    lines = clients(tmp_path, **changes)
    told = [number for number, line in enumerate(lines) if "set-header Client-Cert-Thumbprint" in line]
    sent = [number for number, line in enumerate(lines) if "backend" in line]
    assert lines.count(REMOVED) == 1 and all(lines.index(REMOVED) < number for number in (*told, *sent))
    assert len(told) == len(changes)


def test_a_certificate_is_optional_and_of_the_clients_authority(tmp_path: Path) -> None:
    """And the other door is shut for whatever goes to the service."""
    lines = clients(tmp_path, secure=SECURE)
    bind = next(line for line in lines if " ssl " in line)
    assert bind.startswith("bind 127.0.0.1:8106 ssl ") and "alpn http/1.1" in bind
    assert f"crt '{tmp_path}/door.pem' ca-file '{tmp_path}/clients.pem' verify optional" in bind
    shut = [line for line in lines if "tls-required" in line]
    assert len(shut) == 1 and shut[0].endswith("if { path_reg ^/v[0-9]+/ } !{ ssl_fc }")
    assert not [line for line in clients(tmp_path) if "ssl" in line]


def test_what_another_edge_tells_is_passed_on(tmp_path: Path) -> None:
    """It saw the client; this one sees only the other edge."""
    told = sections(render(settings(tmp_path, secure=SECURE)))
    assert not [line for line in told["frontend peers"] if "Thumbprint" in line]


def test_the_own_service_is_spoken_to_with_both_names_verified_wherever_it_is_a_server(tmp_path: Path) -> None:
    """One server line without it would send clients' requests in the open, or be believed by nobody."""
    told = sections(render(settings(tmp_path, local={**LOCAL, "tls": TLS})))
    found = [line for lines in told.values() for line in servers(lines).values() if "127.0.0.1:8103" in line]
    assert len(found) == 6
    for line in found:
        assert f"ssl crt '{tmp_path}/service.pem' ca-file '{tmp_path}/fleet.pem' verify required" in line
        assert "verifyhost payments.service.test sni str(payments.service.test) check-sni payments.service.test" in line


def test_without_it_the_service_is_spoken_to_as_before(tmp_path: Path) -> None:
    """A setting for each layer, so that each can be measured."""
    told = sections(render(settings(tmp_path)))
    assert not [line for lines in told.values() for line in servers(lines).values() if "8103" in line and "ssl" in line]


@pytest.mark.parametrize(
    "wrong",
    [
        {"secure": {**SECURE, "authority": "a'b.pem"}},
        {"secure": {"host": "h", "port": 1}},
        {"local": {**LOCAL, "tls": {**TLS, "name": "a b"}}},
    ],
)
def test_no_value_adds_a_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """And no half of a door is taken."""
    with pytest.raises(ValidationError):
        settings(tmp_path, **wrong)


def test_both_sides_mean_the_same_header() -> None:
    """The edge and the service do not import each other."""
    assert haproxy.THUMBPRINT.lower() == door.THUMBPRINT
