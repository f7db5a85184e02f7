"""Clouds that answer a machine, as far as a booting one asks."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from controller.boot.asking import NotYet

Reply = Callable[[Mapping[str, str], bytes | None], bytes]


@dataclass(slots=True, kw_only=True)
class Servers:
    """Answers by method and URL; whatever is not named here is answered by nobody."""

    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lives: int = 0
    """Seconds that a token of AWS's was last asked for."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None) -> bytes:
        """As `asking.asker` does it."""
        key = (method or ("GET" if body is None else "POST"), url)
        self.asked.append(key)
        if key not in self.replies:
            raise NotYet(f"{url} answers HTTP 404")
        return self.replies[key](headers, body)

    def says(self, url: str, reply: object, method: str = "GET", **wanted: str) -> None:
        """Answer JSON, or text, to whoever shows these headers; others are turned away."""
        content = reply.encode() if isinstance(reply, str) else json.dumps(reply).encode()

        def answer(headers: Mapping[str, str], body: bytes | None) -> bytes:
            shown = {name.lower(): value for name, value in headers.items()}
            if any(shown.get(name.lower().replace("_", "-")) != value for name, value in wanted.items()):
                raise NotYet(f"{url} answers HTTP 401")
            return content

        self.replies[method, url] = answer


METADATA = "http://169.254.169.254"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UNTIL = "2026-01-02T09:04:05Z"
"""When the role's credentials end."""
AUDIENCE = "api://00000000-0000-0000-0000-000000000002/trimaran-prod-clouds"


def jwt(issuer: str, audience: str, until: datetime) -> str:
    """A token as far as anybody looks at it who is not shown it."""
    parts = ({"alg": "RS256"}, {"iss": issuer, "aud": audience, "exp": int(until.timestamp())}, {"signature": issuer})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:trimaran/prod/control/settings-AbCdEf"


def aws() -> Servers:
    """With a role, one secret and a registry."""
    servers = Servers()
    roles = f"{METADATA}/latest/meta-data/iam/security-credentials/"
    servers.says(f"{METADATA}/latest/api/token", "told", "PUT", x_aws_ec2_metadata_token_ttl_seconds="300")
    servers.says(roles, "trimaran-prod-control\n", x_aws_ec2_metadata_token="told")
    given = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "hidden", "Token": "session", "Expiration": UNTIL}
    servers.says(f"{roles}trimaran-prod-control", given, x_aws_ec2_metadata_token="told")
    secrets = "https://secretsmanager.eu-central-1.amazonaws.com/"
    servers.says(secrets, {"SecretString": "site = 'aws'"}, "POST", x_amz_target="secretsmanager.GetSecretValue")
    token = {"authorizationData": [{"authorizationToken": "QVdTOnB3"}]}
    servers.says("https://api.ecr.eu-central-1.amazonaws.com/", token, "POST", x_amz_security_token="session")
    servers.says(f"{METADATA}/latest/meta-data/placement/region", "eu-central-1", x_aws_ec2_metadata_token="told")

    def made_out(headers: Mapping[str, str], body: bytes | None) -> bytes:
        asked = dict(parse_qsl((body or b"").decode()))
        assert (asked["Action"], asked["Version"], asked["SigningAlgorithm"]) == ("GetWebIdentityToken", "2011-06-15", "RS256")
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/") and "x-amz-target" not in headers
        assert headers["content-type"].startswith("application/x-www-form-urlencoded")
        servers.lives = int(asked["DurationSeconds"])
        told = jwt("aws", asked["Audience.member.1"], NOW + timedelta(seconds=servers.lives))
        return (
            f"<R><GetWebIdentityTokenResult><WebIdentityToken>{told}</WebIdentityToken></GetWebIdentityTokenResult></R>".encode()
        )

    servers.replies["POST", "https://sts.eu-central-1.amazonaws.com/"] = made_out
    return servers


PLACE = "https://trimaran-prod-control.vault.azure.net/secrets/settings"


def azure() -> Servers:
    """With an identity, one secret and a registry."""
    servers = Servers()
    identity = f"{METADATA}/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    servers.says(f"{identity}https%3A%2F%2Fvault.azure.net&client_id=c-1", {"access_token": "for-vault"}, metadata="true")
    servers.says(f"{identity}https%3A%2F%2Fmanagement.azure.com%2F&client_id=c-1", {"access_token": "for-all"}, metadata="true")
    servers.says(f"{PLACE}?api-version=7.4", {"value": "site = 'azure'"}, authorization="Bearer for-vault")
    told = {"access_token": jwt("azure", AUDIENCE, NOW + timedelta(hours=1))}
    servers.says(f"{identity}{quote(AUDIENCE, safe='')}&client_id=c-1", told, metadata="true")

    def exchange(headers: Mapping[str, str], body: bytes | None) -> bytes:
        assert body == b"grant_type=access_token&service=trimaranprod.azurecr.io&access_token=for-all"
        return b'{"refresh_token": "refresh"}'

    def token(headers: Mapping[str, str], body: bytes | None) -> bytes:
        wanted = b"grant_type=refresh_token&service=trimaranprod.azurecr.io&scope=repository%3Aetcd%3Apull&refresh_token=refresh"
        assert body == wanted
        return b'{"access_token": "pull"}'

    servers.replies["POST", "https://trimaranprod.azurecr.io/oauth2/exchange"] = exchange
    servers.replies["POST", "https://trimaranprod.azurecr.io/oauth2/token"] = token
    return servers


SECRET = "projects/trimaran-prod/secrets/trimaran-prod-control-settings"


def gcp() -> Servers:
    """With a service account and one secret."""
    servers = Servers()
    account = f"{METADATA}/computeMetadata/v1/instance/service-accounts/default/token"
    servers.says(account, {"access_token": "ya29"}, metadata_flavor="Google")
    place = f"{METADATA}/computeMetadata/v1/instance/service-accounts/default/identity?audience={quote(AUDIENCE, safe='')}"
    servers.says(place, jwt("gcp", AUDIENCE, NOW + timedelta(hours=1)), metadata_flavor="Google")
    payload = {"payload": {"data": base64.b64encode(b"site = 'gcp'").decode()}}
    servers.says(f"https://secretmanager.googleapis.com/v1/{SECRET}/versions/latest:access", payload, authorization="Bearer ya29")
    return servers
