"""How this process talks to AWS: clients whose waits are bounded and that make one attempt."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from controller.errors import Denied
from controller.providers.calls import Calls, refuse_late
from controller.providers.proof import is_on_this_machine

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

REGION = "us-east-1"
"""Route 53 is one global service; its control plane lives in, and requests are signed for, this region."""
CONNECT, READ = timedelta(seconds=1), timedelta(seconds=2)

Session = Callable[[], boto3.session.Session]
"""Whose credentials a client uses: `identity.static`, `identity.federated`, or boto3's own chain (environment, profile, role)."""


def bounded(connect: timedelta = CONNECT, read: timedelta = READ) -> Config:
    """botocore makes one attempt only: it would retry past any deadline of ours."""
    return Config(
        connect_timeout=connect.total_seconds(),
        read_timeout=read.total_seconds(),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=Calls.LIMIT,
    )


def route53_client(
    *,
    endpoint_url: str | None,
    session: Session = boto3.session.Session,
    connect: timedelta = CONNECT,
    read: timedelta = READ,
) -> "Route53Client":
    """A client; None: AWS's public endpoint. May ask an instance's metadata service for credentials, so it is made inside the first
    call's deadline, not when the process starts. Raises Denied for keys that do not expire."""
    opened = _opened(session, endpoint_url)
    return opened.client("route53", region_name=REGION, endpoint_url=endpoint_url, config=bounded(connect, read))


def client(service: str, *, region: str, endpoint_url: str | None, session: Session = boto3.session.Session) -> Any:
    """A client of a regional service: `ecs`, `rds`, `cloudwatch`. See `route53_client`."""
    opened = _opened(session, endpoint_url)
    return opened.client(service, region_name=region, endpoint_url=endpoint_url, config=bounded())  # type: ignore[call-overload]


def _opened(session: Session, endpoint_url: str | None) -> boto3.session.Session:
    """A session that sends nothing late, unless it would show AWS a user's own keys: boto3's chain takes those of the environment and of
    files first."""
    opened = session()
    opened.events.register("before-send", refuse_late, unique_id="refuse-late")
    if is_on_this_machine(endpoint_url):
        return opened
    found = opened.get_credentials()
    if type(found) is Credentials and found.token is None:  # not of its kinds that are fetched anew
        raise Denied(f"keys that do not expire, from {found.method}, are not used: have a role, or federate")
    return opened
