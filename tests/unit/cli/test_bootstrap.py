"""`trimaran bootstrap`: what is missing is told before anybody is dialled."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.settings import Settings
from tests.unit.test_settings import ENVIRON, document, read  # noqa: F401  read is a fixture


def ended(*arguments: str) -> int:
    """With these."""
    return app.run(["bootstrap", *arguments], ())


@pytest.fixture
def settings(read: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811
    """A file that can be read, with the passwords that controllers need."""
    read(document())
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    return str(tmp_path / "aws.toml")


def test_every_variable_that_is_missing_is_told(
    settings: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, and none of them is repeated on the screen."""
    monkeypatch.setenv("TRIMARAN_PAYMENTS_AWS_ADMINISTRATOR", "user=a password=b host=elsewhere")
    monkeypatch.setenv("TRIMARAN_PAYMENTS_GCP_ADMINISTRATOR", "user=a password=hidden")
    assert ended("--settings", settings) == Exit.USAGE
    said = capsys.readouterr().err
    for variable in ("APP_PASSWORD", "WEBHOOKS_PASSWORD", "AWS_ADMINISTRATOR", "AZURE_ADMINISTRATOR"):
        assert f"TRIMARAN_PAYMENTS_{variable}" in said
    assert "GCP_ADMINISTRATOR" not in said and "hidden" not in said and "elsewhere" not in said


def test_a_service_that_nobody_can_found_is_refused(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With those that can be."""
    assert ended("--settings", settings, "--service", "screening") == Exit.USAGE
    assert "one of payments, not screening" in capsys.readouterr().err
