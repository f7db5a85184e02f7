"""Six small stacks by hand that keep every rule: one of everything that a rule asks about, as recordings tell it.

The real stacks are looked at as well (`landed.LANDED`); these are here so that a rule is tested for what no stack of ours has yet.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

Told = dict[str, Any]
DIGEST = "@sha256:" + 64 * "a"
TAGS = {"app": "trimaran", "environment": "prod", "owner": "payments-platform", "data-class": "pci", "residency": "eu"}
AWS_REGION, AZURE_REGION, GCP_REGION = "eu-central-1", "swedencentral", "europe-southwest1"
KEYS = {
    "aws": "arn:aws:kms:eu-central-1:111111111111:key/1",
    "azure": "https://v.vault.azure.net/keys/k/1",
    "gcp": "projects/p/k",
}
ACCOUNT, SUBSCRIPTION, PROJECT = "111111111111", "00000000-0000-0000-0000-000000000001", "trimaran-prod"


class Stack:
    """Resources put together one by one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[Told] = []
        self._providers: dict[str, str] = {}

    def urn(self, token: str, name: str) -> str:
        """As the engine would call it."""
        return f"urn:pulumi:{self.name}::trimaran::{token}::{name}"

    def provider(self, package: str, **inputs: Any) -> None:
        """Of what comes after it and begins with `package`."""
        token = f"pulumi:providers:{package}"
        self._providers[package] = f"{self.urn(token, package)}::id"
        self._add(token, package, inputs, protect=False, sources={}, ignore=())

    def has(
        self,
        token: str,
        called: str,
        /,
        *,
        protect: bool = False,
        sources: Mapping[str, str] | None = None,
        ignore: Sequence[str] = (),
        **inputs: Any,
    ) -> str:
        """One resource more; its URN."""
        return self._add(token, called, inputs, protect=protect, sources=sources or {}, ignore=ignore)

    def _add(
        self,
        token: str,
        name: str,
        inputs: Mapping[str, Any],
        *,
        protect: bool,
        sources: Mapping[str, str],
        ignore: Sequence[str],
    ) -> str:
        urn = self.urn(token, name)
        self.told.append(
            {
                "urn": urn,
                "type": token,
                "name": name,
                "inputs": dict(inputs),
                "outputs": {"id": f"{name}-id"},
                "provider": self._providers.get(token.partition(":")[0], ""),
                "protect": protect,
                "ignore_changes": list(ignore),
                "property_dependencies": {key: [found] for key, found in sources.items()},
            }
        )
        return urn


def clouds(stack: Stack, *names: str) -> None:
    """Providers with everything that they are told."""
    if "aws" in names:
        stack.provider("aws", region=AWS_REGION, allowedAccountIds=json.dumps([ACCOUNT]), defaultTags=json.dumps({"tags": TAGS}))
    if "azure" in names:
        stack.provider("azure-native", subscriptionId=SUBSCRIPTION, location=AZURE_REGION)
    if "gcp" in names:
        stack.provider("gcp", project=PROJECT, region=GCP_REGION, defaultLabels=json.dumps(TAGS))


def trust(principal: str, **conditions: str) -> str:
    """A document of trust for web identities."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": principal},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{principal}:{key}": value for key, value in conditions.items()}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def may(action: str, resource: str) -> str:
    """A document that allows one thing."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [action], "Resource": resource}]})


def script(text: str) -> Mapping[str, str]:
    """What a machine does when it starts, by cloud, as each takes it in a document of cloud-init."""
    document = f"#cloud-config\n{json.dumps({'write_files': [{'path': '/opt/start', 'content': text}]})}\n"
    content = document.encode()
    return {
        "aws": base64.b64encode(gzip.compress(content, mtime=0)).decode(),
        "azure": base64.b64encode(content).decode(),
        "gcp": document,
    }


def task(image: str = f"r/edge{DIGEST}", **environment: str) -> str:
    """What ECS runs."""
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    return json.dumps(
        [{"name": "edge", "image": image, "environment": variables, "secrets": [{"name": "TOKEN", "valueFrom": "arn"}]}]
    )
