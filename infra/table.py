"""What every table of a stack's settings has in common."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Table(BaseModel):
    """A setting with parts: nothing in it may be unknown, nothing in it changes, and no error repeats what was given: it may be a secret
    that was pasted into the wrong place."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _said(given: object) -> object:
    """The engine wants a default of whatever `Pulumi.yaml` declares, and knows none that is nothing: so an empty table is one left out."""
    return None if given == {} else given


Said = TypeVar("Said", bound=Table)
LeftOut = Annotated[Said | None, BeforeValidator(_said)]
"""A table that a stack may leave out."""
