"""This machine's cloud's word about it, made out for another cloud, as files that the controller shows there.

Asked for every five minutes, far more often than they end: what comes is good for most of an hour, unless a metadata service has kept it.
"""

import base64
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from controller.boot.asking import NotYet
from controller.boot.papers import write

LEAST = timedelta(minutes=12)
"""A token that ends sooner is written, and asked for again at once: metadata services keep a token and give it out until shortly before its
end, and the next round might come too late. Two rounds with all that a round may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file."""

    file: Path
    audience: str
    """For whom the token in it is made out."""


def put(wanted: Sequence[Wanted], token: Callable[[str], str], now: Callable[[], datetime]) -> tuple[str, ...]:
    """Write each that can be had, whatever becomes of the others; says what is not as it should be, by file, and no word of a token.

    1. Azure's exchange is refused. 2. The round ends there. 3. The token for AWS ends as well, and a controller that could still act in two
    clouds acts in one.
    """
    problems: list[str] = []
    for one in wanted:
        try:
            given = token(one.audience)
            left = ends(given) - now().timestamp()
        except NotYet as error:
            problems.append(f"{one.file}: {error}")
            continue
        # One that has ended is worse than the one before, which may have been made out for longer.
        if left > 0:
            write(one.file, given.encode(), os.getuid(), os.getgid())
        if left < LEAST.total_seconds():
            problems.append(f"{one.file}: what came ends in {left:.0f} s")
    return tuple(problems)


def ends(token: str) -> float:
    """When it does, in seconds of Unix time, by its own word: whoever it is shown to looks at the signature. Raises NotYet for what is no
    token. Source: RFC 7519, 4.1.4."""
    try:
        told = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))["exp"]
        return float(found)
    except (IndexError, KeyError, TypeError, ValueError):
        raise NotYet("what came is no token") from None
