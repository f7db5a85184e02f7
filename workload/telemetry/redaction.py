"""The second wall: whatever looks like a card number or an IBAN is replaced before anybody can see it.

Stands at the last moment before something leaves the process: after messages are put together and exceptions are written out, before
identifiers of our own are added, which therefore cannot be touched.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from workload.issued import SHORTEST
from workload.telemetry.numbers import find_numbers

REDACTED = "[redacted]"
DEEPEST = 8
"""Levels of values within values. Below them nothing is shown, because nothing was looked at."""

_LEAST, _MOST = 10 ** (SHORTEST - 1), 10**40
"""Between them a number is looked at. Longer ones nobody pastes, and writing one of thousands takes time."""


def redact(text: str) -> str:
    """`text` without card numbers and IBANs."""
    places = find_numbers(text)
    for start, end in reversed(places):
        text = text[:start] + REDACTED + text[end:]
    return text


def redact_value(value: object, depth: int = DEEPEST) -> Any:
    """A value as JSON can hold it, without card numbers and IBANs: in texts, numbers, names, and what objects say of themselves."""
    match value:
        case None | bool():
            return value
        case str():
            return redact(value)
        case int() | float():
            return REDACTED if _LEAST <= abs(value) < _MOST and find_numbers(str(int(abs(value)))) else value
        case _ if depth == 0:
            return REDACTED
        case Mapping():
            return {redact(str(name)): redact_value(item, depth - 1) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact_value(item, depth - 1) for item in value]
        case _:
            return redact(repr(value))


def redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor of structlog. Comes after tracebacks are formatted: an exception's message may quote what a client sent."""
    redacted: dict[str, Any] = redact_value(event)
    return redacted
