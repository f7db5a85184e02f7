"""`trimaran drill`: what cannot be meant is refused before anybody is asked, and an etcd that is silent is told."""

from pathlib import Path

import pytest

from controller.cli.exits import Exit
from tests.unit.cli.conftest import Trimaran
from tests.unit.cli.test_doctor import closed as closed
from tests.unit.test_settings import ENVIRON


@pytest.fixture
def settings(closed: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that can be read; nobody listens where its etcd should be."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return str(closed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["begin", "<!channel>", "--service", "payments"], "letters, digits"),
        (["begin", "d", "--service", "vault"], "one of the settings' services: payments"),
        (["begin", "d", "--service", "payments", "--for", "2 days"], "a duration such as"),
        (["begin", "d", "--service", "payments", "--for", "25h"], "at most 1 day"),
        (["end", "a\nb", "--service", "payments"], "letters, digits"),
    ],
)
async def test_what_cannot_be_meant_is_refused(changed: list[str], said: str, trimaran: Trimaran, settings: str) -> None:
    """With what was expected."""
    found = await trimaran("drill", *changed, "--reason", "r", "--settings", settings)
    assert found.status == Exit.USAGE and said in found.err


async def test_an_etcd_that_is_silent_is_told(trimaran: Trimaran, settings: str) -> None:
    """Nobody believes that a drill has begun."""
    words = ("drill", "begin", "d", "--service", "payments", "--reason", "r", "--settings", settings, "--timeout", "0.3")
    found = await trimaran(*words)
    assert found.status == Exit.UNKNOWN and "twice does no harm" in found.err and found.out == ""
