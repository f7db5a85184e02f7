"""`trimaran schema` and `trimaran erase`: what cannot be used is told, and an exit status is what became of the order."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from controller.cli.exits import Exit
from tests.unit.cli.conftest import Trimaran

pytestmark = pytest.mark.asyncio

SUBJECT = "0b9d6a44-53f9-4c1f-9d5e-0f6f5b1a7c11"
ORDER = ("--subject", SUBJECT, "--reason", "request of the subject", "--by", "kim")
REFUSAL = {"type": "urn:trimaran:problem:forbidden", "detail": "no scope"}


@asynccontextmanager
async def services(*answers: tuple[int, dict[str, str]]) -> AsyncIterator[list[str]]:
    """Options that name one service for each answer."""
    runners: list[web.AppRunner] = []
    options: list[str] = []
    try:
        for number, (status, document) in enumerate(answers):

            async def forget(_: web.Request, status: int = status, document: dict[str, str] = document) -> web.Response:
                return web.json_response(document, status=status)

            app = web.Application()
            app.router.add_delete("/v1/subjects/{subject}", forget)
            runner = web.AppRunner(app)
            runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            options += ["--at", f"service{number}=http://127.0.0.1:{runner.addresses[0][1]}"]
        yield options
    finally:
        for runner in runners:
            await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> str:
    """An operator's token."""
    path = tmp_path / "token"
    path.write_text("t0ken\n")
    return str(path)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (((200, {"proof": "a"}), (200, {"proof": "b"})), Exit.DONE),
        (((200, {"proof": "a"}), (404, {"type": "urn:trimaran:problem:unknown-subject"})), Exit.DONE),
        (((200, {"proof": "a"}), (403, REFUSAL)), Exit.REFUSED),
        (((403, REFUSAL), (503, {"detail": "outcome unknown"})), Exit.UNKNOWN),
    ],
    ids=["all", "nothing there", "not allowed", "not all answered"],
)
async def test_an_erasure_ends_as_the_services_answered(
    trimaran: Trimaran, token: str, answers: tuple[tuple[int, dict[str, str]], ...], status: Exit
) -> None:
    """Done is done everywhere; as long as one has not answered, the order is to be given again."""
    async with services(*answers) as options:
        said = await trimaran("erase", *ORDER, "--token-file", token, *options, "--json")
    assert said.status == status
    told = json.loads(said.out)
    assert told["subject"] == SUBJECT and len(told["answers"]) == len(answers)


@pytest.mark.parametrize(
    "changed",
    [
        {"--subject": "Kim Example"},
        {"--reason": "card 4111111111111111"},
        {"--token-file": "nowhere"},
        {"--at": "vault"},
        {"--authority": "nowhere"},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_an_order_that_cannot_be_used_is_given_to_nobody(trimaran: Trimaran, token: str, changed: dict[str, str]) -> None:
    """And what was wrong with it is told, without the number that it held."""
    options = {"--subject": SUBJECT, "--reason": "request", "--token-file": token, "--at": "vault=http://127.0.0.1:1", **changed}
    said = await trimaran("erase", *(part for option in options.items() for part in option))
    assert said.status == Exit.USAGE
    assert said.err and "4111111111111111" not in said.err + said.out


async def test_settings_that_cannot_be_used_are_told(trimaran: Trimaran, tmp_path: Path) -> None:
    """Before anybody is asked anything."""
    for command in ("plan", "apply", "status", "labels", "retain"):
        said = await trimaran("schema", command, "--service", "payments", "--settings", str(tmp_path / "nothing.toml"))
        assert said.status == Exit.USAGE, command
        assert "nothing.toml" in said.err
