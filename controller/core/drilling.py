"""A drill's beginning and end, as entries of the journal: between them everything that people are told begins with `[DRILL]`. Pure.

Rules for changing this file: a drill always has an end. One that was forgotten would mark a real failover as a drill, and nobody would get
up.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

DRILL_BEGUN, DRILL_ENDED = "drill.begun", "drill.ended"
"""Kinds of the two entries."""

DRILL_LASTS, LONGEST_DRILL = timedelta(hours=1), timedelta(hours=24)
"""Without a word about it, and at most."""


def begun(name: str, *, by: str, reason: str, at: datetime, lasts: timedelta = DRILL_LASTS) -> Mapping[str, object]:
    """Body of the entry that begins it."""
    until = (at + min(lasts, LONGEST_DRILL)).isoformat(timespec="seconds")
    return {"sentence": f"drill {name} begins: {reason} ({by}); until {until}", "drill": name, "by": by, "until": until}


def ended(name: str, *, by: str, reason: str) -> Mapping[str, object]:
    """Body of the entry that ends it."""
    return {"sentence": f"drill {name} is over: {reason} ({by})", "drill": name, "by": by}
