"""What every table of a stack's settings has in common."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A setting with parts: nothing in it may be unknown, nothing in it changes, and no error repeats what was given: it may be a secret
    that was pasted into the wrong place."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
