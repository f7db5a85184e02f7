"""Who this process is to Google: tokens of minutes bought for proofs of other clouds, and a lab's token that stays on this machine."""

import json
import urllib.parse
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import RefreshError, TransportError

from controller.errors import Denied, Refused
from controller.providers.gcp.errors import translated
from controller.providers.gcp.identity import AwsKeys, Federation, StaticCredentials, ambient, from_aws, from_oidc, static
from controller.providers.proof import token_file

FEDERATION = Federation(
    project_number="123456", pool="clouds", provider="azure", service_account="trimaran@example.iam.gserviceaccount.com"
)
KEYS = AwsKeys(access_key_id="ASIAEXAMPLE", secret_access_key="short-lived", session_token="session", region="eu-west-1")


@dataclass
class Answer:
    """What a transport of google-auth answers."""

    data: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Transport:
    """Google's token service and its impersonation of service accounts, as one function."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any) -> Answer:
        text = body.decode() if isinstance(body, bytes) else body or ""
        if "sts.googleapis.com" in url:
            self.asked.append((url, {key: values[0] for key, values in urllib.parse.parse_qs(text).items()}))
            return Answer(json.dumps({"access_token": "federated", "token_type": "Bearer", "expires_in": 3600}))
        self.asked.append((url, {"authorization": headers["authorization"], **json.loads(text)}))
        return Answer(json.dumps({"accessToken": "of the account", "expireTime": "2099-01-01T00:00:00Z"}))


def test_a_token_of_another_cloud_buys_one_of_the_service_account() -> None:
    """The other cloud's JWT is fetched when it is needed, exchanged for a federated token, and that for the account's own."""
    fetched: list[str] = []

    def jwt() -> str:
        fetched.append("jwt")
        return "the other cloud's word"

    credentials, transport = from_oidc(FEDERATION, jwt), Transport()
    assert not fetched, "nothing is asked before it is needed"
    credentials.refresh(transport)  # type: ignore[no-untyped-call]
    (_, exchange), (url, account) = transport.asked
    assert exchange["subject_token"] == "the other cloud's word"
    assert exchange["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert exchange["audience"] == (
        "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/clouds/providers/azure"
    )
    assert url.endswith("/serviceAccounts/trimaran@example.iam.gserviceaccount.com:generateAccessToken")
    assert account["authorization"] == "Bearer federated"
    assert credentials.token == "of the account"


def test_keys_of_an_aws_role_sign_a_question_and_do_not_travel() -> None:
    """Google gets a signed question to AWS about who asks, in the role's region and bound to this audience; never the secret key."""
    transport = Transport()
    from_aws(FEDERATION, lambda: KEYS).refresh(transport)  # type: ignore[no-untyped-call]
    _, exchange = transport.asked[0]
    assert exchange["subject_token_type"] == "urn:ietf:params:aws:token-type:aws4_request"
    signed = json.loads(urllib.parse.unquote(exchange["subject_token"]))
    assert signed["url"].startswith("https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity")
    headers = {header["key"]: header["value"] for header in signed["headers"]}
    assert headers["x-goog-cloud-target-resource"] == FEDERATION.audience
    assert KEYS.secret_access_key not in json.dumps([exchange, signed])


def test_without_keys_the_metadata_service_of_the_machine_is_the_source() -> None:
    """No key is given, so none is kept: the virtual machine's role is asked when a token is needed."""
    assert "169.254.169.254" in json.dumps(from_aws(FEDERATION).info)  # type: ignore[attr-defined]


