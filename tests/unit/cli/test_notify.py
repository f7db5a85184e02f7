"""`trimaran notify` tells who hears us and who does not, and nothing of where they are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli.exits import Exit
from tests.contract.channel_worlds import KEY, PATH, Served, answers, listening
from tests.unit.cli.conftest import Trimaran
from tests.unit.test_settings import ENVIRON, document, spelled
from tests.unit.test_settings_notify import SECRET


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Settings with three channels, all at this address."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)

    def write(base: str) -> str:
        for name, text in (("url", base + PATH), ("secret", SECRET), ("key", KEY)):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        channels = [
            {"name": "ops", "kind": "webhook", "url_file": "url", "secret_file": "secret"},
            {"name": "oncall", "kind": "pagerduty", "url_file": "url", "secret_file": "key"},
            {"name": "chat", "kind": "slack", "url_file": "url"},
        ]
        path = tmp_path / "aws.toml"
        given = {**document(), "notify": channels}
        path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
        return str(path)

    return write


async def test_everybody_is_sent_a_drill_that_is_over_at_once(trimaran: Trimaran, written: Callable[[str], str]) -> None:
    """Two messages each, of one incident; PagerDuty's alert is resolved."""
    served = Served()
    async with listening(served, None) as base:
        said = await trimaran("notify", "--settings", written(base))
    assert said.status == Exit.DONE and said.out.splitlines() == ["ops: accepted", "oncall: accepted", "chat: accepted"]
    bodies = [json.loads(body) for _, body in served.came]
    assert [one["event_action"] for one in bodies if "event_action" in one] == ["trigger", "resolve"]
    assert len(bodies) == 6 and all("[DRILL]" in json.dumps(one) for one in bodies)


async def test_who_does_not_hear_us_is_named_and_their_address_is_not(trimaran: Trimaran, written: Callable[[str], str]) -> None:
    """One refuses, for machines too; nobody is asked who was not named."""
    served = Served(next=[answers(404)])
    async with listening(served, None) as base:
        said = await trimaran("notify", "--settings", written(base), "--channel", "chat", "--json")
    assert said.status == Exit.UNFIT and json.loads(said.out)["because"] == {"chat": "answered 404"}
    assert served.attempts == 1 and "swordfish" not in said.out + said.err


async def test_a_channel_that_is_not_there_is_refused(trimaran: Trimaran, written: Callable[[str], str]) -> None:
    """Nothing is sent."""
    said = await trimaran("notify", "--settings", written("http://127.0.0.1:9"), "--channel", "pager")
    assert said.status == Exit.USAGE and "one of the settings' channels: ops, oncall, chat" in said.err
