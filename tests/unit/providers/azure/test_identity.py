"""Who this process is to Azure: never by a key that outlives the hour, and by the lab's token on this machine only."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import HttpTransport

from controller.errors import Denied, Refused, Transient
from controller.providers.azure.errors import translated
from controller.providers.azure.identity import StaticCredential, ambient, federated
from controller.providers.azure.session import Arm
from controller.providers.proof import token_file

SCOPE = "https://management.azure.com/.default"


@pytest.mark.parametrize("url", ["https://127.0.0.1:8443", "https://127.3.2.1", "https://[::1]:9"])
def test_the_labs_token_is_for_this_machine(url: str) -> None:
    """Loopback, by address."""
    assert StaticCredential("lab", endpoint_url=url).get_token(SCOPE).token == "lab"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://management.azure.com",
        "https://10.0.0.1",
        "https://127.0.0.1.example.com",
        "https://localhost.example.com",
        "https://localhost:1",
        "https://user@example.com:443",
        "nonsense",
    ],
)
def test_the_labs_token_is_offered_to_nobody_else(url: str | None) -> None:
    """Refused when it is made, not when it has been sent."""
    with pytest.raises(Refused) as refusal:
        StaticCredential("lab", endpoint_url=url)
    assert refusal.value.guard == "no-long-lived-keys" and "federated" in refusal.value.way_out


def test_an_endpoint_without_tls_is_refused() -> None:
    """Every request carries a bearer token."""
    with pytest.raises(Refused, match="tls-only"):
        Arm(subscription_id="s", endpoint_url="http://127.0.0.1:8080")


class Entra(HttpTransport[Any, Any]):
    """Microsoft Entra's token endpoint, as far as the SDK looks."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[Any] = []
        self.status = status

    def send(self, request: Any, **_: Any) -> Any:
        """Note what was asked, and answer."""
        self.asked.append(request)
        good = {"token_type": "Bearer", "access_token": f"entra-{len(self.asked)}", "expires_in": 3600}
        bad = {"error": "invalid_client", "error_description": "the assertion is not trusted"}
        return Reply(request, self.status, good if self.status == 200 else bad)

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __exit__(self, *_: Any) -> None:
        """Nothing to leave."""


class Reply:
    """One answer of Microsoft Entra."""

    def __init__(self, request: Any, status: int, body: dict[str, Any]) -> None:
        self.request, self.status_code, self.reason = request, status, ""
        self.headers = {"Content-Type": "application/json"}
        self.content_type, self._body = "application/json", json.dumps(body)

    def text(self, encoding: str | None = None) -> str:
        return self._body

    def body(self) -> bytes:
        return self._body.encode()


def test_a_federated_identity_exchanges_another_clouds_token() -> None:
    """The assertion is fetched when a token is due and not before; the token is kept while it is good."""
    entra, fetched = Entra(), []

    def assertion() -> str:
        fetched.append("fetched")
        return f"token-of-gcp-{len(fetched)}"

    credential = federated(tenant_id="tenant", client_id="application", assertion=assertion, transport=entra)
    assert not fetched
    assert credential.get_token(SCOPE).token == credential.get_token(SCOPE).token == "entra-1"
    assert fetched == ["fetched"]
    sent = parse_qs(entra.asked[0].body if isinstance(entra.asked[0].body, str) else "") or entra.asked[0].data
    flat = {key: value[0] if isinstance(value, list) else value for key, value in sent.items()}
    assert flat["client_assertion"] == "token-of-gcp-1"
    assert flat["client_assertion_type"].endswith("jwt-bearer")
    assert (flat["client_id"], flat["grant_type"]) == ("application", "client_credentials")
    assert entra.asked[0].url.startswith("https://")
    assert not {"client_secret", "password"} & flat.keys()


def test_a_machine_of_azures_own_is_what_its_metadata_service_says() -> None:
    """Which of its identities is told by the client's id; asked on the machine's own link, and nobody else."""
    metadata = Entra()
    credential = ambient(client_id="the-node", transport=metadata)
    assert not metadata.asked
    assert credential.get_token(SCOPE).token == "entra-1"
    (asked,) = metadata.asked
    assert asked.url.startswith("http://169.254.169.254/metadata/identity/oauth2/token?") and "client_id=the-node" in asked.url


def test_a_metadata_service_that_does_not_answer_is_asked_once() -> None:
    """The SDK's own tries outlast a failover."""
    metadata = Entra(503)
    with pytest.raises(ClientAuthenticationError):
        ambient(transport=metadata).get_token(SCOPE)
    assert len(metadata.asked) == 1


@pytest.mark.parametrize(("status", "error"), [(400, Denied), (503, Transient)])
def test_an_entra_that_gives_no_token_is_asked_once(status: int, error: type[Exception]) -> None:
    """An assertion that it does not trust is denied; an Entra that is down is asked again by us: the SDK's tries outlast a failover."""
    entra = Entra(status)
    credential = federated(tenant_id="tenant", client_id="application", assertion=lambda: "token", transport=entra)
    with pytest.raises(error, match="not trusted"), translated("Profiles_Get"):
        credential.get_token(SCOPE)
    assert len(entra.asked) == 1


def test_a_token_file_is_read_anew_every_time(tmp_path: Path) -> None:
    """The platform replaces it every hour."""
    file = tmp_path / "token"
    file.write_text("first\n")
    read = token_file(file)
    assert read() == "first"
    file.write_text("second\n")
    assert read() == "second"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_token_is_denied(tmp_path: Path, content: str | None) -> None:
    """Somebody has to mend the deployment: an empty assertion is no request that Entra should see."""
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    credential = federated(tenant_id="tenant", client_id="application", assertion=token_file(file), transport=Entra())
    with pytest.raises(Denied, match="identity token"), translated("Profiles_Get"):
        credential.get_token(SCOPE)


def test_every_wait_of_a_client_is_bounded() -> None:
    """One attempt, and both timeouts: the SDK's own retries would outlive any deadline of ours."""
    options = Arm(subscription_id="s", connect=timedelta(seconds=1), read=timedelta(seconds=2)).options
    assert (options["retry_total"], options["connection_timeout"], options["read_timeout"]) == (0, 1.0, 2.0)
