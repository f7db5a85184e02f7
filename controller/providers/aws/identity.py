"""Whose credentials this process shows to AWS: a role that another cloud's identity may assume. No long-lived keys.

Source: AWS STS API reference, AssumeRoleWithWebIdentity; IAM User Guide, "OIDC federation".
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials

from controller.providers.aws.errors import translated
from controller.providers.aws.session import Session, bounded
from controller.providers.keeping import Keeping
from controller.providers.proof import refuse_to_show_elsewhere

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

Token = Callable[[], str]
"""Another cloud's signed statement of who this process is, fresh at every call."""

LIFETIME = timedelta(hours=1)


def static(*, key: str, secret: str, endpoint_url: str | None) -> Session:
    """Keys as they are, for a lab on this machine only. Raises Refused for any other endpoint: such keys do not expire."""
    way_out = "Configure a role that this controller's own cloud identity may assume."
    refuse_to_show_elsewhere("static AWS keys", endpoint_url, way_out)
    return partial(boto3.session.Session, aws_access_key_id=key, aws_secret_access_key=secret)


def federated(
    *,
    role_arn: str,
    token: Token,
    session_name: str,
    region: str,
    endpoint_url: str | None = None,
    lifetime: timedelta = LIFETIME,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Session:
    """A session whose credentials are those of the role, fetched when first needed and again before they expire, and used to their end
    when STS does not give new ones.

    `token` is called and STS is asked inside a call's own deadline. `lifetime`: 15 minutes to 12 hours, as the role allows.
    """

    def ask() -> dict[str, str]:
        # Asked without a signature: who has no credentials yet cannot sign.
        unsigned = bounded().merge(Config(signature_version=UNSIGNED))
        sts = boto3.session.Session().client("sts", region_name=region, endpoint_url=endpoint_url, config=unsigned)
        return _assumed(sts, role_arn=role_arn, session_name=session_name, proof=token(), lifetime=lifetime)

    held: dict[str, str] = {}
    keeping = Keeping(now)

    def renewed() -> dict[str, str]:
        keeping.renew(lambda: held.update(ask()), datetime.fromisoformat(held["expiry_time"]) if held else None)
        return dict(held)

    credentials = DeferredRefreshableCredentials(refresh_using=renewed, method="assume-role-with-web-identity", time_fetcher=now)

    def session() -> boto3.session.Session:
        inner = botocore.session.get_session()
        inner.register_component("credential_provider", CredentialResolver([_Role(credentials)]))
        return boto3.session.Session(botocore_session=inner)

    return session


def _assumed(sts: "STSClient", *, role_arn: str, session_name: str, proof: str, lifetime: timedelta) -> dict[str, str]:
    """The role's credentials as botocore keeps them. Raises ProviderError."""
    with translated("AssumeRoleWithWebIdentity"):
        answer = sts.assume_role_with_web_identity(
            RoleArn=role_arn,
            RoleSessionName=session_name,
            WebIdentityToken=proof,
            DurationSeconds=int(lifetime.total_seconds()),
        )
        found = answer["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }


class _Role(CredentialProvider):
    """The only source of credentials of its session: no keys that lie about in the environment or in a file."""

    METHOD = "assume-role-with-web-identity"

    def __init__(self, credentials: DeferredRefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> DeferredRefreshableCredentials:
        """What botocore asks a provider for."""
        return self._credentials
