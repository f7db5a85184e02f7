"""`trimaran erase`: an exit status is what became of the order, and nothing but an answer of every service is done."""

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
ERASED = (200, {"proof": "a"})
UNKNOWN = (404, {"type": "urn:trimaran:problem:unknown-subject"})
FORBIDDEN = (403, {"type": "urn:trimaran:problem:forbidden", "detail": "no scope"})
UNDER_WAY = (503, {"type": "urn:trimaran:problem:erasure-under-way", "detail": "some is left"})
SILENT = (503, {"detail": "outcome unknown"})
NOWHERE = "http://127.0.0.1:1"

Answer = tuple[int, dict[str, str]]


@asynccontextmanager
async def services(**answers: Answer) -> AsyncIterator[list[str]]:
    """Options that name one service for each answer."""
    runners: list[web.AppRunner] = []
    options: list[str] = []
    try:
        for name, (status, document) in answers.items():

            async def forget(_: web.Request, status: int = status, document: dict[str, str] = document) -> web.Response:
                return web.json_response(document, status=status)

            app = web.Application()
            app.router.add_delete("/v1/subjects/{subject}", forget)
            runner = web.AppRunner(app)
            runners.append(runner)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            options += ["--at", f"{name}=http://127.0.0.1:{runner.addresses[0][1]}"]
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
    ("vault", "payments", "status", "said"),
    [
        (ERASED, ERASED, Exit.DONE, ""),
        (ERASED, UNKNOWN, Exit.DONE, ""),
        (UNKNOWN, ERASED, Exit.DONE, ""),
        (UNKNOWN, UNKNOWN, Exit.NOTHING, "is its id right"),
        (ERASED, FORBIDDEN, Exit.REFUSED, "not complete: payments refused"),
        (ERASED, SILENT, Exit.UNKNOWN, "not complete: payments has not answered"),
        (ERASED, UNDER_WAY, Exit.UNKNOWN, "not complete: payments has not finished"),
        (FORBIDDEN, UNDER_WAY, Exit.UNKNOWN, "payments has not finished, vault refused"),
        (FORBIDDEN, SILENT, Exit.UNKNOWN, "payments has not answered, vault refused"),
    ],
    ids=[
        "all",
        "nothing there",
        "never tokenized",
        "mistyped",
        "not allowed",
        "half",
        "under way",
        "under way and not allowed",
        "neither",
    ],
)
async def test_an_erasure_ends_as_the_services_answered(
    trimaran: Trimaran, token: str, vault: Answer, payments: Answer, status: Exit, said: str
) -> None:
    """Done is done everywhere; as long as one has not answered, the order is to be given again, and whoever mistyped is told."""
    soon = ("--timeout", "0.5") if 503 in (vault[0], payments[0]) else ()
    async with services(vault=vault, payments=payments) as options:
        told = await trimaran("erase", *ORDER, "--token-file", token, *options, *soon, "--json")
    assert told.status == status
    assert said in told.err and bool(said) == bool(told.err.strip())
    document = json.loads(told.out)
    assert (document["subject"], document["complete"]) == (SUBJECT, status is Exit.DONE)
    assert [answer["service"] for answer in document["answers"]] == ["vault", "payments"]


async def test_an_erasure_of_one_service_alone_is_asked_for_by_name_and_never_done(trimaran: Trimaran, token: str) -> None:
    """A token that payments knows pays on, whatever the vault erased: an operator who forgets payments is told before anything is
    erased, and one who leaves it out is told that it is left."""
    async with services(vault=ERASED) as options:
        refused = await trimaran("erase", *ORDER, "--token-file", token, *options)
        partial = await trimaran("erase", *ORDER, "--token-file", token, *options, "--without", "payments")
    assert (refused.status, refused.out) == (Exit.USAGE, "") and "--without payments" in refused.err
    assert (partial.status, partial.out) == (Exit.UNKNOWN, "vault: erased a\n")
    assert "not complete: payments was not asked" in partial.err


@pytest.mark.parametrize(
    "changed",
    [
        {"--subject": "Kim Example"},
        {"--reason": "card 4111111111111111"},
        {"--token-file": "nowhere"},
        {"--at": "vault"},
        {"--at": "vault=http://vault.example"},
        {"--at": "vault=http://localhost:1"},
        {"--at": "vault=vault.example"},
        {"--without": "webhooks"},
        {"--without": "vault"},
        {"--authority": "nowhere"},
    ],
    ids=lambda changed: " ".join(next(iter(changed.items()))),
)
async def test_an_order_that_cannot_be_used_is_given_to_nobody(trimaran: Trimaran, token: str, changed: dict[str, str]) -> None:
    """And what was wrong with it is told, without the number that it held; a token is sent in the open to nobody but this machine."""
    options = {"--subject": SUBJECT, "--reason": "request", "--token-file": token, "--at": f"vault={NOWHERE}", **changed}
    said = await trimaran("erase", *(part for option in options.items() for part in option), "--at", f"payments={NOWHERE}")
    assert (said.status, said.out) == (Exit.USAGE, "")
    assert said.err and "4111111111111111" not in said.err + said.out


async def test_nothing_is_said_of_a_journal(trimaran: Trimaran) -> None:
    """The controllers' journal has nothing of an erasure: reason and name are in the services' own proofs."""
    assert "journal" not in (await trimaran("erase", "--help")).out
