"""A machine proves itself to its own cloud, in each cloud's way, and is given what it alone may have."""

import ast
import base64
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Known
from botocore.loaders import Loader

from controller.boot.asking import NotYet
from controller.boot.clouds import LIVES, AwsMachine, AzureMachine, GcpMachine, Machine, machine
from controller.boot.signing import Credentials, Question, signed
from tests.unit.boot.clouds import ARN, AUDIENCE, NOW, PLACE, SECRET, Servers, aws, azure, gcp, jwt

BOOT = Path(__file__).parents[3] / "controller" / "boot"


def on(cloud: str, servers: Servers) -> Machine:
    """A machine there."""
    return machine(cloud, servers, lambda: NOW, "c-1")


def test_a_signature_is_the_one_that_the_vendors_own_library_makes() -> None:
    """Byte for byte: AWS turns every other one away."""
    asked = Question(
        service="secretsmanager",
        region="eu-central-1",
        host="secretsmanager.eu-central-1.amazonaws.com",
        target="secretsmanager.GetSecretValue",
        body=b'{"SecretId": "x"}',
    )
    ours = signed(asked, Credentials(key="ASIAEXAMPLE", secret="hidden/+=", token="session"), NOW)
    headers = {name: value for name, value in ours.items() if name not in {"authorization", "host"}}
    theirs = AWSRequest(method="POST", url=f"https://{asked.host}/", data=asked.body, headers=headers)
    signer = SigV4Auth(Known("ASIAEXAMPLE", "hidden/+=", "session"), asked.service, asked.region)
    theirs.context["timestamp"] = ours["x-amz-date"]
    canonical = signer.canonical_request(theirs)
    signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(theirs))}," in ours["authorization"]


@pytest.mark.parametrize(
    ("cloud", "servers", "place", "content"),
    [("aws", aws(), ARN, b"site = 'aws'"), ("azure", azure(), PLACE, b"site = 'azure'"), ("gcp", gcp(), SECRET, b"site = 'gcp'")],
)
def test_a_secret_is_read_by_the_machines_identity(cloud: str, servers: Servers, place: str, content: bytes) -> None:
    """Only the metadata of this machine says who it is; the first question goes there."""
    assert on(cloud, servers).secret(place) == content
    assert servers.asked[0][1].startswith("http://169.254.169.254/")


