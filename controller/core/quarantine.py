"""What became of a returning writer's own payments, as one sentence of the journal, written and read here.

Whoever tells people of it needs the numbers; the journal has the sentence, which was there before anybody needed them.
"""

import re

_SAID = re.compile(r"(\d+) payments nobody else had: (\d+) superseded, (\d+) never happened")


def exported(transactions: int, superseded: int, never_happened: int) -> str:
    """The sentence."""
    return f"{transactions} payments nobody else had: {superseded} superseded, {never_happened} never happened"


def left_for_a_person(detail: str) -> int | None:
    """How many payments of this sentence somebody has to look at; None: it is another sentence."""
    found = _SAID.fullmatch(detail)
    return int(found[1]) if found else None
