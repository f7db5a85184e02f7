"""The vault and the dispatcher as processes with TLS, tokens and traces on, without any database: who is heard, and by whom not."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
import pytest_asyncio

from lab.processes import Supervised, launch_module
from lab.receiver_settings import new_secret, secrets_file
from lab.workspace import Workspace
from tests.protocol.layers_world import EDGE, LOCAL, SITE, Fleet, ask_port, fleets, kind
from tests.protocol.payments_site import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PAYMENTS, WEBHOOKS = "trimaran://service/payments", "trimaran://service/webhooks"
KEYS = """
[keys]
minimum_wraps = 1
[key_services.aws]
key = "alias/vault"
region = "us-east-1"
endpoint = "http://127.0.0.1:1"
identity = "static"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workspace() -> AsyncIterator[Workspace]:
    """Where processes live."""
    with Workspace(f"services-layers-{os.getpid()}") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(workspace: Workspace) -> AsyncIterator[Fleet]:
    """Everybody else."""
    async with fleets(workspace) as fleet:
        yield fleet


@asynccontextmanager
async def running(
    workspace: Workspace, fleet: Fleet, module: str, head: str, rest: str, password: str
) -> AsyncIterator[tuple[int, Supervised]]:
    """A process that knows a database which is not there; its port."""
    port = workspace.port()
    lines = [head, f'site = "{SITE}"', "[listen]", f'host = "{LOCAL}"', f"port = {port}"]
    lines += [f"[databases.{SITE}]", f'host = "{LOCAL}"', "port = 1", rest]
    file = workspace.directory("settings") / f"{module}-{port}.toml"
    file.write_text("\n".join(lines) + "\n")
    process = launch_module(
        workspace, f"{module}-{port}", f"workload.{module}", "--settings", file, environment={password: "for-tests-only"}
    )

    async def is_up() -> bool:
        assert process.alive, process.tail()
        return (await ask_port(fleet, port, "/healthz"))[0] == 200

    try:
        await eventually(is_up)
        yield port, process
    finally:
        await process.stop()
    assert process.exit_status == 0, process.tail()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vault(workspace: Workspace, fleet: Fleet) -> AsyncIterator[tuple[int, Supervised]]:
    """The vault."""
    rest = fleet.tables("vault", telemetry=fleet.telemetry(), limits='client_header = "client-cert-thumbprint"') + KEYS
    async with running(workspace, fleet, "vault", 'service = "vault"', rest, "VAULT_APP_PASSWORD") as found:
        yield found


async def test_the_vault_answers_services_by_their_certificate_and_only_what_they_may(
    fleet: Fleet, vault: tuple[int, Supervised]
) -> None:
    """Payments may ask whose a token is (503: there is no database here), and neither look at its digits nor open it; other services may
    nothing."""
    path = f"/v1/tokens/{uuid4()}"
    for name, method, target, expected in (
        (PAYMENTS, "GET", f"{path}/subject", (503, "no-writer")),
        (PAYMENTS, "GET", path, (403, "missing-scope")),
        (PAYMENTS, "POST", f"{path}/reveal", (403, "missing-scope")),
        (PAYMENTS, "DELETE", f"/v1/subjects/{uuid4()}", (403, "missing-scope")),
        (WEBHOOKS, "GET", path, (401, "no-token")),
        (EDGE, "GET", path, (401, "no-token")),
    ):
        status, body = await ask_port(fleet, vault[0], target, method, name, {"reason": "dispute"})
        assert (status, kind(body)) == expected, (name, method, target)


async def test_a_token_for_payments_opens_nothing_in_the_vault(fleet: Fleet, vault: tuple[int, Supervised]) -> None:
    """The merchant's own, over its own certificate: meant for another service."""
    shown = {name.replace("-", "_"): value for name, value in fleet.shown("merchant").items()}
    status, body = await ask_port(fleet, vault[0], f"/v1/tokens/{uuid4()}", **shown)
    assert (status, kind(body)) == (401, "wrong-audience")


async def test_a_number_in_a_path_is_seen_by_no_layer(fleet: Fleet, vault: tuple[int, Supervised]) -> None:
    """404 before whatever counts, follows or logs addresses, also for whoever has no token."""
    status, body = await ask_port(fleet, vault[0], "/v1/tokens/4111111111111111")
    assert (status, body["instance"]) == (404, "/")
    assert "4111111111111111" not in vault[1].log.read_text() + fleet.spans.read_text()


async def test_the_dispatcher_names_merchants_in_trouble_to_whoever_may_know(workspace: Workspace, fleet: Fleet) -> None:
    """Metrics and health for everybody of the fleet; `/status` needs a scope."""
    secrets = workspace.directory("settings") / "secrets.toml"
    secrets.write_text(secrets_file({"shop": [new_secret()]}))
    head = f'service = "payments"\nsecrets = "{secrets}"'
    rest = fleet.tables("webhooks", telemetry=fleet.telemetry())
    rest = rest.replace('"screening:score", "vault:subject"', '"webhooks:read"')
    async with running(workspace, fleet, "webhooks", head, rest, "PAYMENTS_WEBHOOKS_PASSWORD") as (port, _):
        assert (await ask_port(fleet, port, "/metrics"))[0] == 200
        status, body = await ask_port(fleet, port, "/status")
        assert (status, kind(body)) == (401, "no-token")
        assert (await ask_port(fleet, port, "/status", name=PAYMENTS))[0] == 200
