"""Settings: bounds that cannot be configured away."""

from pathlib import Path

import pytest

from workload.durable.settings import SettingsError, read_settings
from workload.vault.settings import PASSWORD_VARIABLE, Settings

GOOD = """
site = "aws"
service = "vault"
[listen]
host = "127.0.0.1"
port = 8080
[databases.aws]
host = "127.0.0.1"
port = 5432
[access]
issuer = "https://issuer.test"
audience = "vault"
keys_url = "https://issuer.test/keys"
[key_services.aws]
key = "alias/vault"
region = "eu-central-1"
[key_services.gcp]
key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
project_number = "1"
pool = "pool"
provider = "provider"
service_account = "vault@p.test"
[keys]
cached_keys = 100
"""
SECRETS = {PASSWORD_VARIABLE: "secret"}
WANTED = {PASSWORD_VARIABLE: "the password of the role vault_app"}


def read(directory: Path, text: str) -> Settings:
    """Settings from this text."""
    path = directory / "vault.toml"
    path.write_text(text)
    return read_settings(path, Settings, SECRETS, WANTED)[0]


def test_one_cloud_is_not_enough_to_begin_with(tmp_path: Path) -> None:
    """Found when the process starts, not when the first subject is refused."""
    text = GOOD.replace('[key_services.aws]\nkey = "alias/vault"\nregion = "eu-central-1"\n', "")
    with pytest.raises(SettingsError, match="at least 2 clouds"):
        read(tmp_path, text)


@pytest.mark.parametrize("name", ["project_number", "pool", "provider", "service_account"])
def test_half_an_identity_is_none(tmp_path: Path, name: str) -> None:
    """Named with what is missing."""
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{name} ="))
    with pytest.raises(SettingsError, match=rf"key_services.gcp: .*{name}"):
        read(tmp_path, text)


def test_there_is_no_vault_that_anybody_may_ask(tmp_path: Path) -> None:
    """Without a table that says who may call, it does not start."""
    with pytest.raises(SettingsError, match="access: Field required"):
        read(tmp_path, GOOD.replace("[access]", "[unaccess]"))


def test_two_clouds_must_wrap_unless_said_otherwise(tmp_path: Path) -> None:
    """What the file does not say is safe."""
    keys = read(tmp_path, GOOD).keys
    assert (keys.minimum_wraps, keys.cached_keys) == (2, 100)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("minimum_wraps = 0", "keys.minimum_wraps"),
        ("minimum_wraps = 4", "keys.minimum_wraps"),
        ("cache_age = 86400", "keys.cache_age"),
        ("wrap_deadline = 0.05", "wrap_grace must not exceed wrap_deadline"),
        ("unwrap_deadline = 0.1", "hedge must be below unwrap_deadline"),
        ("key_deadline = 1", "key_deadline must be at least"),
        ("cache_age = 2", "cache_age must exceed key_deadline"),
        ("minimum_wraps = 3", "key_services must name at least 3 clouds"),
        ('audit = "off"', "keys.audit"),
    ],
)
def test_what_would_break_a_promise_cannot_be_set(tmp_path: Path, line: str, problem: str) -> None:
    """No key without a wrap, no key in memory for a day, no reveal without its trace."""
    with pytest.raises(SettingsError, match=problem):
        read(tmp_path, GOOD + line + "\n")
