"""Who is told: settings name secrets, and hold none; whatever is wrong is told with its key, and never with the secret."""

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.core.messages import Severity
from controller.errors import SettingsError
from controller.settings import Settings, read_settings
from controller.settings_notify import ENDPOINT
from tests.unit.test_settings import ENVIRON, document, problems, spelled

KEY = "0123456789abcdef0123456789ABCDEF"
SECRET = "whsec_" + base64.b64encode(b"swordfish-swordfish-swordfish").decode()
CANARY = "swordfish"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    """Writes the settings beside a few secrets and reads them."""
    return reader(tmp_path)


def reader(tmp_path: Path) -> Callable[..., Settings]:
    """The same for other tests."""
    files = {"url": "https://hooks.example/swordfish", "key": KEY, "secret": f"{SECRET}\n{SECRET}\n", "open": KEY, "empty": ""}
    files |= {"plain": "http://hooks.example/swordfish", "words": "swordfish swordfish", "home": "http://127.0.0.1:8/swordfish"}
    files |= {"user": "https://swordfish:swordfish@hooks.example/"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)

    def write_and_read(given: dict[str, Any], environ: dict[str, str] = ENVIRON) -> Settings:
        path = tmp_path / "aws.toml"
        path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
        return read_settings(path, environ)

    return write_and_read


def with_notify(*channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Settings that are right but for these."""
    return {**document(), "notify": list(channels), **more}


HOOK: dict[str, Any] = {"name": "ops", "kind": "webhook", "url_file": "url", "secret_file": "secret"}
PAGER: dict[str, Any] = {"name": "oncall", "kind": "pagerduty", "secret_file": "key", "severities": ["critical", "error"]}
CHAT: dict[str, Any] = {"name": "chat", "kind": "slack", "url_variable": "CHAT_URL", "services": ["payments"]}


def test_channels_are_read_with_their_secrets_and_show_none(read: Callable[..., Settings]) -> None:
    """From files and from the environment; two secrets of a webhook, both of which sign; nothing of it in any repr."""
    given = with_notify(HOOK, PAGER, CHAT, heartbeat={"url_file": "url", "every": "10s", "method": "HEAD"})
    settings = read(given, {**ENVIRON, "CHAT_URL": "https://hooks.example/services/swordfish"})
    hook, pager, chat = settings.notify
    assert (hook.url, len(hook.signers)) == ("https://hooks.example/swordfish", 2)
    assert (pager.url, pager.key, pager.severities) == (ENDPOINT, KEY, {Severity.CRITICAL, Severity.ERROR})
    assert (chat.services, chat.severities) == ({"payments"}, set(Severity))
    beat = settings.heartbeat
    assert beat is not None and (beat.every, beat.method) == (timedelta(seconds=10), "HEAD")
    assert CANARY not in repr(settings) and KEY not in repr(settings)


def test_without_any_nobody_is_told(read: Callable[..., Settings]) -> None:
    """It is a choice."""
    settings = read(document())
    assert settings.notify == () and settings.heartbeat is None


@pytest.mark.parametrize(
    ("channel", "key", "expected"),
    [
        ({**HOOK, "kind": "carrier-pigeon"}, "notify.0.kind", "'webhook', 'pagerduty' or 'slack'"),
        ({**HOOK, "name": "Ops!"}, "notify.0.name", "a channel's name: a lower-case letter"),
        ({**HOOK, "name": "notices"}, "notify.0.name", "a name that no other channel has, and not 'notices'"),
        ({**HOOK, "services": ["vaults"]}, "notify.0.services", "services of this file: payments, not 'vaults'"),
        ({**HOOK, "severities": ["dire"]}, "notify.0.severities.0", "'critical', 'error', 'warning' or 'info'"),
        ({**HOOK, "severities": []}, "notify.0.severities", "at least one"),
        ({**HOOK, "services": []}, "notify.0.services", "at least one"),
        ({**HOOK, "url": "https://x"}, "notify.0.url", "no such setting"),
        ({**HOOK, "url_file": "nowhere"}, "notify.0.url_file", "a readable file"),
        ({**HOOK, "url_file": "plain"}, "notify.0.url_file", "there: one https:// address, without user and password"),
        ({**HOOK, "url_file": "user"}, "notify.0.url_file", "there: one https:// address, without user and password"),
        ({**HOOK, "url_file": "words"}, "notify.0.url_file", "there: one https:// address, without user and password"),
        ({**HOOK, "url_file": "empty"}, "notify.0.url_file", "something in"),
        ({**HOOK, "url_variable": "X"}, "notify.0.url_file", "one of url_file and url_variable, not both"),
        (
            {"name": "c", "kind": "slack", "url_variable": "X"},
            "notify.0.url_variable",
            "a variable of the environment; X is not set",
        ),
        ({"name": "c", "kind": "slack"}, "notify.0.url_file", "a file, or url_variable, that holds it; it is missing"),
        (
            {**CHAT, "url_variable": "CHAT", "secret_file": "key"},
            "notify.0.secret_file",
            "nothing: Slack's address is its secret",
        ),
        ({**HOOK, "secret_file": "key"}, "notify.0.secret", "there: whsec_ and then 24 to 64 bytes in base64, one a line"),
        (
            {"name": "o", "kind": "webhook", "url_file": "url"},
            "notify.0.secret_file",
            "a file, or secret_variable, that holds it",
        ),
        ({**PAGER, "secret_file": "open"}, "notify.0.secret_file", "a file that only its owner can read, 0600"),
        ({**PAGER, "secret_file": "words"}, "notify.0.secret", "there: an integration key of the Events API v2"),
        ({**HOOK, "authority": "key"}, "notify.0.authority", "certificates of an authority, PEM"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_key_and_rule(
    read: Callable[..., Settings], channel: dict[str, Any], key: str, expected: str
) -> None:
    """And never with what a secret holds."""
    environ = {**ENVIRON, "CHAT": "https://hooks.example/swordfish"}
    told = problems(read, with_notify(channel), environ)
    assert list(told) == [key] and told[key].startswith(expected), told
    with pytest.raises(SettingsError) as refused:
        read(with_notify(channel), environ)
    assert CANARY not in str(refused.value)


def test_two_channels_of_one_name_are_refused(read: Callable[..., Settings]) -> None:
    """They would share a cursor, and each message would come to one of them."""
    assert set(problems(read, with_notify(HOOK, HOOK))) == {"notify.1.name"}


def test_a_heartbeat_that_cannot_be_used_is_refused(read: Callable[..., Settings]) -> None:
    """Nobody would notice that nobody is told."""
    assert set(problems(read, {**document(), "heartbeat": {"url_file": "plain"}})) == {"heartbeat.url_file"}
    assert set(problems(read, {**document(), "heartbeat": {"url_file": "url", "every": "10ms"}})) == {"heartbeat.every"}
    assert read({**document(), "heartbeat": {"url_file": "home"}}).heartbeat is not None, "a lab's, on this machine"
