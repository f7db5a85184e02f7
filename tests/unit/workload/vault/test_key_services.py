"""Key services from settings: one per cloud that is named, and nothing asked before the first call."""

import pytest

from workload.durable.settings import SettingsError
from workload.vault.key_services import open_services
from workload.vault.key_settings import KeyServices

HERE = "http://127.0.0.1:1"
AWS = {"key": "alias/vault", "region": "eu-central-1", "endpoint": HERE, "identity": "static"}
AZURE = {"key": "vault", "vault": "https://127.0.0.1:1", "identity": "static"}
GCP = {"key": "projects/p/locations/l/keyRings/r/cryptoKeys/k", "endpoint": HERE, "identity": "static"}


def test_every_named_cloud_is_opened() -> None:
    """In one order; which one is nearest is decided where they are used. No request has been sent."""
    services = KeyServices.model_validate({"aws": AWS, "azure": AZURE, "gcp": GCP})
    opened = open_services(services)
    assert tuple(one.cloud for one in opened) == services.named == ("aws", "azure", "gcp")
    assert [getattr(one, "calls") for one in opened] == [0, 0, 0]  # noqa: B009  adapters count; the port does not


def test_clouds_that_are_not_named_are_not_opened() -> None:
    """Nor are their SDKs imported."""
    assert [one.cloud for one in open_services(KeyServices.model_validate({"gcp": GCP}))] == ["gcp"]


@pytest.mark.parametrize(
    "services",
    [
        {"aws": {**AWS, "endpoint": None}},
        {"aws": {**AWS, "endpoint": "https://kms.example.test"}},
        {"azure": {**AZURE, "vault": "https://vault.example.test"}},
        {"azure": {**AZURE, "endpoint": "https://vault.example.test"}},
    ],
)
def test_a_labs_identity_is_shown_to_nobody_else(services: dict[str, object]) -> None:
    """Refused with the way out when the process starts."""
    with pytest.raises(SettingsError, match="key_services: refused by"):
        open_services(KeyServices.model_validate(services))
