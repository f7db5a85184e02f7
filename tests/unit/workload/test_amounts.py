"""Whole numbers: every way to write one in JSON, and nothing that only looks like one."""

from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from workload.amounts import WHOLE

READ = TypeAdapter(Annotated[int, Field(strict=True, gt=0), WHOLE])


@pytest.mark.parametrize("text", ["1250", "1250.0", "1.25e3", "125e1"])
def test_a_number_is_the_same_however_it_is_written(text: str) -> None:
    """The schema that is published says `integer`, and to JSON all of these are that one."""
    assert READ.validate_json(text) == 1250 and type(READ.validate_json(text)) is int


@pytest.mark.parametrize("text", ["1250.5", '"1250"', "true", "null", "[1250]", "NaN", "Infinity", "1e999", "0", "-1.0"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    """An amount is never guessed."""
    with pytest.raises(ValidationError):
        READ.validate_json(text)


def test_its_limits_are_published() -> None:
    """They would be checked and not told if the reading came before them."""
    assert READ.json_schema() == {"type": "integer", "exclusiveMinimum": 0}
