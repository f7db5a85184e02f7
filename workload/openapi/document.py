"""The OpenAPI document of one application: what is asked comes from its routes, what is answered from its descriptions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from workload.access.operations import Operation
from workload.gate import GUARDED
from workload.openapi import layers, problems
from workload.openapi.answer import JSON, REF, TEXT, Answer, Described, Descriptions, Refusal, Told
from workload.openapi.headers import ASKED, DEADLINE, header
from workload.openapi.problems import Problem
from workload.openapi.shared import Document, share_responses

VERSION = "3.1.0"
UNUSED = ("HTTPValidationError", "ValidationError")
"""How the framework describes mistakes; ours are problem documents."""

TYPED = frozenset({"type", "anyOf", "$ref", "const"})
"""Keywords by which a schema is told from anything else that has a title."""


class NotDescribed(Exception):
    """Routes and descriptions differ; the message says by what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One application and what its routes do not say."""

    app: FastAPI
    descriptions: Descriptions
    operations: Sequence[Operation]
    """Who may ask what; what is not among them needs no token."""
    says: str
    tags: Mapping[str, str]


def document(service: Service) -> Document:
    """The whole document, the same each time. Raises NotDescribed."""
    generated = service.app.openapi()
    scopes = {(one.method, one.path): one.scope for one in service.operations}
    _compare(generated, service.descriptions, scopes)
    paths: dict[str, dict[str, Any]] = {}
    for path, methods in generated["paths"].items():
        for method, operation in methods.items():
            key = (method.upper(), path)
            name = _name(service.app, *key)
            paths.setdefault(path, {})[method] = _operation(operation, service.descriptions[key], name, path, scopes.get(key))
    found: Document = {
        "openapi": VERSION,
        "info": {"title": service.app.title, "version": service.app.version, "description": service.says},
        "paths": paths,
        "components": _components(generated, service),
        "tags": [{"name": name, "description": says} for name, says in sorted(service.tags.items())],
    }
    plain: Document = _plain(found)
    share_responses(plain)
    return plain


def _compare(generated: Document, descriptions: Descriptions, scopes: Mapping[tuple[str, str], str]) -> None:
    routed = {(method.upper(), path) for path, methods in generated["paths"].items() for method in methods}
    guarded = {key for key in routed if key[1].startswith(GUARDED)}
    wrong = {
        "without a description": routed - set(descriptions),
        "described, and no route": set(descriptions) - routed,
        "without a scope": guarded - set(scopes),
        "with a scope, and no route": set(scopes) - routed,
    }
    if any(wrong.values()):
        told = "; ".join(f"{what}: {', '.join(' '.join(key) for key in sorted(keys))}" for what, keys in wrong.items() if keys)
        raise NotDescribed(told)


def _name(app: FastAPI, method: str, path: str) -> str:
    """The name of the function that answers."""
    found = (one for one in app.routes if getattr(one, "path", None) == path and method in getattr(one, "methods", ()))
    return str(getattr(next(found), "name"))  # noqa: B009  a route of any kind


def _operation(operation: Document, described: Described, name: str, path: str, scope: str | None) -> Document:
    guarded = path.startswith(GUARDED)
    found: Document = {
        "operationId": name,
        "summary": described.summary,
        "description": described.says,
        "tags": [described.tag],
        "parameters": [*_parameters(operation, described), *(ASKED if guarded else (DEADLINE,))],
        "responses": {
            **{str(status): _success(answer) for status, answer in described.answers.items()},
            **problems.responses(tuple(_refusals(operation, described, path, scope))),
        },
        "security": [{"token": [scope], "certificate": []}] if scope is not None else [],
    }
    if "requestBody" in operation:
        found["requestBody"] = _asked(operation["requestBody"], described)
    return {key: value for key, value in found.items() if value not in ("", []) or key == "security"}


def _parameters(operation: Document, described: Described) -> Iterator[Document]:
    for parameter in operation.get("parameters", ()):
        name = parameter["name"].title() if parameter["in"] == "header" else parameter["name"]
        schema = {key: value for key, value in parameter["schema"].items() if key != "title"}
        example = {"example": described.parameters[name]} if name in described.parameters else {}
        yield {**parameter, "name": name, "schema": schema, **example}


def _asked(body: Document, described: Described) -> Document:
    ((media, content),) = body["content"].items()
    examples = {name: {"value": value} for name, value in described.bodies.items()}
    return {**body, "content": {media: {**content, "examples": examples}}}


def _refusals(operation: Document, described: Described, path: str, scope: str | None) -> Iterator[Refusal]:
    yield from (*described.refusals, *layers.ARRIVING)
    if not path.startswith(GUARDED):
        return
    yield from layers.GATE
    yield layers.DEFECT
    if operation.get("parameters"):
        yield layers.MALFORMED
    if "requestBody" in operation:
        yield from (layers.MALFORMED, layers.UNREADABLE, layers.INVALID)
    if "{" in path:
        yield layers.NOT_FOUND
    if scope is not None:
        yield from layers.DOOR


def _success(answer: Answer) -> Document:
    schema: Document = {"type": "string"} if answer.body is None else {"$ref": REF.format(model=answer.body.__name__)}
    content: Document = {"schema": schema}
    if answer.example is not None:
        content["example"] = answer.example
    found: Document = {"description": answer.says, "content": {TEXT if answer.body is None else JSON: content}}
    headers = {name: header(name, always=True) for name in answer.headers}
    headers |= {name: header(name, always=False) for name in answer.perhaps}
    links = {name: {"operationId": name, "parameters": dict(where)} for name, where in answer.links.items()}
    return {**found, **({"headers": headers} if headers else {}), **({"links": links} if links else {})}


def _components(generated: Document, service: Service) -> Document:
    asked = {name: schema for name, schema in generated["components"]["schemas"].items() if name not in UNUSED}
    answered = {one.body for described in service.descriptions.values() for one in described.answers.values()}
    members = {one.members for described in service.descriptions.values() for one in described.refusals}
    shared = {one.members for one in layers.SHARED}
    return {
        "schemas": {**asked, **_schemas({Problem, *answered, *members, *shared})},
        "securitySchemes": {
            "token": {
                "type": "oauth2",
                "description": "Client credentials (RFC 6749 section 4.4); the token is bound to the client's certificate (RFC 8705).",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "https://issuer.example/token",
                        "scopes": {one.scope: f"{one.method} {one.path}" for one in service.operations},
                    }
                },
            },
            "certificate": {
                "type": "mutualTLS",
                "description": "The certificate that the token is bound to. Another service of the fleet is known by its own alone.",
            },
        },
    }


def _schemas(models: set[type[Told] | None]) -> Document:
    named = sorted(filter(None, models), key=lambda one: one.__name__)
    inputs: list[tuple[type[BaseModel], Any]] = [(model, "serialization") for model in named]
    _, found = models_json_schema(inputs, ref_template=REF)
    return {name: _present(schema) for name, schema in found["$defs"].items()}


def _present(schema: Document) -> Document:
    """What an answer may leave out it leaves out; it does not say null."""
    if "properties" not in schema:
        return schema
    properties = {name: _unless_null(one) if "default" in one else one for name, one in schema["properties"].items()}
    return {**schema, "properties": properties}


def _unless_null(schema: Document) -> Document:
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**next(one for one in schema["anyOf"] if one != {"type": "null"}), **rest}


def _plain(value: Any) -> Any:
    """Without titles that only repeat a name, and with whole numbers written as such."""
    match value:
        case dict():
            return {
                key: _plain(item)
                for key, item in value.items()
                if not (key == "title" and isinstance(item, str) and TYPED & value.keys())
            }
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
