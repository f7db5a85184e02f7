"""The control stack as it is played: before it is live, and with machine images that could be there."""

import json
from typing import Any

from infra.settings import Settings, read_settings
from tests.infra.recording import Recording, Resource, recorded_live
from tests.infra.stacks import settings_of

STACKS = ("dev-control", "prod-control")


def live(stack: str) -> Recording:
    """With everything that may be there once it is live."""
    return recorded_live(stack)


def settings(stack: str) -> Settings:
    """As they stand in the repository."""
    return read_settings(settings_of(stack))


def document(one: Resource, key: str) -> list[dict[str, Any]]:
    """Statements of one of IAM's documents."""
    found: list[dict[str, Any]] = json.loads(one.inputs[key])["Statement"]
    return found
