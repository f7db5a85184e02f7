"""A service with its real door, and schemathesis in a process of its own that asks it whatever its published document allows, and more."""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.contract.access_worlds import served
from workload.access.shelf import FileShelf

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "openapi"
LOCAL = "127.0.0.1"
ISSUER = "https://issuer.example"
PHASES = ("examples", "coverage", "fuzzing", "stateful")

LONGEST = timedelta(seconds=90)
"""Of one run. It is ended then, and has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whom the services believe: a key, and the file in which they find it. Its address leads to nobody."""

    folder: Path
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", parameters={"kid": "k1"}))

    def access(self, audience: str) -> dict[str, Any]:
        """`[access]` of a service. Unbound: without TLS there is no certificate to be bound to."""
        keys = self.folder / f"{audience}.keys"
        FileShelf(keys, time.time).save(json.dumps({"keys": [self.key.as_dict(private=False)]}).encode())
        nobody = "https://127.0.0.1:1/keys"
        return {"issuer": ISSUER, "audience": audience, "keys_url": nobody, "keys_file": str(keys), "unbound": True}

    def token(self, audience: str, scopes: frozenset[str]) -> str:
        """Good for ten minutes."""
        now = int(time.time())
        who = {"iss": ISSUER, "aud": audience, "sub": "fuzzer", "client_id": "fuzzer", "jti": "j1"}
        claims = {**who, "iat": now, "exp": now + 600, "scope": " ".join(sorted(scopes))}
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims, self.key, default_type=None)


Met = Counter[tuple[str, str, int]]
"""Method, route and status, and how often."""


class Seen:
    """ASGI middleware, outermost: counts what was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.met: Met = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def overheard(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = str(getattr(scope.get("route"), "path", "-"))
                self.met[scope["method"], route, message["status"]] += 1
            await send(message)

        await self._app(scope, receive, overheard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What schemathesis says at the end."""

    status: int
    said: str
    met: Met


def published(service: str) -> Any:
    """Its document, as clients get it."""
    return json.loads((PUBLISHED / f"{service}.json").read_text(encoding="utf-8"))


def known(document: Any, ids: Mapping[str, UUID]) -> Any:
    """The same document, its examples of path parameters replaced by ids that lead to something, by path."""
    for path, id in ids.items():
        for operation in document["paths"][path].values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["example"] = str(id)
    return document


def strict(document: Any) -> Any:
    """The same document for a fuzzer: nothing may be answered that it does not name, and the token is of a kind that can be left out.

    Clients are told that fields may be added; here an added field has to be documented. And of the ways to show who asks, schemathesis
    leaves out and spoils bearer tokens, but not those that it would have to fetch by OAuth.
    """
    schemas = document["components"]["schemas"]
    whole = {name for response in _responses(document) for name in _together(response)}
    for name, schema in schemas.items():
        if name not in whole and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    for response in _responses(document):
        for content in response.get("content", {}).values():
            if "allOf" in content["schema"]:
                content["schema"]["unevaluatedProperties"] = False
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["security"] = [{"token": []} for one in operation["security"] if "token" in one]
    return document


def _responses(document: Any) -> Iterator[Any]:
    yield from document["components"]["responses"].values()
    for methods in document["paths"].values():
        for operation in methods.values():
            yield from (response for response in operation["responses"].values() if "$ref" not in response)


def _together(response: Any) -> Iterator[str]:
    for content in response.get("content", {}).values():
        yield from (part["$ref"].rpartition("/")[2] for part in content["schema"].get("allOf", ()) if "$ref" in part)


async def fuzz(
    app: ASGIApp, document: Any, token: str, *, service: str, port: int, folder: Path, phases: Sequence[str] = PHASES
) -> Found:
    """Serve the application and ask it everything. `service` names the file that says how."""
    seen, file = Seen(app), folder / f"{service}.json"
    file.write_text(json.dumps(strict(document)), encoding="utf-8")
    shown = ["--header", f"Authorization: Bearer {token}", "--phases", ",".join(phases)]
    settings = ROOT / "tests" / "contract" / "openapi" / f"{service}.toml"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run", str(file)]
    options = ["--url", f"http://{LOCAL}:{port}", "--generation-deterministic", "--no-color", *shown]
    async with served(seen, port, None):
        status, said = await _run([*command, *options], folder)
    return Found(status=status, said=said, met=seen.met)


async def _run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Its exit status and output; one that takes too long is ended, and has failed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.contract.openapi_checks"}
    pipe, joined = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=pipe, stderr=joined)
    assert process.stdout is not None
    said = bytearray()
    try:
        async with asyncio.timeout(LONGEST.total_seconds()):
            while read := await process.stdout.read(65536):
                said += read
            return await process.wait(), said.decode()
    except TimeoutError:
        return -1, f"{said.decode()}\nended after {LONGEST.total_seconds():g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
