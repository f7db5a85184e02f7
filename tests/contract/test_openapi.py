"""The published OpenAPI documents: what the applications say today, complete, and with nothing in them that may not be shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from workload.openapi.__main__ import written
from workload.openapi.services import documents
from workload.telemetry.numbers import find_numbers
from workload.vault.description import ACCOUNT, CARD

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "openapi"
COMMAND = "python -m workload.openapi docs/openapi"
SERVICES = ("payments", "screening", "vault")


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_published_is_what_the_application_says(service: str) -> None:
    """After a change: `python -m workload.openapi docs/openapi`."""
    published = (PUBLISHED / f"{service}.json").read_text(encoding="utf-8")
    assert published == written(documents()[service]), f"docs/openapi/{service}.json is old; run: {COMMAND}"


def test_every_document_is_published() -> None:
    """And no document is left behind by a service that is gone."""
    assert set(documents()) == set(SERVICES) == {file.stem for file in PUBLISHED.glob("*.json")}


def test_the_same_application_is_written_the_same_way(tmp_path: Path) -> None:
    """In another process too, whose sets are in another order."""
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *COMMAND.split()[1:3], str(tmp_path / seed)]
        subprocess.run(command, check=True, env=environment, cwd=ROOT, timeout=60)
    for service in SERVICES:
        first, second = ((tmp_path / seed / f"{service}.json").read_bytes() for seed in ("1", "2"))
        assert first == second == (PUBLISHED / f"{service}.json").read_bytes()


@pytest.mark.parametrize("service", SERVICES)
def test_it_is_an_openapi_document(service: str) -> None:
    """By the specification's own schema, and every reference leads somewhere."""
    document = published(service)
    schemathesis.openapi.from_dict(document).validate()
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


@pytest.mark.parametrize("service", SERVICES)
def test_only_test_numbers_are_shown(service: str) -> None:
    """Examples are copied into shells, tickets and other people's tests."""
    text = (PUBLISHED / f"{service}.json").read_text(encoding="utf-8")
    assert {text[start:end] for start, end in find_numbers(text)} <= {CARD, ACCOUNT}


def test_test_numbers_are_found() -> None:
    """The test above would see another one."""
    text = (PUBLISHED / "vault.json").read_text(encoding="utf-8")
    assert {text[start:end] for start, end in find_numbers(text)} == {CARD, ACCOUNT}


@pytest.mark.parametrize("service", SERVICES)
def test_whoever_needs_a_token_is_told_which(service: str) -> None:
    """Every operation under /v1 names its scope, and the scheme knows it; the probes ask for none."""
    document = published(service)
    known = document["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]["scopes"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path.startswith("/v1/"):
                ((scope,),) = (one["token"] for one in operation["security"])
                assert scope in known and {"401", "403", "429", "503"} <= set(operation["responses"])
            else:
                assert operation["security"] == []


def published(service: str) -> Any:
    """The document."""
    return json.loads((PUBLISHED / f"{service}.json").read_text(encoding="utf-8"))


def references(value: Any) -> list[str]:
    """Every `$ref` below."""
    match value:
        case dict():
            here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return [*here, *(found for item in value.values() for found in references(item))]
        case list():
            return [found for item in value for found in references(item)]
        case _:
            return []
