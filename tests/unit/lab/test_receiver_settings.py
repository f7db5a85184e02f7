"""What the lab writes for both sides of webhooks is what they read."""

from pathlib import Path

from lab.receiver import Settings as ReceiverSettings
from lab.receiver_settings import dispatcher_settings, endpoint, new_secret, receiver_settings, secrets_file
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
