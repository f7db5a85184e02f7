"""Settings: read once, every problem at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from workload.durable.settings import SettingsError, read_settings
from workload.payments.settings import PASSWORD_VARIABLE, Settings

GOOD = """
site = "aws"
service = "payments"
open_to_everybody = true
[listen]
host = "127.0.0.1"
port = 8080
[databases.aws]
host = "127.0.0.1"
port = 5432
[tuning]
statement_deadline = 0.3
"""
CALLEE = "".join(f'[vault.callee.instances.{site}]\nhost = "127.0.0.1"\nport = 1\n' for site in ("aws", "gcp"))
PASSWORD = {PASSWORD_VARIABLE: "secret"}
WANTED = {PASSWORD_VARIABLE: "the password of the role payments_app"}


def write(directory: Path, text: str) -> Path:
    """A settings file."""
    path = directory / "payments.toml"
    path.write_text(text)
    return path


def test_durations_are_seconds_and_defaults_fill_the_rest(tmp_path: Path) -> None:
    """What the file does not say comes from the design."""
    settings, secrets = read_settings(write(tmp_path, GOOD), Settings, PASSWORD, WANTED)
    assert settings.tuning.statement_deadline == timedelta(seconds=0.3)
    assert settings.tuning.lanes == 4
    assert secrets == PASSWORD


def test_every_problem_is_reported_at_once_with_file_key_and_expectation(tmp_path: Path) -> None:
    """One edit mends them all."""
    text = GOOD.replace("8080", '"high"').replace('"payments"', '"vault"').replace("0.3", "-1") + "lanes = 0\nspeed = 9\n"
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read_settings(path, Settings, {}, WANTED)
    starts = [
        f"{path}: {key}: " for key in ("service", "listen.port", "tuning.statement_deadline", "tuning.lanes", "tuning.speed")
    ]
    assert len(caught.value.problems) == 6
    for start in ("environment: PAYMENTS_APP_PASSWORD: ", *starts):
        assert any(problem.startswith(start) for problem in caught.value.problems), start


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace('site = "aws"', 'site = "gcp"'), "databases must name this site too"),
        (GOOD + "request_deadline = 0.2\n", "statement_deadline must not exceed request_deadline"),
        (GOOD + "barrier_patience = 2\n", "barrier_patience must be below barrier_deadline"),
        ("site =", "expected TOML"),
        (f"{GOOD}[vault]\ndeadline = 0.2\n{CALLEE}", "deadline must be at least twice callee.attempt"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, text: str, expected: str) -> None:
    """Values that are fine alone and impossible together."""
    with pytest.raises(SettingsError, match=expected):
        read_settings(write(tmp_path, text), Settings, PASSWORD, WANTED)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Unreadable is a problem like any other."""
    with pytest.raises(SettingsError, match="expected a readable file"):
        read_settings(tmp_path / "none.toml", Settings, PASSWORD, WANTED)


def test_no_setting_turns_the_barrier_off(tmp_path: Path) -> None:
    """An acknowledgement without a copy in another cloud cannot be configured."""
    with pytest.raises(SettingsError, match="barrier"):
        read_settings(write(tmp_path, GOOD + 'barrier = "off"\n'), Settings, PASSWORD, WANTED)