@pytest.mark.parametrize(
    ("cloud", "servers", "registry", "shown"),
    [
        ("aws", aws(), "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "Basic QVdTOnB3"),
        ("azure", azure(), "trimaranprod.azurecr.io", "Bearer pull"),
        ("gcp", gcp(), "europe-west3-docker.pkg.dev", f"Basic {base64.b64encode(b'oauth2accesstoken:ya29').decode()}"),
    ],
)
def test_a_registry_is_shown_what_it_wants(cloud: str, servers: Servers, registry: str, shown: str) -> None:
    """Each vendor's own form of the same identity."""
    assert on(cloud, servers).authorization(registry, "etcd") == shown


@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp"])
def test_a_cloud_that_says_nothing_useful_is_asked_again(cloud: str) -> None:
    """No answer, no JSON, another shape: not yet, never a crash, and nothing of the answer in the message."""
    with pytest.raises(NotYet):
        on(cloud, Servers()).secret(ARN)
    for reply in ("surprise", "[]", '{"access_token": 7}', '"surprise"'):
        servers = {"aws": aws, "azure": azure, "gcp": gcp}[cloud]()
        for method, url in list(servers.replies):
            # AWS tells a token and a role's name as plain text: whatever it is, it is asked with.
            if not url.endswith(("/api/token", "/security-credentials/")):
                servers.says(url, reply, method)
        with pytest.raises(NotYet) as told:
            on(cloud, servers).secret({"aws": ARN, "azure": PLACE, "gcp": SECRET}[cloud])
        assert "surprise" not in str(told.value)


def test_a_form_is_signed_as_the_vendors_own_library_signs_it() -> None:
    """STS is asked in forms, and names no target."""
    asked = Question(
        service="sts", region="eu-central-1", host="sts.eu-central-1.amazonaws.com", body=b"Action=GetWebIdentityToken"
    )
    ours = signed(asked, Credentials(key="ASIAEXAMPLE", secret="hidden/+=", token="session"), NOW)
    assert set(ours) == {"content-type", "host", "x-amz-date", "x-amz-security-token", "authorization"}
    headers = {name: value for name, value in ours.items() if name not in {"authorization", "host"}}
    theirs = AWSRequest(method="POST", url=f"https://{asked.host}/", data=asked.body, headers=headers)
    signer = SigV4Auth(Known("ASIAEXAMPLE", "hidden/+=", "session"), asked.service, asked.region)
    theirs.context["timestamp"] = ours["x-amz-date"]
    signature = signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")


def test_what_sts_is_asked_is_what_the_vendors_own_library_knows() -> None:
    """By its description of the service: the operation, its members, their limits, and where the token stands in the answer."""
    found = Loader().load_service_model("sts", "service-2")
    operation, shapes = found["operations"]["GetWebIdentityToken"], found["shapes"]
    assert found["metadata"]["apiVersion"] == "2011-06-15" and found["metadata"]["protocol"] == "query"
    assert set(shapes[operation["input"]["shape"]]["required"]) == {"Audience", "SigningAlgorithm"}
    lives = shapes[shapes[operation["input"]["shape"]]["members"]["DurationSeconds"]["shape"]]
    assert lives["min"] <= LIVES.total_seconds() <= lives["max"]
    assert "WebIdentityToken" in shapes[operation["output"]["shape"]]["members"]


@pytest.mark.parametrize(("cloud", "servers"), [("aws", aws()), ("azure", azure()), ("gcp", gcp())])
def test_a_token_is_made_out_for_whom_it_is_asked(cloud: str, servers: Servers) -> None:
    """By the machine's identity."""
    until = NOW + (timedelta(minutes=45) if cloud == "aws" else timedelta(hours=1))
    assert on(cloud, servers).token(AUDIENCE) == jwt(cloud, AUDIENCE, until)
    assert servers.asked[0][1].startswith("http://169.254.169.254/")


@pytest.mark.parametrize(("left", "asked"), [(timedelta(hours=6), 2700), (timedelta(minutes=10), 600), (None, 2700)])
def test_no_token_of_aws_outlives_the_role_that_asks(left: timedelta | None, asked: int) -> None:
    """STS refuses one; shortly before a role's credentials are renewed it would refuse all."""
    servers = aws()
    roles = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
    given = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "hidden", "Token": "session"}
    until = {} if left is None else {"Expiration": (NOW + left).strftime("%Y-%m-%dT%H:%M:%SZ")}
    servers.says(f"{roles}trimaran-prod-control", {**given, **until})
    on("aws", servers).token(AUDIENCE)
    assert servers.lives == asked


@pytest.mark.parametrize("cloud", ["aws", "azure"])
def test_an_answer_without_a_token_is_none(cloud: str) -> None:
    """Of Google's, which is a token and nothing else, see `test_tokens`."""
    servers = {"aws": aws, "azure": azure}[cloud]()
    for method, url in list(servers.replies):
        if "sts" in url or "clouds" in url:
            servers.says(url, "<Error>surprise</Error>", method)
    with pytest.raises(NotYet) as told:
        on(cloud, servers).token(AUDIENCE)
    assert "surprise" not in str(told.value)


def test_only_three_clouds_are_known() -> None:
    """And each has its own."""
    servers = Servers()
    kinds = [type(on(cloud, servers)) for cloud in ("aws", "azure", "gcp")]
    assert kinds == [AwsMachine, AzureMachine, GcpMachine]
    with pytest.raises(ValueError, match="expected aws, azure or gcp"):
        on("other", servers)


@pytest.mark.parametrize("path", sorted(BOOT.glob("*.py")), ids=lambda path: path.name)
def test_a_node_needs_nothing_installed(path: Path) -> None:
    """The standard library and this package: it runs before anything else is there."""
    imported = set()
    for one in ast.walk(ast.parse(path.read_text())):
        if isinstance(one, ast.Import):
            imported |= {alias.name for alias in one.names}
        elif isinstance(one, ast.ImportFrom):
            imported.add(one.module or "")
    outside = {name.split(".")[0] for name in imported if not name.startswith("controller.boot")}
    assert outside <= sys.stdlib_module_names
