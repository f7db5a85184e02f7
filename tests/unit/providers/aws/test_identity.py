"""Credentials that expire are fetched when they are needed and again before they end; keys that do not are for this machine only."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from controller.errors import Denied, Refused, Transient
from controller.providers.aws.identity import federated, static
from controller.providers.aws.session import client, route53_client
from controller.providers.proof import token_file

ROLE = "arn:aws:iam::123456789012:role/controller"


class Sts(BaseHTTPRequestHandler):
    """Answers AssumeRoleWithWebIdentity with keys that name the token they were given for."""

    asked: list[dict[str, str]]
    now: datetime
    status = 200

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append({key: values[0] for key, values in form.items()} | {"signed": str("Authorization" in self.headers)})
        ends = (self.now + timedelta(seconds=int(form["DurationSeconds"][0]))).isoformat()
        number = len(self.asked)
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>'
            f"<Credentials><AccessKeyId>key-{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends}</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            if self.status == 200
            else "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>"
        )
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *said: object) -> None:
        """Silent."""


@pytest.fixture
def sts() -> Iterator[tuple[type[Sts], str]]:
    """One that runs, and its URL."""

    class Fresh(Sts):
        asked: list[dict[str, str]] = []  # noqa: RUF012  of this test alone
        now = datetime(2026, 1, 1, tzinfo=UTC)

    with HTTPServer(("127.0.0.1", 0), Fresh) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Fresh, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_role_is_assumed_when_it_is_needed_and_again_before_it_ends(sts: tuple[type[Sts], str]) -> None:
    """Not when the process starts; with the token as it is then, unsigned; every hour anew, whatever keys lie about."""
    office, url = sts
    tokens = iter(["first", "second"])
    session = federated(
        role_arn=ROLE,
        token=lambda: next(tokens),
        session_name="aws",
        region="eu-central-1",
        endpoint_url=url,
        now=lambda: office.now,
    )
    credentials = session().get_credentials()
    assert credentials is not None and not office.asked
    assert credentials.get_frozen_credentials().access_key == "key-1"
    assert session().get_credentials().get_frozen_credentials().access_key == "key-1", "all clients share them"  # type: ignore[union-attr]
    office.now += timedelta(minutes=55)
    assert credentials.get_frozen_credentials().access_key == "key-2"
    assert [one["WebIdentityToken"] for one in office.asked] == ["first", "second"]
    assert {(one["RoleArn"], one["signed"], one["DurationSeconds"]) for one in office.asked} == {(ROLE, "False", "3600")}


def test_credentials_are_used_as_long_as_they_are_good(sts: tuple[type[Sts], str]) -> None:
    """STS fails, and the credentials are good for five more minutes: without them nobody could steer for those. STS is left in peace
    between two tries, for each of them costs a call its deadline."""
    office, url = sts
    session = federated(
        role_arn=ROLE,
        token=lambda: "proof",
        session_name="aws",
        region="eu-central-1",
        endpoint_url=url,
        now=lambda: office.now,
    )
    credentials = session().get_credentials()
    assert credentials is not None and credentials.get_frozen_credentials().access_key == "key-1"
    office.now, office.status = office.now + timedelta(minutes=55), 400
    assert [credentials.get_frozen_credentials().access_key for _ in range(3)] == ["key-1"] * 3
    assert len(office.asked) == 2
    office.now += timedelta(seconds=40)
    office.status = 200
    assert credentials.get_frozen_credentials().access_key == "key-3"
    office.now, office.status = office.now + timedelta(minutes=61), 400
    with pytest.raises(Denied):
        credentials.get_frozen_credentials()


def test_keys_in_the_environment_are_not_looked_at(sts: tuple[type[Sts], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A long-lived key that somebody left there is not what this process shows."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "left-behind")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "left-behind")
    session = federated(
        role_arn=ROLE,
        token=lambda: "proof",
        session_name="aws",
        region="eu-central-1",
        endpoint_url=sts[1],
        now=lambda: sts[0].now,
    )
    credentials = session().get_credentials()
    assert credentials is not None and credentials.get_frozen_credentials().access_key == "key-1"


def test_a_token_that_is_not_accepted_or_not_there_is_denied(sts: tuple[type[Sts], str], tmp_path: Path) -> None:
    """Somebody has to mend the trust between the clouds; an STS that does not answer is another matter."""
    office, url = sts
    office.status = 400

    def ask(path: Path, url: str) -> None:
        session = federated(role_arn=ROLE, token=token_file(path), session_name="aws", region="eu-central-1", endpoint_url=url)
        credentials = session().get_credentials()
        assert credentials is not None
        credentials.get_frozen_credentials()

    with pytest.raises(Denied, match="no identity token"):
        ask(tmp_path / "nothing", url)
    assert not office.asked
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(Denied, match="no identity token"):
        ask(tmp_path / "token", url)
    assert not office.asked
    (tmp_path / "token").write_text("proof\n")
    with pytest.raises(Denied, match="InvalidIdentityToken"):
        ask(tmp_path / "token", url)
    assert office.asked[0]["WebIdentityToken"] == "proof"
    with pytest.raises(Transient):
        ask(tmp_path / "token", "http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "http://127.9.9.9", "http://[::1]:9"])
def test_static_keys_are_for_this_machine(url: str) -> None:
    """Loopback, by address."""
    credentials = static(key="lab", secret="lab", endpoint_url=url)().get_credentials()
    assert credentials is not None and credentials.access_key == "lab"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://route53.amazonaws.com",
        "http://192.0.2.1",
        "http://127.0.0.1.example.test/",
        "http://localhost.test",
        "http://localhost:1",
        "nonsense",
    ],
)
def test_static_keys_are_refused_for_any_other_place(url: str | None) -> None:
    """When the settings are read, not when they have been sent."""
    with pytest.raises(Refused) as refusal:
        static(key="lab", secret="lab", endpoint_url=url)
    assert refusal.value.guard == "no-long-lived-keys" and "role" in refusal.value.way_out


@pytest.mark.parametrize("place", ["environment", "file"])
def test_keys_that_do_not_expire_are_not_shown_to_aws(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS's own chain finds them before it looks for a role. Somebody's keys, left on a controller, are good for whoever reads them."""
    keys = {"aws_access_key_id": "left-behind", "aws_secret_access_key": "left-behind"}
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name, value in keys.items() if place == "environment" else ():
        monkeypatch.setenv(name.upper(), value)
    if place == "file":
        (tmp_path / "credentials").write_text("[default]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    for make in (partial(client, "ecs", region="eu-central-1", endpoint_url=None), partial(route53_client, endpoint_url=None)):
        with pytest.raises(Denied, match="do not expire"):
            make()
    assert client("ecs", region="eu-central-1", endpoint_url="http://127.0.0.1:1"), "an emulated AWS takes anything"
    if place == "environment":
        monkeypatch.setenv("AWS_SESSION_TOKEN", "of-an-hour")
        assert client("ecs", region="eu-central-1", endpoint_url=None)
