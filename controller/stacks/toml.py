"""Settings as text: tables within tables become `[a.b]`, lists of tables stand in one line. Pure.

TOML spells texts, numbers, truths and lists as JSON does, but for one character: it takes no DEL.
"""

import json
import re
from collections.abc import Iterator, Mapping

BARE = re.compile(r"[A-Za-z0-9_-]+")


def text(document: Mapping[str, object]) -> str:
    """The whole file."""
    return "\n".join(_table("", document)).lstrip("\n") + "\n"


def _table(name: str, table: Mapping[str, object]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    own = {key: value for key, value in table.items() if key not in inner}
    if name and (own or not inner):
        yield from ("", f"[{name}]")
    for key, value in own.items():
        yield f"{_key(key)} = {_spelled(value)}"
    for key, value in inner.items():
        yield from _table(f"{name}.{_key(key)}" if name else _key(key), value)


def _spelled(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_spelled(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    return _told(value)


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _told(key)


def _told(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
