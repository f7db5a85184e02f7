"""The stacks' configuration as the engine would put it together: the project's defaults, and over them each stack's file."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.settings import NAMESPACE, UNBUILT, Role

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("dev", "prod")
MADE: Mapping[str, str] = {
    "aws": "ami-0123456789abcdef0",
    "azure": (
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/trimaran-images"
        "/providers/Microsoft.Compute/galleries/trimaran/images/control/versions/1.2.3"
    ),
    "gcp": "projects/trimaran-prod/global/images/control-1-2-3",
    "azure_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "B",
}
"""Machine images, and a key, that could be a control node's."""
TRUSTED: Mapping[str, list[str]] = {
    whom: [f"-----BEGIN CERTIFICATE-----\n{letter * 64}\n-----END CERTIFICATE-----\n" for letter in letters]
    for whom, letters in {"clients": "AB", "fleet": "C"}.items()
}
"""Certificates of authorities, as far as a stack looks at them."""
FILLING: Mapping[str, str] = {
    "aws": ("arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Filling_0123456789abcdef"),
    "gcp": "group:filling@example.com",
}
"""Who could be let fill places for secrets."""
STACKS = tuple(f"{environment}-{role}" for environment in ENVIRONMENTS for role in Role)


def project() -> Mapping[str, Any]:
    """`Pulumi.yaml`"""
    document: Mapping[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    return document


def stack_file(stack: str) -> Mapping[str, Any]:
    """What one stack's own file says."""
    document: Mapping[str, Any] = yaml.safe_load((ROOT / project()["stackConfigDir"] / f"Pulumi.{stack}.yaml").read_text())
    config: Mapping[str, Any] = document["config"]
    return config


def configuration(stack: str, **changed: object) -> Mapping[str, str]:
    """Everything as text, as programs see it: tables are JSON. `changed` replaces values, or leaves them out with None."""
    defaults = {key: given["default"] for key, given in project()["config"].items() if "default" in given}
    whole = {**defaults, **stack_file(stack), **{f"{NAMESPACE}:{key}": value for key, value in changed.items()}}
    return {key: _text(value) for key, value in whole.items() if value is not None}


def settings_of(stack: str, **changed: object) -> dict[str, Any]:
    """The same without the namespace: what `read_settings` takes."""
    return {key.removeprefix(f"{NAMESPACE}:"): value for key, value in configuration(stack, **changed).items()}


def built(stack: str) -> dict[str, str]:
    """A site's images as they are named once they are built: each by a digest of its own."""
    images: Mapping[str, str] = json.loads(settings_of(stack)["images"])
    return {name: as_built(image) for name, image in images.items()}


def node_images(stack: str) -> Mapping[str, dict[str, str]]:
    """The same for control nodes, by cloud."""
    given: Mapping[str, dict[str, str]] = json.loads(settings_of(stack)["control"])["images"]
    return {cloud: {name: as_built(image) for name, image in named.items()} for cloud, named in given.items()}


def gone_live(stack: str) -> dict[str, Any]:
    """What is set when it goes live: whatever it starts could be there."""
    if stack.endswith(f"-{Role.CONTROL}"):
        return {"live": True, "control": {**MADE, "images": node_images(stack)}}
    trusted = {"trusted": TRUSTED} if stack.endswith(f"-{Role.GCP}") else {}
    return {"live": True, "images": built(stack), **trusted}


def as_built(image: str) -> str:
    """That image with a digest in place of the placeholder."""
    return image.replace(UNBUILT, f"@sha256:{hashlib.sha256(image.encode()).hexdigest()}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
