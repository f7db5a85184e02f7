"""A machine at its own cloud: how it proves who it is, and what it is given for that.

Every cloud tells a machine who it is at an address that nobody else can ask. With that the machine reads secrets, and images of the cloud's
own registry.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from controller.boot.asking import Ask, NotYet
from controller.boot.signing import Credentials, Question, signed

METADATA = "http://169.254.169.254"
LIVES = timedelta(minutes=45)
"""How long AWS is asked to make a token out for: an hour is the most it takes."""


class Machine(Protocol):
    """One cloud's way."""

    def secret(self, place: str) -> bytes:
        """What is in this place of the secret store. Raises NotYet, also when nobody has filled it."""
        ...

    def authorization(self, registry: str, repository: str, /) -> str:
        """What a registry of this cloud is shown. Raises NotYet."""
        ...

    def token(self, audience: str) -> str:
        """This cloud's word about the machine, made out for somebody else. Raises NotYet."""
        ...


class AwsMachine:
    """By the role that the machine bears."""

    def __init__(self, ask: Ask, now: Callable[[], datetime]) -> None:
        self._ask, self._now = ask, now

    def secret(self, place: str) -> bytes:
        """`place`: the ARN."""
        region = place.split(":")[3]
        body = json.dumps({"SecretId": place}).encode()
        said = self._asked(
            "secretsmanager", f"secretsmanager.{region}.amazonaws.com", region, "secretsmanager.GetSecretValue", body
        )
        return _text(said, "SecretString").encode()

    def authorization(self, registry: str, _repository: str, /) -> str:
        """For half a day, and for all repositories that the role may read."""
        region = registry.split(".")[3]
        target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
        (given,) = self._asked("ecr", f"api.ecr.{region}.amazonaws.com", region, target, b"{}")["authorizationData"]
        return f"Basic {_text(given, 'authorizationToken')}"

    def token(self, audience: str) -> str:
        """STS answers at regional addresses alone, and makes none out that would outlive the role's own credentials. Source: AWS STS API
        Reference, GetWebIdentityToken. Which of its two algorithms Entra takes has not been tried."""
        region = self._ask(f"{METADATA}/latest/meta-data/placement/region", self._shown()).decode().strip()
        own = self._credentials()
        lives = min(LIVES, (own.until or self._now() + LIVES) - self._now())
        asked = {"Action": "GetWebIdentityToken", "Version": "2011-06-15", "Audience.member.1": audience}
        body = urlencode({**asked, "DurationSeconds": f"{lives.total_seconds():.0f}", "SigningAlgorithm": "RS256"}).encode()
        question = Question(service="sts", region=region, host=f"sts.{region}.amazonaws.com", body=body)
        said = self._ask(f"https://{question.host}/", signed(question, own, self._now()), body, "POST")
        found = re.search(rb"<WebIdentityToken>([\w.-]+)</WebIdentityToken>", said)
        if found is None:
            raise NotYet("the answer has no WebIdentityToken")
        return found[1].decode()

    def _asked(self, service: str, host: str, region: str, target: str, body: bytes) -> Any:
        question = Question(service=service, region=region, host=host, target=target, body=body)
        return _read(self._ask(f"https://{host}/", signed(question, self._credentials(), self._now()), body, "POST"))

    def _credentials(self) -> Credentials:
        shown, place = self._shown(), f"{METADATA}/latest/meta-data/iam/security-credentials/"
        role = self._ask(place, shown).decode().split()[0]
        found = _read(self._ask(place + role, shown))
        return Credentials(
            key=_text(found, "AccessKeyId"),
            secret=_text(found, "SecretAccessKey"),
            token=_text(found, "Token"),
            until=_moment(found.get("Expiration")),
        )

    def _shown(self) -> Mapping[str, str]:
        told = self._ask(f"{METADATA}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}, None, "PUT").decode()
        return {"X-aws-ec2-metadata-token": told}


class AzureMachine:
    """By the identity that the machine is assigned; it may have several, so this one is named."""

    def __init__(self, ask: Ask, client: str) -> None:
        self._ask, self._client = ask, client

    def secret(self, place: str) -> bytes:
        """`place`: the secret's URL, without a version."""
        shown = {"Authorization": f"Bearer {self._token('https://vault.azure.net')}"}
        return _text(_read(self._ask(f"{place}?api-version=7.4", shown)), "value").encode()

    def authorization(self, registry: str, repository: str, /) -> str:
        """A token of the registry's own, for this repository. Source: Azure Container Registry, "AAD integration" (AAD-OAuth)."""
        token = self._token("https://management.azure.com/")
        given = {"grant_type": "access_token", "service": registry, "access_token": token}
        refresh = _text(self._form(f"https://{registry}/oauth2/exchange", given), "refresh_token")
        wanted = {"grant_type": "refresh_token", "service": registry, "scope": f"repository:{repository}:pull"}
        found = self._form(f"https://{registry}/oauth2/token", {**wanted, "refresh_token": refresh})
        return f"Bearer {_text(found, 'access_token')}"

    def token(self, audience: str) -> str:
        """`audience`: the identifier of an application. Source: Entra, "How to use managed identities for Azure resources on an Azure VM to
        acquire an access token"."""
        return self._token(audience)

    def _token(self, resource: str) -> str:
        asked = urlencode({"api-version": "2018-02-01", "resource": resource, "client_id": self._client})
        return _text(_read(self._ask(f"{METADATA}/metadata/identity/oauth2/token?{asked}", {"Metadata": "true"})), "access_token")

    def _form(self, url: str, form: Mapping[str, str]) -> Any:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return _read(self._ask(url, kind, urlencode(form).encode(), "POST"))


class GcpMachine:
    """By the machine's service account."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def secret(self, place: str) -> bytes:
        """`place`: `projects/…/secrets/…`. The newest version: a place is filled anew when papers are renewed."""
        url = f"https://secretmanager.googleapis.com/v1/{place}/versions/latest:access"
        said = _read(self._ask(url, {"Authorization": f"Bearer {self._token()}"}))
        return base64.b64decode(_text(said.get("payload"), "data"))

    def authorization(self, _registry: str, _repository: str, /) -> str:
        """Source: Artifact Registry, "Configure authentication to Artifact Registry for Docker", access token."""
        return f"Basic {base64.b64encode(f'oauth2accesstoken:{self._token()}'.encode()).decode()}"

    def token(self, audience: str) -> str:
        """For an hour at most; how much of it is left when the metadata server has kept it a while is not said. Source: Compute Engine,
        "Verify the identity of a VM"."""
        place = f"{METADATA}/computeMetadata/v1/instance/service-accounts/default/identity"
        said = self._ask(f"{place}?{urlencode({'audience': audience})}", {"Metadata-Flavor": "Google"})
        return said.decode("ascii", "replace").strip()

    def _token(self) -> str:
        place = f"{METADATA}/computeMetadata/v1/instance/service-accounts/default/token"
        return _text(_read(self._ask(place, {"Metadata-Flavor": "Google"})), "access_token")


def machine(cloud: str, ask: Ask, now: Callable[[], datetime], client: str = "") -> Machine:
    """This cloud's. `client`: of Azure's identity. Raises ValueError for a cloud that nobody knows."""
    match cloud:
        case "aws":
            return AwsMachine(ask, now)
        case "azure":
            return AzureMachine(ask, client)
        case "gcp":
            return GcpMachine(ask)
        case _:
            raise ValueError(f"{cloud}: expected aws, azure or gcp")


def _moment(told: object) -> datetime | None:
    """`2026-01-02T03:04:05Z`. None for anything else."""
    try:
        found = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _read(said: bytes) -> Any:
    try:
        return json.loads(said)
    except ValueError as error:
        raise NotYet("the answer is no JSON") from error


def _text(found: object, name: str) -> str:
    """Raises NotYet for an answer of another shape, of which it says nothing more."""
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise NotYet(f"the answer has no {name}")
    return value
