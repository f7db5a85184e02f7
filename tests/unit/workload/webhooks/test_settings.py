"""Settings of the dispatcher: read once, every problem at once, safe when nothing is said."""

from datetime import timedelta
from pathlib import Path

import pytest

from workload.durable.settings import SettingsError, read_settings
from workload.webhooks.settings import Manners, Settings

GOOD = """
site = "aws"
service = "payments"
open_to_everybody = true
secrets = "secrets.toml"
[listen]
host = "127.0.0.1"
port = 8080
[databases.aws]
host = "127.0.0.1"
port = 5432
"""


def read(folder: Path, text: str) -> Settings:
    """From a file."""
    path = folder / "webhooks.toml"
    path.write_text(text)
    settings, _ = read_settings(path, Settings, {}, {})
    return settings


def test_what_is_not_said_is_safe(tmp_path: Path) -> None:
    """TLS only, public addresses only, and few connections to each database."""
    settings = read(tmp_path, GOOD)
    assert (settings.plain_http, settings.allow) == (False, ())
    assert (settings.tuning.sessions, settings.tuning.lanes) == (2, 1)
    assert settings.manners.request_deadline == timedelta(seconds=15)


def test_the_lab_says_what_it_waives(tmp_path: Path) -> None:
    """By network."""
    settings = read(tmp_path, 'plain_http = true\nallow = ["127.0.0.0/8"]\n' + GOOD + "[manners]\nrequest_deadline = 2\n")
    assert (str(settings.allow[0]), settings.plain_http) == ("127.0.0.0/8", True)
    assert settings.manners.request_deadline == timedelta(seconds=2)


def test_pauses_must_grow(tmp_path: Path) -> None:
    """A parked endpoint that is tried more often than a failing one is a mistake."""
    with pytest.raises(SettingsError, match="first_pause must not exceed"):
        read(tmp_path, GOOD + "[manners]\nlongest_pause = 7200\n")


def test_a_pause_is_bounded_however_often_it_failed() -> None:
    """No overflow after a year."""
    assert Manners().pause(10_000, is_parked=False) == timedelta(minutes=10)
