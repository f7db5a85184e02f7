"""What the engine has written down of a stack, as policies are asked about it; and what they miss there of what they notice elsewhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.policies.breaking import the_one, with_break
from tests.policies.breaks import BREAKS
from tests.policies.landed import Landed
from tests.policies.samples import Told


def passed_over(landed: Landed, state: list[dict[str, Any]]) -> Iterator[str]:
    """Rows of `BREAKS` of which somebody else than they say takes notice when they are made wrong in there, or nobody.

    Raises LookupError when there is nothing that could be.
    """
    told = [_told(one) for one in state]
    usually = landed.broken_by(told)
    rows = [row for row in BREAKS[landed.role] if not row.hand and the_one(told, row) is not None]
    if not rows:
        raise LookupError(f"nothing in {landed} could be made wrong")
    for row in rows:
        found = landed.broken_by(with_break(told, row))
        if found - usually != ({row.control} | row.also) - usually:
            yield f"{row}: noticed by {', '.join(sorted(found - usually)) or 'nobody'}"


def _told(one: Mapping[str, Any]) -> Told:
    """With the names that recordings have for what is made wrong; the rest as it is in the state."""
    named = {**one, "name": one["urn"].rpartition("::")[2], "ignore_changes": one.get("ignoreChanges") or []}
    return {"inputs": {}, "outputs": {}, **{key: value for key, value in named.items() if key != "ignoreChanges"}}
