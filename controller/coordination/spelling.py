"""JSON as RFC 8785 spells it (JSON Canonicalization Scheme): equal values, equal bytes, in whatever language somebody checks them. Pure.

Rules for changing this file: none. A digest made of another spelling is another digest.
"""

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any

LARGEST = (1 << 53) - 1
"""Whole numbers beyond it are not told apart by every reader (I-JSON, RFC 7493)."""


class Unspellable(ValueError):
    """The value has no spelling of its own in RFC 8785: a whole number beyond 2^53, NaN, an infinity, half of a surrogate pair."""


def spelled(value: object) -> bytes:
    """The one spelling, UTF-8. Raises Unspellable, and TypeError for what is no JSON value."""
    parts: list[str] = []
    _write(value, parts.append)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        raise Unspellable(f"half of a surrogate pair at character {error.start}") from error


def _write(value: Any, put: Callable[[str], None]) -> None:
    kind = type(value)
    if kind is str:
        put(encode_basestring(value))
    elif kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise Unspellable(f"{value} is beyond 2^53, and would be read as another number")
        put(str(value))
    elif kind is dict:
        _write_object(value, put)
    elif kind is list or kind is tuple:
        put("[")
        for place, item in enumerate(value):
            if place:
                put(",")
            _write(item, put)
        put("]")
    elif value is None:
        put("null")
    elif kind is bool:
        put("true" if value else "false")
    elif kind is float:
        put(_number(value))
    else:
        raise TypeError(f"{kind.__name__} is no JSON value")


def _write_object(value: Mapping[str, Any], put: Callable[[str], None]) -> None:
    """Names in the order of their UTF-16 code units, which is that of the letters themselves up to U+D7FF."""
    names = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_units)
    put("{")
    for place, name in enumerate(names):
        put(f",{encode_basestring(name)}:" if place else f"{encode_basestring(name)}:")
        _write(value[name], put)
    put("}")


def _units(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def _number(value: float) -> str:
    """As ECMAScript writes it: the shortest digits that are read back as the same number, which are Python's too, pointed its way."""
    if value != value or value in (float("inf"), float("-inf")):
        raise Unspellable(f"{value} is no number of JSON")
    if value == 0:
        return "0"
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(power or 0) - (len(whole + part) - len(digits))
    """Where it stands, counted from before the first digit."""
    digits = digits.rstrip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return f"{sign}{digits}{'0' * (point - count)}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"
