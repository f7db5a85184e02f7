"""Whole numbers as JSON knows them: 1250 and 1250.0 are the same number, whatever the client's language makes of it."""

from typing import Any

from pydantic import BeforeValidator


def read_whole(value: Any) -> Any:
    """A float without a fraction as the integer that it is (JSON Schema 2020-12 section 4.2.3); everything else as it came."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(read_whole)
"""Beside a strict `int`: no text, no truth value and no fraction. It has to come last, or the limits before it are not published."""
