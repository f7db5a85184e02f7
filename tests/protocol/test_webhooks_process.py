"""The dispatcher and the lab's merchants as processes of their own: they start, answer, and end when told to."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from lab.processes import launch_module
from lab.receiver_settings import dispatcher_settings, new_secret, receiver_settings, secrets_file
from lab.workspace import Workspace
from tests.protocol.payments_site import eventually
from workload.webhooks.__main__ import main

ENVIRONMENT = {"PAYMENTS_WEBHOOKS_PASSWORD": "for-tests-only"}


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """Where processes of a test live."""
    with Workspace(f"webhooks-process-{os.getpid()}") as made:
        yield made


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Whoever asks."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as made:
        yield made


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Does somebody answer there?"""
    try:
        async with http.get(url) as answer:
            return answer.status < 500
    except aiohttp.ClientConnectionError:
        return False


async def test_a_dispatcher_without_any_database_says_so_and_ends_when_told(
    workspace: Workspace, http: aiohttp.ClientSession
) -> None:
    """Every database out of reach is no reason to die; SIGTERM is, with status 0."""
    folder, port = workspace.directory("settings"), workspace.port()
    (folder / "secrets.toml").write_text(secrets_file({"shop": [new_secret()]}))
    settings = folder / "webhooks.toml"
    settings.write_text(dispatcher_settings("aws", listen=port, databases={"aws": 1}, secrets=folder / "secrets.toml"))
    process = launch_module(workspace, "webhooks", "workload.webhooks", "--settings", settings, environment=ENVIRONMENT)
    try:
        await eventually(lambda: answers(http, f"http://127.0.0.1:{port}/healthz"))
        async with http.get(f"http://127.0.0.1:{port}/status") as answer:
            status = await answer.json()
        assert (status["writer"], status["active"], status["failing"]) == (None, False, {})
        async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert "webhooks_active 0.0" in await answer.text()
    finally:
        await process.stop()
    assert process.exit_status == 0, process.tail()


def test_settings_that_cannot_be_used_end_it_with_what_to_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, one line per problem, and no secret in any of them."""
    settings = tmp_path / "webhooks.toml"
    settings.write_text(dispatcher_settings("aws", listen=8080, databases={"aws": 1}, secrets=tmp_path / "secrets.toml"))
    assert main(["--settings", str(settings)], {}) == 2
    assert "PAYMENTS_WEBHOOKS_PASSWORD" in capsys.readouterr().err
    (tmp_path / "secrets.toml").write_text('shop = ["whsec_short"]')
    assert main(["--settings", str(settings)], ENVIRONMENT) == 2
    said = capsys.readouterr().err
    assert "shop: expected whsec_" in said and "whsec_short" not in said


async def test_the_labs_merchants_run_by_themselves(workspace: Workspace, http: aiohttp.ClientSession) -> None:
    """What is not signed is refused and written down; faults are changed while they run."""
    folder, port = workspace.directory("settings"), workspace.port()
    record, settings = folder / "record", folder / "receiver.json"
    settings.write_text(receiver_settings(port, record, {"shop": [new_secret()]}))
    process = launch_module(workspace, "receiver", "lab.receiver", "--settings", settings)
    url = f"http://127.0.0.1:{port}"
    try:
        await eventually(lambda: answers(http, url))
        async with http.post(f"{url}/merchants/shop", data=b"{}") as answer:
            assert answer.status == 401
        async with http.put(f"{url}/faults/shop", data=json.dumps({"mood": "down"})) as answer:
            assert answer.status == 204
        async with http.post(f"{url}/merchants/shop", data=b"{}") as answer:
            assert answer.status == 503
        async with http.post(f"{url}/merchants/nobody", data=b"{}") as answer:
            assert answer.status == 404
    finally:
        await process.stop()
    assert process.exit_status == 0, process.tail()
    assert [json.loads(line)["kind"] for line in record.read_text().splitlines()] == ["rejected", "turned-away"]
