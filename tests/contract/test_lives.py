"""A container's health check against listeners as services have them: real TLS, a certificate demanded."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from lab.service_identity import Authority
from lab.service_identity import Papers as Issued
from tests.contract.conftest import HOST, free_ports
from workload.access.identity import Identity, server_context, service_name
from workload.lives import AUTHORITY, IDENTITY, Papers, Silent, ask, main


class Answers(http.server.BaseHTTPRequestHandler):
    """200 on /healthz, 503 on /beacon, else 404."""

    def do_GET(self) -> None:
        """Answer one request."""
        self.send_response({"/healthz": 200, "/beacon": 503}.get(self.path, 404))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""


class Quiet(http.server.ThreadingHTTPServer):
    """Handshakes that fail are what some tests are about."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """Its port, for the length of the block."""
    server = Quiet((HOST, 0), Answers)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def put(place: Path, issued: Issued) -> Path:
    """Papers where `entry` puts them."""
    place.mkdir(exist_ok=True)
    (place / IDENTITY).write_bytes(issued.certificate)
    (place / AUTHORITY).write_bytes(issued.authority)
    return place


@pytest.fixture(scope="module")
def fleet() -> Authority:
    """Who issues the services' certificates."""
    return Authority("fleet")


@pytest.fixture
def place(tmp_path: Path, fleet: Authority) -> Path:
    """The container's own papers."""
    return put(tmp_path / "own", fleet.issue(service_name("vault")))


@pytest.fixture
def service(place: Path) -> Iterator[int]:
    """A service of this container, as `workload` makes its listener: who shows no certificate of the fleet's is not spoken to."""
    with listening(server_context(Identity(certificate=place / IDENTITY, authority=place / AUTHORITY))) as port:
        yield port


def test_a_service_that_lives_is_found_living_by_its_own_papers(place: Path, service: int) -> None:
    """Status 0, for the health path alone."""
    assert main([str(service), "/healthz"], place) == 0


@pytest.mark.parametrize("path", ["/beacon", "/nothing"])
def test_any_other_answer_is_no_life(place: Path, service: int, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, and what was answered on standard error."""
    assert main([str(service), path], place) == 1
    assert f"expected status 200 from {path}" in capsys.readouterr().err


def test_the_service_demands_a_certificate(place: Path, service: int) -> None:
    """What the check is worth: without papers, or with those of a stranger, the same service is silent."""
    with pytest.raises(Silent):
        ask(service, "/healthz", None)
    stranger = put(place.parent / "stranger", Authority("stranger").issue(service_name("vault")))
    (stranger / AUTHORITY).write_bytes((place / AUTHORITY).read_bytes())
    with pytest.raises(Silent):
        ask(service, "/healthz", Papers(identity=stranger / IDENTITY, authority=stranger / AUTHORITY))


def test_somebody_else_on_the_port_is_not_believed(place: Path) -> None:
    """A listener with a certificate of another authority: its 200 is not this service's."""
    other = put(place.parent / "other", Authority("other").issue(service_name("vault")))
    with listening(server_context(Identity(certificate=other / IDENTITY, authority=place / AUTHORITY))) as port:
        with pytest.raises(Silent, match="certificate"):
            ask(port, "/healthz", Papers(identity=place / IDENTITY, authority=place / AUTHORITY))


def test_a_port_without_tls_is_asked_plainly(tmp_path: Path) -> None:
    """The edge's agent and the controller: no papers are looked for."""
    with listening(None) as port:
        assert main(["--plain", str(port), "/healthz"], tmp_path / "none") == 0
        assert main(["--plain", str(port), "/beacon"], tmp_path / "none") == 1


def test_without_papers_or_listener_it_is_told_in_a_line(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: the line is what the runtime shows of a failed check."""
    port = free_ports(1)[0]
    assert (main([str(port), "/healthz"], tmp_path / "none"), main([str(port), "/healthz"], place)) == (1, 1)
    lines = capsys.readouterr().err.splitlines()
    assert [f"{tmp_path / 'none' / IDENTITY}, " in lines[0], "ConnectionRefusedError" in lines[1], len(lines)] == [True, True, 2]


def test_papers_that_are_none_are_told_in_a_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate without its key, in a place of the secret store that somebody filled with the wrong file."""
    (place / IDENTITY).write_bytes((place / AUTHORITY).read_bytes())
    assert main([str(free_ports(1)[0]), "/healthz"], place) == 1
    assert [f"{place / IDENTITY}, {place / AUTHORITY}: expected" in line for line in capsys.readouterr().err.splitlines()] == [
        True
    ]


def test_who_hangs_does_not_live() -> None:
    """A frozen process accepts connections, and never answers."""
    with http.server.HTTPServer((HOST, 0), Answers) as frozen:
        with pytest.raises(Silent, match="TimeoutError"):
            ask(frozen.server_address[1], "/healthz", None, patience=timedelta(seconds=0.05))
