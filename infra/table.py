"""What every table of a stack's settings has in common."""

import re
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A setting with parts: nothing in it may be unknown, nothing in it changes, and no error repeats what was given: it may be a secret
    that was pasted into the wrong place."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def matching(shape: re.Pattern[str], what: str) -> Callable[[str], str]:
    """Takes text of this shape. Raises ValueError, in words, and without what was given."""

    def check(given: str) -> str:
        if not shape.fullmatch(given):
            raise ValueError(what)
        return given

    return check
