"""How a booting node asks, over real HTTP: who is led on tells nobody what it showed, and whatever goes wrong is tried again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from controller.boot.asking import NotYet, asker

SHOWN = {"Authorization": "Bearer hidden", "Accept": "application/x"}


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked with, leads on, or refuses."""

    onward = ""

    def do_GET(self) -> None:
        """By path."""
        if self.path == "/onward":
            self.send_response(307)
            self.send_header("Location", self.onward)
            self.end_headers()
            return
        said = "\n".join(f"{name.lower()}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(200 if self.path == "/told" else 403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        """What came."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = self.headers["Content-Type"].encode() + b" " + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def server(onward: str = "") -> Iterator[str]:
    """Its URL."""
    handler = type("Onward", (Handler,), {"onward": onward})
    opened = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{opened.server_port}"
    finally:
        opened.shutdown()
        thread.join()
        opened.server_close()


def test_where_an_answer_leads_nothing_is_shown() -> None:
    """A registry leads to the vendor's storage, which is shown nothing: it would refuse, or know more than it should."""
    with server() as storage, server(f"{storage}/told") as registry:
        assert "authorization: Bearer hidden" in asker()(f"{registry}/told", SHOWN).decode()
        led = asker()(f"{registry}/onward", SHOWN).decode()
        assert "host:" in led and "hidden" not in led and "authorization" not in led


def test_a_body_goes_with_its_kind() -> None:
    """As forms and JSON are sent."""
    with server() as given:
        assert asker()(f"{given}/", {"Content-Type": "application/x-own"}, b"a=1", "POST") == b"application/x-own a=1"


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be told who this machine is."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with server() as given:
        assert asker()(f"{given}/told", {})


def test_whatever_goes_wrong_is_not_yet() -> None:
    """A refusal, a closed port: told without a word of the answer."""
    with server() as given:
        with pytest.raises(NotYet, match=r"127\.0\.0\.1:\d+ answers HTTP 403") as refused:
            asker()(f"{given}/secret", SHOWN)
        assert "hidden" not in str(refused.value)
    with pytest.raises(NotYet, match=r"127\.0\.0\.1:9"):
        asker(patience=1)("http://127.0.0.1:9/", {})
