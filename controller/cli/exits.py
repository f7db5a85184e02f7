"""Exit statuses of every command, in one place: the code, the help text and the page are written from it."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    BROKEN = 1
    USAGE = 2
    REFUSED = 3
    NOBODY = 4
    UNFINISHED = 5
    HUNG_UP = 129
    STOPPED = 130
    ENDED = 143


SAID = {
    Exit.DONE: "done",
    Exit.BROKEN: "something is broken: the journal's chain does not hold, or an extension cannot be loaded",
    Exit.USAGE: "the command, a settings file or a context file cannot be used as given; nothing was changed",
    Exit.REFUSED: "refused by a guard, which is named with what it saw, what it needs and the way out; nothing was changed",
    Exit.NOBODY: "no controller answers, or none of them reaches etcd's majority",
    Exit.UNFINISHED: "not finished within --timeout; it goes on without us",
    Exit.HUNG_UP: "a lab was ended because its terminal closed; nothing of it is left",
    Exit.STOPPED: "stopped by Ctrl-C; what was asked for goes on without us",
    Exit.ENDED: "a lab was ended by SIGTERM; nothing of it is left",
}


class Ended(Exception):
    """Ends a command with a status and one line for standard error."""

    def __init__(self, status: Exit, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


def listed() -> str:
    """All of them as lines."""
    return "\n".join(f"{status.value:<3}  {said}" for status, said in SAID.items())
