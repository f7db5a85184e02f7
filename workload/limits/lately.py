"""Idempotency keys that this process has worked on lately. Pure.

A key is here from the moment its request is let in until it is certain that nothing came of it: an answer that nothing happened, or a
refusal. So a retry whose first attempt was accepted, has an unknown outcome or is still under way is told from a new wish. Whoever was
told twice what became of it is not told a third time before others: an answer may be lost on its way, and a client that asks for its old
answers in a loop would otherwise always be served first.
"""

from collections import OrderedDict

ENOUGH = 2
"""Answers to one key, the first attempt's included."""

LONGEST_KEY = 255
"""As the API allows; a longer one is refused there and remembered nowhere."""


class Lately:
    """The last `room` keys."""

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._keys: OrderedDict[str, int] = OrderedDict()
        """With how often each was answered."""

    def __contains__(self, key: str) -> bool:
        return self._keys.get(key, ENOUGH) < ENOUGH

    def has_been_told(self, key: str) -> bool:
        """Was it answered so often that its client has the answer?"""
        return self._keys.get(key, 0) >= ENOUGH

    def note(self, key: str) -> None:
        """Work on this key begins."""
        if len(key) > LONGEST_KEY:
            return
        self._keys.setdefault(key, 0)
        self._keys.move_to_end(key)
        if len(self._keys) > self._room:
            self._keys.popitem(last=False)

    def tell(self, key: str) -> None:
        """It was answered."""
        if key in self._keys:
            self._keys[key] += 1

    def drop(self, key: str) -> None:
        """Certainly nothing came of it."""
        self._keys.pop(key, None)
