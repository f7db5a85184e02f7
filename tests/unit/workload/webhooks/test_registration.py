"""Registering tries until it is durable, and says what it does not know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from lab.receiver_settings import dispatcher_settings, new_secret, secrets_file
from workload.durable.answers import Answers
from workload.durable.errors import NoWriter, OutcomeUnknown, Rejected, Unanswered
from workload.durable.evidence import Reign
from workload.webhooks.registration import Endpoint, Exit, Unkept, main, register

ENDPOINT = Endpoint(account=UUID(int=1), url="https://shop.test/", secret="shop", is_enabled=True)
REIGN = Reign(site="aws", epoch=2, system_identifier=1, timeline=1)
AWAY, LOST = NoWriter("no site is known to be the writer"), OutcomeUnknown("the barrier stayed closed")


class Database:
    """Answers as told, and then keeps the order; a clock that each question moves on by a second."""

    def __init__(self, *troubles: Unanswered) -> None:
        self.troubles = list(troubles)
        self.asked = 0
        self.now = 0.0

    async def give(self, ask: Any) -> tuple[Reign, Sequence[object]]:
        self.asked, self.now = self.asked + 1, self.now + 1
        if self.troubles:
            raise self.troubles.pop(0)
        return REIGN, ()

    async def rest(self, seconds: float) -> None:
        self.now += seconds


async def ask(database: Database, within: float = 10) -> Reign:
    """One order."""
    answers = cast(Answers, database)
    limit = timedelta(seconds=within)
    return await register(answers, ENDPOINT, within=limit, monotonic=lambda: database.now, rest=database.rest)


@pytest.mark.asyncio
async def test_it_is_tried_until_it_is_durable() -> None:
    """During a failover nobody writes, and an answer may be lost: the same order twice is one."""
    database = Database(AWAY, LOST, AWAY)
    assert await ask(database) == REIGN
    assert database.asked == 4


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("troubles", "status"),
    [((AWAY,) * 9, Exit.NOBODY), ((AWAY, LOST, *(AWAY,) * 9), Exit.UNKNOWN), ((LOST,) * 9, Exit.UNKNOWN)],
    ids=["nobody", "one attempt may have been", "unknown"],
)
async def test_when_its_time_is_over_it_says_what_may_have_happened(troubles: tuple[Unanswered, ...], status: Exit) -> None:
    """One attempt whose end nobody knows is enough: it may be kept all the same."""
    with pytest.raises(Unkept) as unkept:
        await ask(Database(*troubles), within=5)
    assert unkept.value.status is status


@pytest.mark.asyncio
@pytest.mark.parametrize(("before", "status"), [((), Exit.REFUSED), ((LOST,), Exit.UNKNOWN)])
async def test_what_the_database_refuses_is_not_tried_again(before: tuple[Unanswered, ...], status: Exit) -> None:
    """At once."""
    database = Database(*before, Rejected("23514"))
    with pytest.raises(Unkept) as unkept:
        await ask(database, within=1000)
    assert (unkept.value.status, database.asked) == (status, len(before) + 1)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A dispatcher's, whose only database is nowhere."""
    (tmp_path / "secrets.toml").write_text(secrets_file({"shop": [new_secret()]}))
    file = tmp_path / "webhooks.toml"
    text = dispatcher_settings("aws", listen=1, databases={"aws": 1}, secrets=tmp_path / "secrets.toml")
    file.write_text(text.replace("plain_http = true\n", ""))
    return file


PASSWORD = {"TRIMARAN_PAYMENTS_CONTROL_PASSWORD": "for-tests-only"}


@pytest.mark.parametrize(
    ("changed", "environ", "said"),
    [
        ({"url": "http://shop.test/"}, PASSWORD, "--url: the scheme is http, and must be https"),
        ({"url": "https://u:p@shop.test/"}, PASSWORD, "--url: the URL must not carry a user or a password"),
        ({"secret": "sohp"}, PASSWORD, "--secret: there is no secret sohp"),
        ({}, {}, "TRIMARAN_PAYMENTS_CONTROL_PASSWORD"),
    ],
)
def test_what_could_not_work_is_said_before_anybody_is_asked(
    settings: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], environ: dict[str, str], said: str
) -> None:
    """Status 2 and one line; a merchant with a name that nobody can sign for would wait for ever."""
    order = replace(ENDPOINT, **changed)  # type: ignore[arg-type]
    given = ["--settings", str(settings), "--account", str(order.account), "--url", order.url, "--secret", order.secret]
    assert main(given, environ) is Exit.USAGE
    assert said in capsys.readouterr().err


def test_without_a_writer_nothing_is_changed_and_that_is_said(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 4, after the time that was given."""
    given = ["--settings", str(settings), "--account", str(ENDPOINT.account), "--url", ENDPOINT.url, "--secret", "shop"]
    assert main([*given, "--timeout", "0.1"], PASSWORD) is Exit.NOBODY
    assert "nothing was changed, try again: no site is known" in capsys.readouterr().err
