"""The emulated Google and what we send agree with the vendor's own descriptions of its APIs, as its client library bundles them."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache  # type: ignore[import-untyped]
import pytest
from werkzeug.test import Client as Browser

from controller.core.model import Group, Site
from controller.providers.gcp.records import Change, edit
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.google import ROUTES, Google, Settings

FILES = {"dns": "dns.v1.json", "sql": "sqladmin.v1.json", "run": "run.v2.json"}
SERVICE = "projects/lab/locations/europe-west1/services/payments"
NAME = WeightedName(name="pay.g.trimaran.test", ttl=2)
RECORDS = GroupRecords(names=(NAME,), addresses={Site("aws"): "192.0.2.1", Site("gcp"): "192.0.2.3"})
ZONE = "/dns/v1/projects/lab/managedZones/trimaran-test"


@cache
def description(api: str) -> dict[str, Any]:
    """The vendor's description of one API."""
    folder = Path(googleapiclient.discovery_cache.__file__).parent / "documents"
    found: dict[str, Any] = json.loads((folder / FILES[api]).read_text())
    return found


def method(operation: str) -> dict[str, Any]:
    """The description of one operation by its id."""
    api, *path = operation.split(".")
    found = description(api)
    for part in path[:-1]:
        found = found["resources"][part]
    described: dict[str, Any] = found["methods"][path[-1]]
    assert described["id"] == operation
    return described


def strangers(api: str, schema: Mapping[str, Any], value: Any, where: str = "") -> list[str]:
    """Where `value` has fields, types or words that the vendor's schema does not."""
    if "$ref" in schema:
        return strangers(api, description(api)["schemas"][schema["$ref"]], value, where)
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "array": list,
        "object": dict,
        "any": object,
    }
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if schema["type"] == "array":
        return [wrong for i, part in enumerate(value) for wrong in strangers(api, schema["items"], part, f"{where}[{i}]")]
    if schema["type"] == "object":
        known, more = schema.get("properties", {}), schema.get("additionalProperties")
        unknown = [] if more else [f"{where}.{name}: unknown" for name in value.keys() - known.keys()]
        return unknown + [
            wrong
            for name, part in value.items()
            for wrong in strangers(api, known.get(name, more or {"type": "any"}), part, f"{where}.{name}")
        ]
    return []


@pytest.mark.parametrize(("verb", "path", "operation"), ROUTES, ids=[route[2] for route in ROUTES])
def test_every_route_is_the_vendors(verb: str, path: str, operation: str) -> None:
    """Method and path of every emulated operation are those of the operation with that id in the vendor's description."""
    described = method(operation)
    assert verb == described["httpMethod"]
    ours = [
        part if part[0] != "<" else "*"
        for part in path.strip("/").replace("<path:parent>", "projects/<p>/locations/<l>").split("/")
    ]
    theirs = [part if part[0] != "{" else "*" for part in described["flatPath"].split("/")]
    assert ours == theirs


@pytest.fixture
def google() -> Google:
    """An emulated Google with one of everything, and operations that are over at once."""
    return Google(
        Settings(
            propagation=0,
            operation_seconds=0,
            instances={"main": {}, "copy": {"masterInstanceName": "lab:main", "settings": {"availabilityType": "REGIONAL"}}},
            services={SERVICE: {"template": {"scaling": {"minInstanceCount": 1}}}},
        )
    )


def ask(google: Google, operation: str, url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One request, whose body and answer are compared with the vendor's description."""
    api, described = operation.split(".")[0], method(operation)
    if body is not None:
        assert strangers(api, described["request"], body) == []
    answer = Browser(google).open(url, method=described["httpMethod"], json=body, headers={"Authorization": "Bearer lab"})
    found: dict[str, Any] = json.loads(answer.data)
    assert answer.status_code == 200, found
    assert strangers(api, described["response"], found) == []
    return found


def test_bodies_of_cloud_dns_are_the_vendors(google: Google) -> None:
    """What the adapter sends and the emulation answers has no field and no word that Cloud DNS does not know."""
    ask(google, "dns.managedZones.get", ZONE)
    made = Change(edits=(edit(Group("pay"), RECORDS, {}, {Site("aws"): 120, Site("gcp"): 120}),))
    first = ask(google, "dns.changes.create", f"{ZONE}/changes", made.body)
    listed = ask(google, "dns.resourceRecordSets.list", f'{ZONE}/rrsets?filter=name=has_suffix("g.trimaran.test.") AND type="A"')
    found = {record["name"]: record for record in listed["rrsets"]}
    moved = Change(edits=(edit(Group("pay"), RECORDS, found, {Site("aws"): 240}),))
    ask(google, "dns.changes.create", f"{ZONE}/changes", moved.body)
    assert ask(google, "dns.changes.get", f"{ZONE}/changes/{first['id']}")["status"] == "done"
    assert len(ask(google, "dns.changes.list", f"{ZONE}/changes?sortBy=changeSequence&sortOrder=descending")["changes"]) == 2
    ask(google, "dns.resourceRecordSets.patch", f"{ZONE}/rrsets/{NAME.absolute}/A", {"ttl": 9})


def test_bodies_of_cloud_sql_and_cloud_run_are_the_vendors(google: Google) -> None:
    """The same for a promotion and for a floor that is raised."""
    ask(google, "sql.instances.get", "/v1/projects/lab/instances/copy")
    begun = ask(google, "sql.instances.promoteReplica", "/v1/projects/lab/instances/copy/promoteReplica")
    ask(google, "sql.operations.get", f"/v1/projects/lab/operations/{begun['name']}")
    assert len(ask(google, "sql.operations.list", "/v1/projects/lab/operations?instance=copy")["items"]) == 1
    service = ask(google, "run.projects.locations.services.get", f"/v2/{SERVICE}")
    body = {"etag": service["etag"], "scaling": {"minInstanceCount": 3}}
    mask = f"/v2/{SERVICE}?updateMask=scaling.minInstanceCount"
    operation = ask(google, "run.projects.locations.services.patch", mask, body)
    assert ask(google, "run.projects.locations.operations.get", f"/v2/{operation['name']}")["done"]


def test_the_comparison_finds_what_the_vendor_does_not_know() -> None:
    """A field, a type and a word that are not the vendor's are each found."""
    change = method("dns.changes.create")["request"]
    assert strangers("dns", change, {"additions": [{"weight": 1}]}) == [".additions[0].weight: unknown"]
    assert strangers("dns", change, {"status": "soon"}) == [".status: 'soon' is none of ['pending', 'done']"]
    assert strangers("dns", change, {"additions": [{"ttl": "5"}]}) == [".additions[0].ttl: '5' is no integer"]
