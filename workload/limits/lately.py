"""Idempotency keys that this process has worked on lately. Pure.

A key is here from the moment its request is let in until it is certain that nothing came of it: an answer that nothing happened, or a
refusal. So a retry whose first attempt was accepted, has an unknown outcome or is still under way is told from a new wish.
"""

from collections import OrderedDict

LONGEST_KEY = 255
"""As the API allows; a longer one is refused there and remembered nowhere."""


class Lately:
    """The last `room` keys."""

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def note(self, key: str) -> None:
        """Work on this key begins."""
        if len(key) > LONGEST_KEY:
            return
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._room:
            self._keys.popitem(last=False)

    def drop(self, key: str) -> None:
        """Certainly nothing came of it."""
        self._keys.pop(key, None)
