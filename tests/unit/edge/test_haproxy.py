"""The configuration says what the edge promises; what HAProxy makes of it is in tests/contract/test_edge.py."""

from pathlib import Path

from edge.haproxy import render
from tests.unit.edge.rooms import SERVERS, settings


def sections(text: str) -> dict[str, list[str]]:
    """Lines by section."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            lines = found.setdefault(line, [])
        elif line:
            lines.append(line.strip())
    return found


def servers(lines: list[str]) -> dict[str, str]:
    """Server lines by name."""
    return {line.split()[1]: line for line in lines if line.startswith("server ")}


def test_every_server_that_the_agent_steers_exists(tmp_path: Path) -> None:
    """And the weights are those that an edge without an agent is meant to have."""
    told = sections(render(settings(tmp_path)))
    found = {
        f"{section.split()[1]}/{name}": line
        for section, lines in told.items()
        if section.startswith("backend ")
        for name, line in servers(lines).items()
    }
    assert set(found) == set(SERVERS) | {"agent/agent", "checked/local"}
    for name, weight in SERVERS.items():
        assert f"weight {weight}" in found[name] or (weight == 1 and "weight" not in found[name])


def test_only_what_may_be_repeated_is_sent_again(tmp_path: Path) -> None:
    """A key or a method without effect; on no status but the one by which a peer says that nobody answered; never more often than said."""
    told = sections(render(settings(tmp_path)))
    clients, payments = told["frontend clients"], told["backend payments"]
    assert "acl repeatable req.hdr(idempotency-key) -m found" in clients and "acl repeatable method GET HEAD" in clients
    assert "http-request disable-l7-retry unless repeatable" in clients
    assert "retry-on conn-failure empty-response response-timeout 502" in payments and "retries 3" in payments
    assert "option http-buffer-request" in payments
    assert not [line for lines in told.values() for line in lines if line.startswith("retry-on") and lines is not payments]


def test_what_was_handed_over_goes_to_the_own_service_or_nowhere(tmp_path: Path) -> None:
    """The peers' frontend leads to one server, on this machine, and to nothing else; their checks to the same one."""
    told = sections(render(settings(tmp_path)))
    assert [line for line in told["frontend peers"] if "backend" in line] == [
        "use_backend checked if question",
        "default_backend handed",
    ]
    assert servers(told["backend checked"]).keys() == {"local"}
    assert list(servers(told["backend handed"])) == ["local"]
    assert "127.0.0.1:8103" in servers(told["backend handed"])["local"]
    assert "http-request disable-l7-retry" in told["frontend peers"]


def test_only_what_no_service_said_is_taken_elsewhere(tmp_path: Path) -> None:
    """An edge turns its own errors into 502 for the edge that handed over; an answer of its service stays what it is."""
    handed = sections(render(settings(tmp_path)))["backend handed"]
    marked, turned = (
        handed.index(next(line for line in handed if line.startswith(word))) for word in ("http-resp", "http-after")
    )
    assert handed[marked] == "http-response set-var(txn.answered) bool(true)"
    assert handed[turned] == "http-after-response set-status 502 unless { var(txn.answered) -m bool }"


def test_both_sides_of_a_door_between_sites_prove_who_they_are(tmp_path: Path) -> None:
    """The frontend demands a certificate of the sites' authority; every peer's server line shows ours and verifies the name."""
    told = sections(render(settings(tmp_path)))
    bind = next(line for line in told["frontend peers"] if line.startswith("bind"))
    assert f"ssl crt '{tmp_path}/site.pem' ca-file '{tmp_path}/sites.pem' verify required" in bind
    doors = [line for lines in told.values() for name, line in servers(lines).items() if name.startswith("peer-")]
    assert len(doors) == 4
    for line in doors:
        assert "verify required" in line and "verifyhost" in line and "sni str(" in line and f"crt '{tmp_path}/site.pem'" in line


def test_questions_about_the_own_site_are_never_handed_over(tmp_path: Path) -> None:
    """A peer's answer would tell the controllers that a dead service is well."""
    told = sections(render(settings(tmp_path)))
    assert "use_backend own if { path /healthz /readyz }" in told["frontend clients"]
    assert list(servers(told["backend own"])) == ["local"]


def test_paths_are_quoted(tmp_path: Path) -> None:
    """A space in a directory's name ends no word."""
    place = tmp_path / "a b # c"
    assert f"crt '{place}/site.pem'" in render(settings(place))


def test_a_peers_name_is_looked_up_while_haproxy_runs(tmp_path: Path) -> None:
    """Never at the start, where one that says nothing would end it; an address is taken as it is, also one of version 6."""
    doors = {"azure": ("edge.azure.test", True), "gcp": ("2001:db8::1", False)}
    peers = {site: {"host": host, "port": 8202, "name": f"{site}.edge.test"} for site, (host, _) in doors.items()}
    told = sections(render(settings(tmp_path, peers=peers)))
    for site, (host, looked_up) in doors.items():
        for backend in ("payments", "readiness"):
            line = servers(told[f"backend {backend}"])[f"peer-{site}"]
            assert f"{host}:8202" in line and ("init-addr none resolvers names" in line) is looked_up
    assert "parse-resolv-conf" in told["resolvers names"] and "hold timeout 24d" in told["resolvers names"]
    assert "resolvers names" not in render(settings(tmp_path))


def test_the_public_cannot_keep_the_agent_from_its_work(tmp_path: Path) -> None:
    """However many ask for the beacon, a handful of them reach the agent at once."""
    told = sections(render(settings(tmp_path)))
    assert "maxconn 16" in servers(told["backend agent"])["agent"]
