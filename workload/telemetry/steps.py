"""What a request is doing, step by step, kept in memory until it ends. Nothing is sent from here, no tracing library is known here.

Whether anybody will want to see a request is known when it has ended: an error and a slow answer are worth keeping, most others are not. So
every step is written down, and that has to cost next to nothing: two readings of the clock and one small object. Where nothing is followed,
`step` costs one look at a context variable.

Rules for changing this file: steps say what was done, where and with what outcome. No text of a statement, no path, no header, no key and
no body ever goes into one, and of an exception only its type.
"""

import secrets
from collections.abc import Callable
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import Self

from workload.telemetry.numbers import hides_number

Value = str | int | float | bool

MOST_STEPS = 64
"""Of one request. A loop that went wrong must not fill the memory; further steps are counted."""


def draw_id(bits: int) -> int:
    """A random id of a trace (128 bits) or a span (64): never 0, and none that the next service would take for a card number."""
    while True:
        id = secrets.randbits(bits)
        if id and not hides_number(f"{id:0{bits // 4}x}"):
            return id


class Kind(StrEnum):
    """Which side of a conversation a step is."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Trail:
    """One request's steps in this process. `clock` answers nanoseconds and never goes back; `wall`: what the clock on the wall says now."""

    __slots__ = ("_offset", "_over", "caller", "clock", "dropped", "edge", "sampled", "steps", "trace")

    def __init__(
        self,
        *,
        trace: int,
        caller: int | None,
        sampled: bool,
        clock: Callable[[], int],
        wall: int,
        edge: "Hop | None" = None,
    ) -> None:
        """`trace`, `caller`: ids of the trace and of the caller's span (W3C Trace Context)."""
        self.trace, self.caller, self.sampled, self.edge = trace, caller, sampled, edge
        self.clock = clock
        self._offset = wall - clock()
        self.steps: list[Step] = []
        """In the order in which they ended; the request itself is the last."""
        self.dropped = 0
        self._over = False

    def keep(self, step: "Step") -> None:
        """A step has ended. The request itself is kept also when there were too many, and nothing after it."""
        if self._over:
            return
        self._over = step.parent is None
        if len(self.steps) < MOST_STEPS or self._over:
            self.steps.append(step)
        else:
            self.dropped += 1

    def settle(self) -> None:
        """Somebody wants to see it. Every id is drawn now: one that another thread drew later would not be the one that a log has said."""
        for step in self.steps:
            _ = step.id

    def forget(self) -> None:
        """Nobody wants to see it. Steps and trail know each other; now they are freed at once, and not by a search for such circles."""
        self.steps.clear()

    def at(self, moment: int) -> int:
        """What the clock on the wall said at a moment of `clock`: nanoseconds since 1970."""
        return moment + self._offset


class Hop:
    """What the edge said about a request: its own span's id, its site, and when it had it (nanoseconds since 1970)."""

    __slots__ = ("received", "site", "span")

    def __init__(self, *, span: int, site: str, received: int) -> None:
        self.span, self.site, self.received = span, site, received


class Step:
    """One step; a context manager, entered once. An exception that leaves it is its outcome, by the name of its type."""

    __slots__ = ("_id", "_token", "began", "ended", "kind", "name", "notes", "outcome", "parent", "trail")

    def __init__(self, trail: Trail, name: str, kind: Kind, parent: "Step | None", notes: dict[str, Value]) -> None:
        self.trail, self.name, self.kind, self.parent, self.notes = trail, name, kind, parent, notes
        self.outcome = ""
        self.began = self.ended = 0
        self._id = 0
        self._token: Token[Step | None] | None = None

    @property
    def id(self) -> int:
        """The span's id, drawn when somebody first asks for it: most steps are never seen."""
        if not self._id:
            self._id = draw_id(64)
        return self._id

    def note(self, **notes: Value) -> None:
        """Say more about this step."""
        self.notes.update(notes)

    def fail(self, outcome: str) -> None:
        """This step failed without an exception: how, in a word."""
        self.outcome = outcome

    def __enter__(self) -> Self:
        self._token = _here.set(self)
        self.began = self.trail.clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended = self.trail.clock()
        assert self._token is not None, "left without having been entered"
        _here.reset(self._token)
        self._token = None
        if kind is not None:
            self.outcome = kind.__name__
        self.trail.keep(self)


class _Nothing:
    """A step of a request that is not followed."""

    __slots__ = ()

    def note(self, **_notes: Value) -> None:
        return

    def fail(self, _outcome: str) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return


NOTHING = _Nothing()

_here: ContextVar[Step | None] = ContextVar("step", default=None)


def here() -> Step | None:
    """The step that is under way in this task; None when its request is not followed."""
    return _here.get()


def step(name: str, kind: Kind = Kind.INTERNAL, **notes: Value) -> Step | _Nothing:
    """`with step("barrier", site=...):` a step within whatever is under way in this task.

    A task that is started inside a step continues it. One that outlives its request is not seen: the request was judged without it.
    """
    parent = _here.get()
    return NOTHING if parent is None else Step(parent.trail, name, kind, parent, notes)


def note(**notes: Value) -> None:
    """Say more about the step that is under way, if any."""
    if (under_way := _here.get()) is not None:
        under_way.notes.update(notes)


def follow(trail: Trail, name: str, **notes: Value) -> Step:
    """The request itself: the step in which all others are."""
    return Step(trail, name, Kind.SERVER, None, notes)
