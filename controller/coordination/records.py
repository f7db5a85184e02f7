"""What the store keeps in etcd beside the values of `core`."""

from dataclasses import dataclass

from controller.coordination.chain import START, End
from controller.coordination.transaction import ABSENT

REMEMBERED = 32
"""How many commits the journal's head remembers by stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who carries the plan out; the revision of the key is the token, so it is not in the value."""

    controller: str
    session: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """End of the journal, replaced by every commit, with the stamps of the latest ones.

    The stamps answer the question a lost answer leaves: was my commit applied? Found among them, it was. Not found, and no
    more than REMEMBERED commits since the head it was built on: it was not, and never will be, because it compares that head.
    """

    end: End = START
    commits: int = 0
    recent: tuple[str, ...] = ()

    def after(self, end: End, stamp: str) -> "Head":
        """The head that one more commit leaves."""
        return Head(end=end, commits=self.commits + 1, recent=(*self.recent, stamp)[-REMEMBERED:])


NOTHING = Head()
"""Before the first commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """A head together with the revision that the next commit compares."""

    head: Head = NOTHING
    revision: int = ABSENT
