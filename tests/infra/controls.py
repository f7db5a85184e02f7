"""The control stack as it is played: before it is live, and with machine images that could be there."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.settings import Settings, read_settings
from tests.infra.recording import Recording, Resource, record
from tests.infra.stacks import settings_of

STACKS = ("dev-control", "prod-control")
MADE: Mapping[str, str] = {
    "aws": "ami-0123456789abcdef0",
    "azure": (
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/trimaran-images"
        "/providers/Microsoft.Compute/galleries/trimaran/images/control/versions/1.2.3"
    ),
    "gcp": "projects/trimaran-prod/global/images/control-1-2-3",
    "azure_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "B",
}


@cache
def live(stack: str) -> Recording:
    """With everything that may be there once it is live."""
    return record(stack, live="true", control=dict(MADE))


def settings(stack: str) -> Settings:
    """As they stand in the repository."""
    return read_settings(settings_of(stack))


def document(one: Resource, key: str) -> list[dict[str, Any]]:
    """Statements of one of IAM's documents."""
    found: list[dict[str, Any]] = json.loads(one.inputs[key])["Statement"]
    return found
