"""What the lab writes for both sides of webhooks is what they read."""

from pathlib import Path

from lab.receiver import Mood
from lab.receiver import Settings as ReceiverSettings
from lab.receiver_settings import MANNERS, dispatcher_settings, endpoint, misbehaving, new_secret, receiver_settings, secrets_file
from workload.durable.settings import read_settings
from workload.webhooks.settings import Settings
from workload.webhooks.signing import read_secrets


def test_each_side_reads_its_settings(tmp_path: Path) -> None:
    """Ports, secrets and what the lab waives."""
    secret = new_secret()
    assert secret != new_secret()
    path, file = tmp_path / "webhooks.toml", tmp_path / "secrets.toml"
    path.write_text(dispatcher_settings("aws", listen=8080, databases={"aws": 5432, "gcp": 5433}, secrets=file))
    file.write_text(secrets_file({"shop-1": [secret]}))
    settings, _ = read_settings(path, Settings, {}, {})
    assert {site: address.port for site, address in settings.databases.items()} == {"aws": 5432, "gcp": 5433}
    assert (settings.plain_http, settings.listen.port) == (True, 8080)
    assert list(read_secrets(settings.secrets)) == ["shop-1"]
    received = ReceiverSettings.model_validate_json(receiver_settings(9000, tmp_path / "record", {"account": [secret]}))
    assert (received.port, received.merchants) == (9000, {"account": (secret,)})
    assert endpoint(9000, "account") == "http://127.0.0.1:9000/merchants/account"


def test_with_a_door_a_dispatcher_is_open_to_nobody(tmp_path: Path) -> None:
    """The lines that every service of the lab gets, in the place where they belong."""
    door = ["[identity]", 'certificate = "w.pem"', 'authority = "f.pem"', "[access]", 'issuer = "i"', 'audience = "webhooks"']
    path = tmp_path / "webhooks.toml"
    given = {"listen": 8080, "databases": {"aws": 5432}, "secrets": tmp_path / "secrets.toml"}
    path.write_text(dispatcher_settings("aws", **given, door=[*door, 'keys_url = "https://127.0.0.1:1/jwks"']))  # type: ignore[arg-type]
    settings, _ = read_settings(path, Settings, {}, {})
    assert settings.identity is not None and settings.access is not None
    assert (settings.access.audience, settings.open_to_everybody, settings.listen.port) == ("webhooks", False, 8080)
    path.write_text(dispatcher_settings("aws", **given))  # type: ignore[arg-type]
    assert read_settings(path, Settings, {}, {})[0].open_to_everybody


def test_some_merchants_misbehave_and_most_do_not(tmp_path: Path) -> None:
    """Answers that are errors and answers that are slow, or nothing would be tried again; and nobody who never takes anything."""
    accounts = [f"shop-{number}" for number in range(20)]
    faults = misbehaving(accounts)
    moods = [fault.mood for fault in faults.values()]
    assert (moods.count(Mood.FLAKY), moods.count(Mood.SLOW), len(moods)) == (4, 2, 6)
    assert all(fault.share < 0.5 for fault in faults.values())
    slow = [fault.seconds for fault in faults.values() if fault.mood is Mood.SLOW]
    assert all(MANNERS["slow_after"] < seconds < MANNERS["request_deadline"] for seconds in slow)
    assert misbehaving(accounts[:2]).keys() == {"shop-1"}
    received = receiver_settings(9000, tmp_path / "record", {"shop-1": [new_secret()]}, faults)
    assert ReceiverSettings.model_validate_json(received).faults == faults
