"""Values of `core` to JSON text and back, and the one canonical spelling that digests are made of.

Nothing is lost on the way: text that cannot be read, and text with a field that this version does not know, is an error that
names the key. Scenario: controller B, one version ahead, adds a field to the posture; A reads it, forgets the field, and
writes the posture back for an unrelated reason; B now acts on a posture from which its field is gone.
"""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from controller.core.model import UNSAID
from controller.errors import Stuck

T = TypeVar("T")


class Unreadable(Stuck):
    """A key in etcd holds something this version cannot read without losing part of it. Nothing was changed."""

    def __init__(self, *, key: str, because: str) -> None:
        super().__init__(
            step=f"reading {key}",
            blocked_by=because,
            way_out="Run the version that wrote it, or put the key right by hand; it was left as it is.",
        )
        self.key = key


def canonical(value: object) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, ASCII; raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def plain(value: object) -> Any:
    """The same value in JSON's own types; sets become sorted lists, so that equal values are spelled alike."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((plain(item) for item in value), key=canonical)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__ if _said(value, name)}
    return to_jsonable_python(value)


def _said(value: Any, name: str) -> bool:
    """Is this field written?

    1. Controllers are brought to a new version one by one; the first writes a field that the others refuse to lose. 2. They hear one
    vantage less, for a field that says nothing. 3. The writer dies, another vantage is cut off, and nobody hears two voices.
    """
    return getattr(value, name) is not None or UNSAID not in value.__dataclass_fields__[name].metadata


def encode(value: object) -> str:
    """Canonical JSON of a frozen dataclass of `core`."""
    return canonical(plain(value))


def decode(kind: type[T], text: str, *, key: str) -> T:
    """The value that `encode` spelled; raises Unreadable, which names the key."""
    try:
        value = _adapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole value"
        raise Unreadable(key=key, because=f"no readable {kind.__name__}: {where}: {first['msg']}") from error
    if lost := _first_lost(json.loads(text), plain(value)):
        raise Unreadable(key=key, because=f"a field of {kind.__name__} that this version does not know: {lost}")
    return value


def _first_lost(before: object, after: object, path: str = "") -> str:
    """Path of the first field that is in `before` and not in `after`; empty when nothing was lost."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, item in before.items():
            if name not in after:
                return f"{path}.{name}".lstrip(".")
            if lost := _first_lost(item, after[name], f"{path}.{name}"):
                return lost
    if isinstance(before, list) and isinstance(after, list):
        return next(filter(None, (_first_lost(*pair, path) for pair in zip(before, after, strict=False))), "")
    return ""


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """One validator per type: building one is far dearer than using it."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]
