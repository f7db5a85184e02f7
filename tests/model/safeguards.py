"""What the protocol rests on, one name each; the search takes one away at a time and has to find the harm."""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rules:
    """True: in force. Compared by identity, because every step of the search asks for them."""

    wait_cut: bool = True
    """A cut ends the apply worker before it reads the position."""
    read_all: bool = True
    """Every member of the must-cut set is cut and read before an election."""
    poll_rule: bool = True
    """A poll releases only those who waited before it was sent."""
    row_first: bool = True
    """Shrink: the row, a remaining member's confirmation, then etcd."""
    etcd_first: bool = True
    """Grow: etcd, then the row."""
    drop_streams: bool = True
    """Who follows or opens forgets every older subscription."""
    token: bool = True
    """A node remembers the newest token it was shown and refuses older ones."""
    settle: bool = True
    """The winner stays in the must-cut set until a follower has confirmed its marker."""
    markers: bool = True
    """A reign begins with a marker, and so does membership; nobody without a position of the reign is elected or counted in."""
    drain: bool = True
    """A fence waits for whoever passed the guard before it."""
    pin_guard: bool = True
    """On a foreign timeline nothing is written."""
    pin_cut: bool = True
    """A node on a foreign timeline proves nothing in an election."""
    pin_barrier: bool = True
    """On a foreign timeline nothing is acknowledged, and nothing that waited on another one."""
    pin_steps: bool = True
    """Every step behind a cut looks at the timeline again, in its own transaction."""
    pin_waits: bool = True
    """What followers confirm on a foreign timeline says nothing about what stood there before."""
    exact: bool = True
    """A position is mapped on an exact match of origins, or not at all."""
    fence_writer: bool = True
    """A cut closes a writer; what a writer says of itself counts only then."""
    forward: bool = True
    """A plan only goes forward: undoing it is another claim that elects the old writer."""
    synchronous: bool = True
    """A member's standby in its own cloud has every step on disk that the member has answered."""
    clear_once: bool = True
    """A node is emptied once per token: a try that arrives late finds the copy under way and leaves it alone."""
    fence_earlier: bool = True
    """A fence closes a writer of an earlier reign only, never the one that it helped to elect."""


SOUND = Rules()
"""The protocol as it ships."""

NAMES = tuple(one.name for one in fields(Rules))


def without(name: str) -> Rules:
    """The protocol with one safeguard removed."""
    return replace(SOUND, **{name: False})
