"""OpenAPI documents from routes and descriptions: nothing is left out, and nothing is said that is not so."""

from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from workload.access.operations import Operation
from workload.durable import errors
from workload.openapi import layers
from workload.openapi.answer import Answer, Described, Refusal, Told
from workload.openapi.document import NotDescribed, Service, document


class Boat(Told):
    """A boat."""

    name: str
    draught: float | None
    """Metres."""
    flag: str | None = None


class Wish(BaseModel):
    """What is asked."""

    name: str
    flag: str | None = None


LOST = Refusal(status=404, kind="lost", says="it sank")
READ = Described(
    summary="Look", tag="boats", answers={200: Answer(says="It.", body=Boat)}, refusals=(LOST,), parameters={"id": "b"}
)
MAKE = Described(summary="Make", tag="boats", answers={201: Answer(says="Made.", body=Boat, headers=("Location",))})
ALIVE = Described(summary="Alive?", tag="probes", answers={200: Answer(says="Yes.")})


def service(**changes: Any) -> Service:
    """Two operations behind the door, and one that anybody may ask."""
    app = FastAPI(title="Boats", version="1")

    @app.get("/v1/boats/{id}")
    async def read_boat(id: UUID) -> None:
        raise AssertionError

    @app.post("/v1/boats")
    async def make_boat(body: Wish) -> None:
        raise AssertionError

    @app.get("/healthz")
    async def lives() -> None:
        raise AssertionError

    given: dict[str, Any] = {
        "app": app,
        "descriptions": {("GET", "/v1/boats/{id}"): READ, ("POST", "/v1/boats"): MAKE, ("GET", "/healthz"): ALIVE},
        "operations": (
            Operation(method="GET", path="/v1/boats/{id}", scope="boats:read"),
            Operation(method="POST", path="/v1/boats", scope="boats:write"),
        ),
        "says": "Boats.",
        "tags": {"boats": "Boats."},
    }
    return Service(**{**given, **changes})


@pytest.mark.parametrize(
    ("part", "key", "told"),
    [
        ("descriptions", ("POST", "/v1/boats"), "without a description: POST /v1/boats"),
        ("operations", ("POST", "/v1/boats"), "without a scope: POST /v1/boats"),
    ],
)
def test_a_route_that_nobody_described_keeps_the_document_from_being_made(part: str, key: tuple[str, str], told: str) -> None:
    """Or one that the door would turn everybody away from."""
    whole = service()
    if part == "descriptions":
        left: Any = {one: described for one, described in whole.descriptions.items() if one != key}
    else:
        left = [one for one in whole.operations if (one.method, one.path) != key]
    with pytest.raises(NotDescribed, match=told):
        document(service(**{part: left}))


def test_a_description_or_a_scope_without_a_route_does_too() -> None:
    """It tells of something that is gone."""
    gone = ("PUT", "/v1/boats")
    with pytest.raises(NotDescribed, match="described, and no route: PUT /v1/boats"):
        document(service(descriptions={**service().descriptions, gone: READ}))
    with pytest.raises(NotDescribed, match="with a scope, and no route: PUT /v1/boats"):
        document(service(operations=(*service().operations, Operation(method=gone[0], path=gone[1], scope="boats:write"))))


def test_an_operation_answers_what_it_says_and_what_its_layers_say() -> None:
    """And behind no door no door answers."""
    paths = document(service())["paths"]
    read, make, alive = paths["/v1/boats/{id}"]["get"], paths["/v1/boats"]["post"], paths["/healthz"]["get"]
    assert set(read["responses"]) == {"200", "400", "401", "403", "404", "408", "411", "413", "429", "500", "503", "504"}
    assert set(make["responses"]) == (set(read["responses"]) | {"201", "422"}) - {"200", "404"}
    assert set(alive["responses"]) == {"200", "400", "401", "504"} and alive["security"] == []
    assert read["security"] == [{"token": ["boats:read"], "certificate": []}]
    assert read["responses"]["404"]["description"] == "- `lost`: it sank\n- `not-found`: there is nothing at this address"
    assert read["parameters"][0]["example"] == "b" and read["operationId"] == "read_boat"


def test_an_absent_member_of_an_answer_is_no_null() -> None:
    """A member that may be null says so, and so does a request that may hold one."""
    schemas = document(service())["components"]["schemas"]
    assert schemas["Boat"]["properties"]["flag"] == {"type": "string"}
    assert schemas["Boat"]["properties"]["draught"] == {"anyOf": [{"type": "number"}, {"type": "null"}], "description": "Metres."}
    assert {"type": "null"} in schemas["Wish"]["properties"]["flag"]["anyOf"]
    assert "HTTPValidationError" not in schemas


def test_what_several_operations_answer_alike_is_written_once() -> None:
    """By reference; an answer of one operation alone stays with it."""
    made = document(service())
    assert made["paths"]["/v1/boats"]["post"]["responses"]["401"] == {"$ref": "#/components/responses/Unauthorized"}
    described = made["components"]["responses"]["Unauthorized"]
    assert described["headers"]["WWW-Authenticate"]["required"] and "no-token" in described["description"]
    assert "NotFound" not in made["components"]["responses"]


def test_every_way_to_stay_unanswered_is_known() -> None:
    """A new error of the durable layer gets a kind and a meaning, or the documents are not complete."""
    leaves = {
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.Unanswered) and one not in (errors.Unanswered, errors.NothingHappened)
    }
    assert leaves == set(layers.UNANSWERED)
    assert "unanswered" not in {one.kind for one in layers.DURABLE}
