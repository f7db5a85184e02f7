"""Who this process is to Google: a machine of its own, a workload of another cloud, known by that cloud's word, or nobody but a lab.

No key files: what is held is a token of minutes, bought for a proof of identity of minutes. Source: google-auth, `google.auth.aws` and
`google.auth.identity_pool` (external accounts); Google Cloud documentation, "Workload identity federation" (audience and subject token
types); RFC 8693 for the exchange.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import google.auth.aws
import google.auth.compute_engine
import google.auth.credentials
import google.auth.identity_pool
from google.auth.exceptions import RefreshError

from controller.errors import Denied
from controller.providers.keeping import Keeping
from controller.providers.proof import is_on_this_machine, refuse_to_show_elsewhere

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""What the token may do is decided by the service account's roles."""
AWS_SUBJECT = "urn:ietf:params:aws:token-type:aws4_request"
JWT_SUBJECT = "urn:ietf:params:oauth:token-type:jwt"
AWS_METADATA = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
}
"""Where a virtual machine at AWS learns its role's short-lived keys (google-auth, `google.auth.aws`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Which pool at Google believes the other cloud, and whom it lets this process be."""

    project_number: str
    pool: str
    provider: str
    service_account: str
    """Email."""

    @property
    def audience(self) -> str:
        """Name of the provider, as Google's token service wants it."""
        return (
            f"//iam.googleapis.com/projects/{self.project_number}/locations/global"
            f"/workloadIdentityPools/{self.pool}/providers/{self.provider}"
        )

    @property
    def impersonation_url(self) -> str:
        """Where the federated token becomes one of the service account."""
        return f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{self.service_account}:generateAccessToken"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """Short-lived keys of an AWS role."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    region: str
    """Whose token service Google is to ask about them."""


class StaticCredentials(google.auth.credentials.Credentials):
    """A fixed token that means nothing to anybody but a lab; never sent anywhere but to this machine."""

    def __init__(self, token: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = token

    def before_request(self, _request: object, _method: str, url: str, headers: MutableMapping[str, str]) -> None:
        """Add the token. Raises Denied, before anything is sent, for an address beyond this machine."""
        if not is_on_this_machine(url):
            raise Denied(f"a lab's token is not sent to {urlsplit(url).hostname}: use federated identity outside a lab")
        headers["authorization"] = f"Bearer {self.token}"

    def refresh(self, _request: object) -> None:
        """Raises RefreshError: there is no other token."""
        raise RefreshError("the lab's token was refused, and there is no other")  # type: ignore[no-untyped-call]


def static(*, token: str, endpoint_url: str | None) -> StaticCredentials:
    """A lab's token, for an endpoint on this machine only. Raises Refused for any other: such a token does not expire."""
    way_out = "Configure a workload identity pool that believes this controller's own cloud."
    refuse_to_show_elsewhere("a static Google token", endpoint_url, way_out)
    return StaticCredentials(token)


def ambient() -> google.auth.credentials.Credentials:
    """Credentials of the service account of the machine this runs on, from its metadata service."""
    return google.auth.compute_engine.Credentials(scopes=list(SCOPES))  # type: ignore[no-untyped-call]


def from_oidc(federation: Federation, token: Callable[[], str]) -> google.auth.credentials.Credentials:
    """Credentials of a workload that shows a JWT of its own cloud: Azure's managed identity, or any OpenID provider.

    `token` fetches it anew each time one is needed, about once an hour, inside the call that needs it and its deadline.
    """

    class Supplier(google.auth.identity_pool.SubjectTokenSupplier):
        def get_subject_token(self, _context: object, _request: object) -> str:
            return token()

    return _scoped(google.auth.identity_pool.Credentials, federation, JWT_SUBJECT, subject_token_supplier=Supplier())


def from_aws(federation: Federation, keys: Callable[[], AwsKeys] | None = None) -> google.auth.credentials.Credentials:
    """Credentials of a workload at AWS, which signs a question to AWS about who it is and lets Google ask it.

    `keys`: of the role, as its SDK knows it, anew each time; None: from the virtual machine's metadata service.
    """
    if keys is None:
        return _scoped(google.auth.aws.Credentials, federation, AWS_SUBJECT, credential_source=AWS_METADATA)
    fetch = keys

    class Supplier(google.auth.aws.AwsSecurityCredentialsSupplier):
        def get_aws_security_credentials(self, _context: object, _request: object) -> google.auth.aws.AwsSecurityCredentials:
            now = fetch()
            return google.auth.aws.AwsSecurityCredentials(now.access_key_id, now.secret_access_key, now.session_token)

        def get_aws_region(self, _context: object, _request: object) -> str:
            return fetch().region

    return _scoped(google.auth.aws.Credentials, federation, AWS_SUBJECT, aws_security_credentials_supplier=Supplier())


class Lasting:
    """Goes before one of google-auth's kinds: its token is used to its end when Google does not give a new one."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self._keeping = Keeping()

    def refresh(self, request: object) -> None:
        """What google-auth calls when a token is due. Raises what it raises when the old one is no longer good."""
        kind: Any = super()
        ends: datetime | None = getattr(self, "expiry", None)
        self._keeping.renew(lambda: kind.refresh(request), None if ends is None else ends.replace(tzinfo=UTC))


def _scoped(kind: type, federation: Federation, token_type: str, **source: object) -> google.auth.credentials.Credentials:
    made: google.auth.credentials.Credentials = type(kind.__name__, (Lasting, kind), {})(
        audience=federation.audience,
        subject_token_type=token_type,
        service_account_impersonation_url=federation.impersonation_url,
        scopes=list(SCOPES),
        **source,
    )
    return made