def test_a_machine_of_googles_own_is_what_its_metadata_service_says() -> None:
    """A token for what the service account may do, from the machine's own link."""
    asked: list[str] = []

    def metadata(url: str, method: str = "GET", headers: Any = None, **_: Any) -> Answer:
        asked.append(url)
        assert headers["metadata-flavor"] == "Google"
        told = {"access_token": "of the node", "expires_in": 3600, "token_type": "Bearer", "email": "node@example", "scopes": []}
        return Answer(json.dumps(told), headers={"content-type": "application/json", "metadata-flavor": "Google"})

    credentials = ambient()
    credentials.refresh(metadata)
    assert credentials.token == "of the node"
    assert "cloud-platform" in urllib.parse.unquote(asked[-1]) and all(
        "/instance/service-accounts/default/" in url for url in asked
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/dns/v1", "http://127.9.9.9/", "http://[::1]:80/"])
def test_a_labs_token_is_sent_to_this_machine(url: str) -> None:
    """On the loopback interface the fixed token is used."""
    headers: dict[str, str] = {}
    StaticCredentials("lab").before_request(None, "GET", url, headers)
    assert headers == {"authorization": "Bearer lab"}


@pytest.mark.parametrize(
    "url",
    ["https://dns.googleapis.com/dns/v1", "http://192.0.2.1/", "http://127.0.0.1.example.test/", "http://localhost/", "nonsense"],
)
def test_a_labs_token_goes_nowhere_else(url: str) -> None:
    """Any other address, Google's own first of all, is refused before anything is sent; a name may resolve to anything."""
    headers: dict[str, str] = {}
    with pytest.raises(Denied, match="federated"):
        StaticCredentials("lab").before_request(None, "GET", url, headers)
    assert not headers


@pytest.mark.parametrize("endpoint", [None, "https://dns.googleapis.com", "http://192.0.2.1:80"])
def test_a_labs_token_is_refused_for_the_vendors_endpoint(endpoint: str | None) -> None:
    """Settings that would use it outside a lab are refused when they are read, with the way out; a lab's endpoint is taken."""
    with pytest.raises(Refused) as refusal:
        static(token="lab", endpoint_url=endpoint)
    assert refusal.value.guard == "no-long-lived-keys" and "identity pool" in refusal.value.way_out
    assert static(token="lab", endpoint_url="http://127.0.0.1:1").token == "lab"


def test_a_token_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    """The platform replaces it, and the next exchange shows the new one."""
    file = tmp_path / "token"
    file.write_text("first\n")
    token = token_file(file)
    assert token() == "first"
    file.write_text("second\n")
    assert token() == "second"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_token_is_denied(tmp_path: Path, content: str | None) -> None:
    """Somebody has to mend the deployment: a lost connection would be tried again for ever. Google is not asked."""
    file, transport = tmp_path / "token", Transport()
    if content is not None:
        file.write_text(content)
    with pytest.raises(Denied, match="identity token"), translated("changes.create"):
        from_oidc(FEDERATION, token_file(file)).refresh(transport)  # type: ignore[no-untyped-call]
    assert not transport.asked


def test_a_token_is_used_as_long_as_it_is_good() -> None:
    """Google's token service hangs, and the token is good for three more minutes: without it nobody could steer for those. The service
    is left in peace between two tries, for each of them costs a call its deadline."""
    tries: list[str] = []

    def hang(url: str, **_: Any) -> Answer:
        if url.endswith(":generateAccessToken"):  # beside it google-auth asks where the account may be used, in its own time
            tries.append(url)
        raise TransportError("timed out")  # type: ignore[no-untyped-call]

    def shown() -> str:
        headers: dict[str, str] = {}
        credentials.before_request(hang, "GET", "https://dns.googleapis.com/", headers)  # type: ignore[no-untyped-call]
        return headers["authorization"]

    credentials = from_oidc(FEDERATION, lambda: "proof")
    credentials.refresh(Transport())  # type: ignore[no-untyped-call]
    credentials.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=3)
    assert {shown(), shown()} == {"Bearer of the account"} and len(tries) == 1
    credentials.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    with pytest.raises(TransportError):
        shown()


def test_a_labs_token_that_is_refused_is_not_replaced() -> None:
    """There is no second token: the refusal is the end of it."""
    with pytest.raises(RefreshError):
        StaticCredentials("lab").refresh(None)
