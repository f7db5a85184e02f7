"""Where the places are: what stacks export is checked before anything is asked of anybody."""

import pytest

from controller.errors import Refused
from controller.filling.places import understood
from controller.stacks.contract import Stack
from tests.unit.filling.worlds import WHOSE, id_of, outputs


def test_every_place_has_its_vendors_name() -> None:
    """Of all three sites."""
    estate = understood(outputs(), WHOSE)
    assert estate.domain == "example.com" and len(estate.places) == len(estate.ids)
    assert all(estate.id(one) == id_of(one.site, one.name) for one in estate.places)


@pytest.mark.parametrize(
    ("stack", "key", "value", "said"),
    [
        (Stack.AWS, "contract", 2, "aws: it speaks contract 2"),
        (Stack.CONTROL, "nodes", {}, "control.nodes.azure: not the address of a node"),
        (Stack.CONTROL, "nodes", "10.0.0.1", "control.nodes.aws: not the address of a node"),
        (Stack.GCP, "secrets", {}, "gcp.secrets: no place edge/door"),
        (Stack.GCP, "secrets", ["edge/door"], "gcp.secrets: no place edge/door"),
        (Stack.EDGE, "azure_zone", "", "edge.azure_zone: missing"),
    ],
)
def test_what_cannot_be_meant_is_refused(stack: Stack, key: str, value: object, said: str) -> None:
    """With the stack and the output."""
    told = outputs()
    told[stack][key] = value
    with pytest.raises(Refused) as found:
        understood(told, WHOSE)
    assert said in found.value.value and "pulumi up" in found.value.way_out


@pytest.mark.parametrize(
    ("stack", "name", "id", "said"),
    [
        (
            Stack.AZURE,
            "edge/door",
            "http://vault.example.com/secrets/door",
            "azure.secrets.edge/door: not a place as azure names",
        ),
        (Stack.AWS, "edge/door", "trimaran/prod/edge/door", "aws.secrets.edge/door: not a place as aws names"),
        (Stack.GCP, "edge/door", id_of("gcp", "edge/clients"), "the same place as gcp:edge/door"),
        (Stack.AWS, "batch/password", id_of("aws", "batch/password"), "a place batch/password that this version does not fill"),
    ],
)
def test_a_place_that_is_none_or_somebody_elses_is_refused(stack: Stack, name: str, id: str, said: str) -> None:
    """Two secrets in one place: whoever is filled later is told the other's."""
    told = outputs()
    told[stack]["secrets"] = {**told[stack]["secrets"], name: id}
    with pytest.raises(Refused) as found:
        understood(told, WHOSE)
    assert said in found.value.value


def test_a_stack_of_which_nothing_is_known_is_named() -> None:
    """All of them at once."""
    with pytest.raises(Refused) as found:
        understood({Stack.AWS: {}}, WHOSE)
    assert (
        "aws: it has published nothing; azure: nothing is known" in found.value.value and "control: nothing" in found.value.value
    )
