"""AWS Signature Version 4 for questions in JSON, and for forms. Source: AWS, "Create a signed AWS API request"."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

KIND = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
"""Of services that are as old as STS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of the machine's role, for some hours."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    until: datetime | None = None
    """When they end; None: that was not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which service."""

    service: str
    region: str
    host: str
    body: bytes
    target: str = ""
    """Operation, as `X-Amz-Target` names it. Empty: `body` is a form, which names it itself."""


def signed(asked: Question, by: Credentials, now: datetime) -> Mapping[str, str]:
    """The headers to send it with; `now` in UTC."""
    moment, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    headers = {
        "content-type": KIND if asked.target else FORM,
        "host": asked.host,
        "x-amz-date": moment,
        "x-amz-security-token": by.token,
        **({"x-amz-target": asked.target} if asked.target else {}),
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join(("POST", "/", "", lines, names, hashlib.sha256(asked.body).hexdigest()))
    scope = f"{day}/{asked.region}/{asked.service}/aws4_request"
    told = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{by.secret}".encode()
    for part in (day, asked.region, asked.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, told.encode(), "sha256").hex()
    proof = f"AWS4-HMAC-SHA256 Credential={by.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": proof}
