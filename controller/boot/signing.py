"""AWS Signature Version 4 for questions in JSON. Source: AWS, "Create a signed AWS API request"."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

KIND = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of the machine's role, for some hours."""

    key: str
    secret: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of which service."""

    service: str
    region: str
    host: str
    target: str
    """Operation, as `X-Amz-Target` names it."""
    body: bytes


def signed(asked: Question, by: Credentials, now: datetime) -> Mapping[str, str]:
    """The headers to send it with; `now` in UTC."""
    moment, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    headers = {
        "content-type": KIND,
        "host": asked.host,
        "x-amz-date": moment,
        "x-amz-security-token": by.token,
        "x-amz-target": asked.target,
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
