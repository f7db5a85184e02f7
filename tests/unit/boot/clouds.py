"""Clouds that answer a machine, as far as a booting one asks."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.boot.asking import NotYet

Reply = Callable[[Mapping[str, str], bytes | None], bytes]


@dataclass(slots=True, kw_only=True)
class Servers:
    """Answers by method and URL; whatever is not named here is answered by nobody."""

    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

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
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:trimaran/prod/control/settings-AbCdEf"


def aws() -> Servers:
    """With a role, one secret and a registry."""
    servers = Servers()
    roles = f"{METADATA}/latest/meta-data/iam/security-credentials/"
    servers.says(f"{METADATA}/latest/api/token", "told", "PUT", x_aws_ec2_metadata_token_ttl_seconds="300")
    servers.says(roles, "trimaran-prod-control\n", x_aws_ec2_metadata_token="told")
    given = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "hidden", "Token": "session"}
    servers.says(f"{roles}trimaran-prod-control", given, x_aws_ec2_metadata_token="told")
    secrets = "https://secretsmanager.eu-central-1.amazonaws.com/"
    servers.says(secrets, {"SecretString": "site = 'aws'"}, "POST", x_amz_target="secretsmanager.GetSecretValue")
    token = {"authorizationData": [{"authorizationToken": "QVdTOnB3"}]}
    servers.says("https://api.ecr.eu-central-1.amazonaws.com/", token, "POST", x_amz_security_token="session")
    return servers


PLACE = "https://trimaran-prod-control.vault.azure.net/secrets/settings"


def azure() -> Servers:
    """With an identity, one secret and a registry."""
    servers = Servers()
    identity = f"{METADATA}/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
    servers.says(f"{identity}https%3A%2F%2Fvault.azure.net&client_id=c-1", {"access_token": "for-vault"}, metadata="true")
    servers.says(f"{identity}https%3A%2F%2Fmanagement.azure.com%2F&client_id=c-1", {"access_token": "for-all"}, metadata="true")
    servers.says(f"{PLACE}?api-version=7.4", {"value": "site = 'azure'"}, authorization="Bearer for-vault")

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
    payload = {"payload": {"data": base64.b64encode(b"site = 'gcp'").decode()}}
    servers.says(f"https://secretmanager.googleapis.com/v1/{SECRET}/versions/latest:access", payload, authorization="Bearer ya29")
    return servers
