"""How this process talks to AWS: clients whose waits are bounded."""

from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from controller.providers.calls import Calls

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

REGION = "us-east-1"
"""Route 53 is one global service; its control plane lives in, and requests are signed for, this region."""


def route53_client(
    *, endpoint_url: str | None, connect: timedelta = timedelta(seconds=1), read: timedelta = timedelta(seconds=2)
) -> "Route53Client":
    """A client with AWS's own chain of credentials (environment, profile, instance role); None: AWS's public endpoint.

    botocore makes one attempt only: it would retry past any deadline of ours. May ask an instance's metadata service, so it is
    made inside the first call's deadline, not when the process starts.
    """
    config = Config(
        connect_timeout=connect.total_seconds(),
        read_timeout=read.total_seconds(),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=Calls.LIMIT,
    )
    return boto3.session.Session().client("route53", region_name=REGION, endpoint_url=endpoint_url, config=config)
