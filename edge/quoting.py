"""How a value stands in HAProxy's configuration. Pure."""

from pathlib import Path


def quoted(given: str | Path) -> str:
    """Between single quotes HAProxy takes everything as it is; settings allow none in a path, and our own text has none."""
    return f"'{given}'"
