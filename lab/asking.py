"""One request to a service of a running lab, as one of its clients: its certificate, its token, the edge of a site."""

import json
from asyncio import timeout
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from lab.cabling import SITES
from lab.faults import UnknownTargetError
from lab.fleet import PAYMENTS, VAULT
from lab.laboratory import Laboratory
from lab.load_payer import NoReplyError, Route
from lab.load_settings import EntranceSettings
from lab.load_transport import Request, transport
from lab.offering import entrance
from lab.papers import SCOPES
from lab.site_settings import HOSTS, WRITER

PATIENCE = 10.0
"""Seconds for token and answer together; the token takes most of them when the issuer is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be asked, by whom and where."""

    client: str
    method: str
    path: str
    service: str = PAYMENTS
    site: str = WRITER
    key: str = ""
    """Idempotency-Key; empty: a new one for what is not only read."""
    body: Any = None
    """Sent as JSON; None: no body."""

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> "Wish":
        """From plain values. Raises UnknownTargetError for what there is not, KeyError and TypeError for what is no wish."""
        wish = cls(**asked)
        known = {"client": tuple(SCOPES), "service": (PAYMENTS, VAULT), "site": SITES}
        for name, choice in known.items():
            if getattr(wish, name) not in choice:
                raise UnknownTargetError(f"there is no {name} {getattr(wish, name)!r}; there are {', '.join(choice)}")
        if not wish.path.startswith("/"):
            raise UnknownTargetError(f"a path begins with a slash: {wish.path!r}")
        return wish


async def ask(lab: Laboratory, wish: Wish) -> Mapping[str, object]:
    """The answer as plain values; without one `status` is None and `why` says why."""
    host, *_ = HOSTS[wish.service]
    headers = {} if wish.method == "GET" else {"Idempotency-Key": wish.key or str(uuid4())}
    if wish.body is not None:
        headers["Content-Type"] = "application/json"
    content = b"" if wish.body is None else json.dumps(wish.body).encode()
    request = Request(method=wish.method, path=wish.path, host=host, client=0, body=content, headers=headers)
    found = next(route for route in lab.routes().values() if route["site"] == wish.site)
    route = Route(site=wish.site, host=str(found["host"]), port=int(str(found["port"])))
    way_in = EntranceSettings.model_validate(entrance(lab, (wish.client,)))
    try:
        async with timeout(PATIENCE), transport(way_in, SITES) as carrier:
            reply = await carrier.carry(route, request)
    except NoReplyError as error:
        return {"status": None, "why": str(error)}
    except TimeoutError as error:
        return {"status": None, "why": str(error) or f"no answer within {PATIENCE:g} s"}
    return {"status": reply.status, "served_by": reply.served_by, "body": _read(reply.body), **headers}


def _read(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
